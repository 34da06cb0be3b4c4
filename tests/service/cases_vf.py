# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtual functions: no driver is let in before their types are written."""

import os
import pathlib
import subprocess

from harness import MANAGER, ROOT, case, equal

CARD = "0000:00:04.0"
FUNCTIONS = ["0000:00:04.1", "0000:00:04.2"]
RULE = {"30-vf.conf": "[Match]\nVirtualFunction=yes\n[Policy]\nType=identity\n"}
HELD = "virtual functions that appear are held"
ENDED = "held no longer"
RECORDS = pathlib.Path("/run/iommu-policy/autoprobe")


def attribute(name):
    return pathlib.Path("/sys/bus/pci/devices", CARD, name)


def make(count):
    attribute("sriov_numvfs").write_text(str(count))


def said(context, text):
    return sum(text in entry.get("MESSAGE", "") for entry in context.journal.entries)


def make_held(context, count):
    """As make(), by somebody who gives a busy machine the time to hear of the open file; the kernel gives
    100 ms."""
    before = said(context, HELD)
    with open(attribute("sriov_numvfs"), "w", encoding="ascii") as file:
        context.journal.wait(lambda _: said(context, HELD) > before)
        file.write(str(count))


def setting():
    return attribute("sriov_drivers_autoprobe").read_text().strip()


def wait_for_driver(context, functions=FUNCTIONS):
    for function in functions:
        context.kernel(f"wait-path sys/devices/pci0000:00/{function}/driver")


def wait_for_end(context, before):
    """The record goes last of all, and then this is said."""
    context.journal.wait(lambda _: said(context, ENDED) > before)
    equal(sorted(os.listdir(RECORDS)) if RECORDS.exists() else [], [])


def steps(context):
    """What was written where, each step once."""
    names = []
    for path, text, result in context.kernel.writes():
        name = os.path.basename(path)
        if name in ("sriov_drivers_autoprobe", "type", "drivers_probe") and result == "0":
            step = (name, text if name != "drivers_probe" else "")
            if step not in names:
                names.append(step)
    return names


@case(topology="functions", rules=RULE)
def vf_type_before_driver(context):
    for _ in range(3):
        before = said(context, ENDED)
        context.kernel("log-clear")
        make_held(context, 2)
        wait_for_driver(context)
        wait_for_end(context, before)
        for group in (1, 2):
            equal(context.kernel.type(group), "identity")
        equal(setting(), "1")
        equal(steps(context), [("sriov_drivers_autoprobe", "0"), ("type", "identity"),
                               ("sriov_drivers_autoprobe", "1"), ("drivers_probe", "")])
        before = said(context, ENDED)
        make(0)
        wait_for_end(context, before)
        equal([context.kernel.driver(function) for function in FUNCTIONS], [None, None])


@case(topology="functions", rules=RULE)
def vf_setting_of_0_is_left(context):
    attribute("sriov_drivers_autoprobe").write_text("0")
    make(2)
    for group in (1, 2):
        context.wait_group(group, Type="identity", State="settled")
    equal([context.kernel.driver(function) for function in FUNCTIONS], [None, None])
    equal(setting(), "0")
    equal([step for step in steps(context) if step[0] != "type"], [])


@case(topology="functions", rules={"30-vf.conf": "[Match]\nVirtualFunction=no\n[Policy]\nType=keep\n"})
def vf_not_governed_is_not_held(context):
    make(2)
    wait_for_driver(context)
    equal([step for step in steps(context) if step[0] != "type"], [])


@case(topology="functions")
def vf_governed_from_the_reload_on(context):
    context.write_rule("30-vf.conf", RULE["30-vf.conf"])
    context.call(ROOT, MANAGER, "Reload")
    make_held(context, 1)
    wait_for_driver(context, FUNCTIONS[:1])
    equal(context.kernel.type(1), "identity")


# Where the process that writes is killed: file, which write of it, before or after the kernel has taken it.
KILLS = [(name, nth, when)
         for name, nth in [("sriov_drivers_autoprobe", 1), ("type", 1), ("type", 2),
                           ("sriov_drivers_autoprobe", 2), ("drivers_probe", 1), ("drivers_probe", 2)]
         for when in ("before", "after")]


def make_killed(context, name, nth, when):
    """Two functions, with somebody killed; then what systemd does."""
    context.kernel(f"rule kill op=write path=*/{name} nth={nth} when={when} kill")
    if (name, nth) == ("sriov_drivers_autoprobe", 1):
        make(2)
    else:
        make_held(context, 2)
    context.kernel("wait-fired kill")
    context.kernel("rule-remove kill")
    if name == "sriov_drivers_autoprobe":  # the daemon's own write
        context.daemon.process.wait()
        subprocess.run([context.daemon.path, "--recover"], check=True)
        equal(setting(), "1")
        equal(os.listdir(RECORDS), [])
        context.daemon.start()


@case(topology="functions", rules=RULE)
def vf_killed_at_every_write(context):
    for name, nth, when in KILLS:
        before = said(context, ENDED)
        make_killed(context, name, nth, when)
        wait_for_driver(context)
        wait_for_end(context, before)
        equal(setting(), "1", f"{name} {nth} {when}")
        before = said(context, ENDED)
        make(0)
        wait_for_end(context, before)


@case(topology="functions", rules=RULE)
def vf_killed_and_started_again(context):
    for when in ("before", "after"):
        context.kernel(f"rule kill op=write path=*/sriov_drivers_autoprobe nth=2 when={when} kill")
        make_held(context, 2)
        context.kernel("wait-fired kill")
        context.kernel("rule-remove kill")
        context.daemon.process.wait()
        equal(os.listdir(RECORDS), [f"pci:{CARD}"])
        before = said(context, ENDED)
        context.daemon.start()
        wait_for_driver(context)
        wait_for_end(context, before)
        equal(setting(), "1")
        for group in (1, 2):
            equal(context.kernel.type(group), "identity")
        before = said(context, ENDED)
        make(0)
        wait_for_end(context, before)


@case(topology="functions", rules=RULE)
def vf_types_without_the_daemon(context):
    for recover in (True, False):
        before = said(context, HELD)
        with open(attribute("sriov_numvfs"), "w", encoding="ascii") as file:
            context.journal.wait(lambda _, before=before: said(context, HELD) > before)
            context.daemon.kill()
            file.write("2")
        equal([context.kernel.driver(function) for function in FUNCTIONS], [None, None])
        if recover:
            subprocess.run([context.daemon.path, "--recover"], check=True)
        before = said(context, ENDED)
        context.daemon.start()
        wait_for_driver(context)
        if not recover:
            wait_for_end(context, before)
        equal(setting(), "1")
        equal(os.listdir(RECORDS), [])
        for group in (1, 2):
            equal(context.kernel.type(group), "identity")
        before = said(context, ENDED)
        make(0)
        wait_for_end(context, before)
