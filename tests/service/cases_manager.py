# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the manager does over time: settling, inhibitors, calls that are written down, and calls dropped
again."""

import pathlib
import subprocess
import time

from bus import INTERFACE, MEMBER, PATH, SIGNAL, Connection, Variant
from harness import GROUP, MANAGER, NAME, ROOT, case, equal, expect_error

ACCEPTED = "Accept=signature up addr display input sound unknown"
IDLE = f"[Match]\nAny=yes\n[Policy]\nType=identity\nUnbind=idle\n{ACCEPTED}\n"
PLAIN = "0000:00:0a.0"
SETTLE = "[Daemon]\nSettleSec=1\n"


@case(rules={"30-idle.conf": IDLE}, daemon_conf=SETTLE, start=False)
def rule_unbinds_when_idle(context):
    """Settling first, then the change; the driver is back and nothing is left to do."""
    context.kernel("driver pci plain ids=1234:0001")
    context.kernel(f"device pci {PLAIN} group=40 id=1234:0001 class=0b4000")
    context.daemon.start()
    context.wait_group(40, State="settled", Type="identity", timeout=60)
    equal(context.kernel.driver(PLAIN), "plain")
    context.journal.wait(lambda entry: "change to identity done" in entry.get("MESSAGE", ""))


@case(rules={"30-idle.conf": IDLE}, daemon_conf=SETTLE, start=False)
def rule_waits_for_the_end_of_start_up(context):
    """systemd is there, not on the bus yet, then starting, then done: nothing is unbound before."""
    pathlib.Path("/run/systemd/system").mkdir(parents=True)
    context.kernel("driver pci plain ids=1234:0001")
    context.kernel(f"device pci {PLAIN} group=40 id=1234:0001 class=0b4000")
    context.daemon.start()
    context.journal.wait(lambda entry: "systemd does not answer on the bus" in entry.get("MESSAGE", ""))
    systemd, asked = Connection(), []
    properties = {"SystemState": Variant("s", "starting"), "NJobs": Variant("u", 0)}

    def answer(member, arguments):
        asked.append(arguments[1] if member == "Get" else member)
        return ("v", (properties[arguments[1]],)) if member == "Get" else ("", ())

    systemd.objects["/org/freedesktop/systemd1"] = answer
    systemd.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                 "su", "org.freedesktop.systemd1", 0)
    while "SystemState" not in asked:
        systemd.dispatch(time.monotonic() + 30)
    context.call(ROOT, MANAGER, "Apply")
    equal((context.group(40, "State"), context.group(40, "PendingReason")), ("pending", "settling"))
    equal(context.kernel.writes(), [])
    properties["SystemState"] = Variant("s", "running")
    systemd.send(SIGNAL, {PATH: Variant("o", "/org/freedesktop/systemd1"),
                          INTERFACE: Variant("s", "org.freedesktop.systemd1.Manager"),
                          MEMBER: Variant("s", "StartupFinished")}, "tttttt", (1, 1, 1, 1, 1, 1))
    while "NJobs" not in asked:
        systemd.dispatch(time.monotonic() + 30)
    context.wait_group(40, State="settled", Type="identity", timeout=60)
    equal(context.kernel.driver(PLAIN), "plain")


@case()
def one_thread(context):
    """Neither we nor a library: one thread when rules were read, a device was looked at, a change was
    made."""
    path = f"{ROOT}/group/0"
    context.call(ROOT, MANAGER, "Reload")
    context.call(path, GROUP, "SetType", "sa{sv}", "identity", {"allow": context.allow(0, "identity")})
    threads = pathlib.Path(f"/proc/{context.daemon.process.pid}/task")
    equal(len(list(threads.iterdir())), 1)


@case()
def inhibitor_lasts_as_long_as_its_descriptor(context):
    """busctl closes the descriptor when it ends."""
    subprocess.run(["busctl", "--system", "call", NAME, f"{ROOT}/group/0", GROUP, "Inhibit", "ss", "backup",
                    "reads the disk"], check=True, stdout=subprocess.DEVNULL)
    context.journal.wait(lambda entry: "inhibited by backup: reads the disk" in entry.get("MESSAGE", ""))
    context.journal.wait(lambda entry: "no longer inhibited" in entry.get("MESSAGE", ""))


@case()
def persist_writes_a_rule(context):
    equal(context.change(0, "DMA", persist=Variant("b", True), reason=Variant("s", "a test")), "DMA")
    files = sorted(pathlib.Path("/etc/iommu-policy.d").glob("05-call-*.conf"))
    equal(len(files), 1)
    text = files[0].read_text()
    assert "Type=DMA\n" in text and "Reason=a test\n" in text and "Path=" in text, text
    equal(context.get(ROOT, MANAGER, "RulesChangedOnDisk"), True)
    equal([row for row in context.call(ROOT, MANAGER, "Reload") if row[3] == "error"], [])
    context.set_type(0, "")
    equal(context.group(0, "WantedBy"), f"{files[0]}:{line_of(text, 'Type=')}")


@case(rules={"01-first.conf": "[Match]\nAny=yes\n[Policy]\nType=DMA-FQ\n"})
def persist_that_would_lose(context):
    error = expect_error("Conflict", context.change, 0, "DMA", persist=Variant("b", True))
    assert "01-first.conf" in error.text, error.text
    equal(list(pathlib.Path("/etc/iommu-policy.d").glob("05-call-*.conf")), [])
    equal(context.kernel.type(0), "DMA-FQ")


@case(rules={"30-type.conf": "[Match]\nAny=yes\n[Policy]\nType=DMA\n"})
def apply_tells_what_is_not_settled(context):
    equal([row for row in context.call(ROOT, MANAGER, "Apply") if row[0] == 0],
          [(0, "pending", "unbind-not-allowed")])


@case()
def call_without_waiting(context):
    connection = Connection()
    serial = context.start_change(connection, 0, "DMA", wait=Variant("b", False))
    equal(connection.finish(serial), ("DMA-FQ",))
    context.wait_group(0, Type="DMA", State="settled")
    equal(context.group(0, "WantedBy"), "call:uid=0")
    equal(context.group(0, "LastResult")[1:], ("DMA", "", ""))


def line_of(text, start):
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start))

