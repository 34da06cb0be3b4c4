# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that are added: the rule is before the driver, or after it, and whoever was first is told."""

import contextlib
import os
import select
import signal
import subprocess

from bus import Connection
from harness import MANAGER, NAME, ROOT, case, children_of, equal

# A driver whose module is loaded late, and a device for it; the group is the next one.
DRIVER = "driver pci late ids=1b36:1111"
PLUG = "device pci 0000:05:00.0 group=new id=1b36:1111 class=ff0000"
RULE = "[Match]\nId=1b36:1111\n[Policy]\nType={}\nUnbind={}\n"
NEVER = {"30-plug.conf": RULE.format("identity", "never")}
IDLE = {"30-plug.conf": RULE.format("identity", "idle")}
AT_ONCE = "[Daemon]\nSettleSec=0\n"
WRITERS = 4
TYPE = "sys/kernel/iommu_groups/{}/type"


def counts(context):
    return context.get(ROOT, MANAGER, "AddsBeforeDriver"), context.get(ROOT, MANAGER, "AddsAfterDriver")


def writers(context):
    """Their pids, as far as they have given themselves their name: once one of them has dealt with a
    device."""
    return {pid for pid, name in children_of(context.daemon.process.pid).items() if name == "iommu-add-write"}


def await_end(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            assert select.select([descriptor], [], [], 30)[0], f"the writer {pid} does not end"
            os.close(descriptor)


def await_counts(context, before, after):
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',path='{ROOT}',member='PropertiesChanged'")
    while counts(context) != (before, after):
        connection.wait_signal(lambda message: True)
    connection.close()


def plug_while_the_daemon_stands_still(context, plug, group):
    """What is written is a writer's."""
    context.kernel(f"rule written op=write path={TYPE.format(group)} nth=1 when=after delay 1")
    context.daemon.signal(signal.SIGSTOP)
    context.kernel(plug)
    context.kernel("wait-fired written")
    context.daemon.signal(signal.SIGCONT)
    context.kernel("rule-remove written")


def unbinds(context):
    return [path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")]


def lose(context, group=1, path="sys/devices/pci0000:05/0000:05:00.0"):
    """The write of the group's type is held until the driver is bound."""
    context.kernel(f"rule held op=write path={TYPE.format(group)} nth=1 block")
    context.kernel(PLUG)
    context.kernel("wait-blocked held")
    context.kernel(DRIVER)
    context.kernel(f"wait-path {path}/driver")
    context.kernel("release held")


@case(rules=NEVER)
def add_wins_before_a_late_driver(context):
    plug_while_the_daemon_stands_still(context, PLUG, 1)
    entry = context.journal.wait(lambda fields: "IOMMU_ADD_USEC" in fields)
    equal((entry["IOMMU_FROM"], entry["IOMMU_TO"], entry["IOMMU_HOW"], entry["IOMMU_DEVICE"]),
          ("DMA-FQ", "identity", "unbound", "0000:05:00.0"))
    context.wait_group(1, Type="identity", State="settled")
    context.kernel(DRIVER)
    context.kernel("wait-path sys/devices/pci0000:05/0000:05:00.0/driver")
    equal(context.kernel.type(1), "identity")
    equal(unbinds(context), [])
    await_counts(context, 1, 0)
    equal(context.group(1, "LastResult")[1:], ("identity", "", ""))


@case(rules=NEVER)
def add_without_a_driver_wins(context):
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled")
    await_counts(context, 1, 0)
    context.kernel("replug 0000:05:00.0")
    await_counts(context, 2, 0)
    context.wait_group(1, Type="identity", State="settled")


@case(rules=NEVER)
def add_lost_is_pending_for_driver_race(context):
    lose(context)
    context.wait_group(1, State="pending", PendingReason="driver-race", Type="DMA-FQ")
    entry = context.journal.wait(lambda fields: "IOMMU_DRIVER" in fields)
    equal((entry["IOMMU_DRIVER"], entry["IOMMU_TO"]), ("late", "identity"))
    equal(counts(context), (0, 1))
    equal(unbinds(context), [])
    # When the driver goes, the rule has its turn; the reason was that of this device and of this rule.
    context.kernel("driver-remove pci late")
    context.wait_group(1, State="settled", Type="identity", PendingReason="")
    equal(counts(context), (0, 1))


@case(rules=NEVER, generation="6.1")
def add_lost_on_an_older_kernel(context):
    lose(context)
    context.wait_group(1, State="pending", PendingReason="driver-race", Type="DMA-FQ")
    equal(counts(context), (0, 1))


@case(rules=IDLE, daemon_conf=AT_ONCE)
def add_lost_is_settled_by_the_idle_path(context):
    context.write_rule("30-plug.conf",
                       RULE.format("identity", "idle").replace("idle\n", "idle\nAccept=unknown\n"))
    context.call(ROOT, MANAGER, "Reload")
    lose(context)
    context.wait_group(1, State="settled", Type="identity")
    equal(counts(context), (0, 1))


@case()
def rule_that_came_later_lost_no_race(context):
    context.kernel(DRIVER)
    context.kernel(PLUG)
    context.wait_group(1, State="settled", Type="DMA-FQ")
    context.write_rule("30-plug.conf", RULE.format("identity", "never"))
    context.call(ROOT, MANAGER, "Reload")
    context.wait_group(1, State="pending", PendingReason="unbind-not-allowed")
    equal(counts(context), (0, 0))


@case(rules=NEVER)
def race_ends_with_the_rules_that_lost_it(context):
    lose(context)
    context.wait_group(1, State="pending", PendingReason="driver-race")
    context.call(ROOT, MANAGER, "Reload")
    equal(context.group(1, "PendingReason"), "driver-race")
    context.write_rule("30-plug.conf", RULE.format("DMA", "never"))
    context.call(ROOT, MANAGER, "Reload")
    equal(context.group(1, "PendingReason"), "unbind-not-allowed")


@case(rules={"30-plug.conf": "[Match]\nDriver=late\n[Policy]\nType=identity\n"})
def late_key_lost_no_race(context):
    context.kernel(DRIVER)
    context.kernel(PLUG)
    context.wait_group(1, State="pending", PendingReason="unbind-not-allowed")
    equal(counts(context), (0, 0))


@case(rules=NEVER)
def blocked_write_keeps_no_other_device(context):
    context.kernel(f"rule held op=write path={TYPE.format(1)} nth=1 block")
    context.kernel(PLUG)
    context.kernel("wait-blocked held")
    context.kernel(PLUG.replace("05:00", "06:00"))
    context.wait_group(2, Type="identity", State="settled")
    equal(context.kernel.type(1), "DMA-FQ")
    context.kernel("release held")
    context.wait_group(1, Type="identity", State="settled")
    context.wait_group(2, Type="identity", State="settled")
    await_counts(context, 2, 0)


@case(rules=NEVER)
def more_blocked_writes_than_writers(context):
    """The ordinary way is left for the next device, and takes it."""
    names = [f"held{n}" for n in range(WRITERS)]
    for n, name in enumerate(names):
        context.kernel(f"rule {name} op=write path={TYPE.format(n + 1)} nth=1 block")
        context.kernel(PLUG.replace("05:00", f"1{n}:00"))
        context.kernel(f"wait-blocked {name}")
    context.kernel(PLUG)
    context.wait_group(len(names) + 1, Type="identity", State="settled")
    for name in names:
        context.kernel(f"release {name}")
    for group in range(1, len(names) + 2):
        context.wait_group(group, Type="identity", State="settled")
    await_counts(context, len(names) + 1, 0)


@case(rules=NEVER)
def killed_writers_are_started_again(context):
    context.kernel(f"rule held op=write path={TYPE.format(1)} nth=1 block")
    context.kernel(PLUG)
    context.kernel("wait-blocked held")
    before = writers(context)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    context.kernel("release held")
    context.wait_group(1, Type="identity", State="settled")
    context.kernel(PLUG.replace("05:00", "06:00"))
    context.wait_group(2, Type="identity", State="settled")
    await_end(before)
    plug_while_the_daemon_stands_still(context, PLUG.replace("05:00", "07:00"), 3)


@case(rules=NEVER)
def reload_while_an_add_is_under_way(context):
    """What was begun for the old rules ends, and the new ones have the last word."""
    context.kernel(f"rule held op=write path={TYPE.format(1)} nth=1 block")
    context.kernel(PLUG)
    context.kernel("wait-blocked held")
    before = writers(context)
    assert before
    context.write_rule("30-plug.conf", RULE.format("DMA", "never"))
    context.call(ROOT, MANAGER, "Reload")
    context.kernel("release held")
    await_end(before)
    context.wait_group(1, Type="DMA", State="settled")
    context.kernel(PLUG.replace("05:00", "06:00"))
    context.wait_group(2, Type="DMA", State="settled")


@case(rules=NEVER)
def call_outranks_the_rule_until_the_device_goes(context):
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled")
    equal(context.set_type(1, "DMA"), "DMA")
    context.kernel("event add sys/devices/pci0000:05/0000:05:00.0 SYNTH_UUID=0")
    context.kernel("event add sys/devices/pci0000:05/0000:05:00.0")
    context.kernel(PLUG.replace("05:00", "06:00"))
    context.wait_group(2, Type="identity", State="settled")
    equal(context.kernel.type(1), "DMA")
    context.kernel("replug 0000:05:00.0")
    context.wait_group(1, Type="identity", State="settled")


@case(rules=NEVER)
def inhibited_group_is_not_written_to(context):
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled")
    before = writers(context)
    inhibitor = subprocess.Popen([context.options.client, "inhibit", "1", "cat"], stdin=subprocess.PIPE)
    context.journal.wait(lambda fields: "inhibited by" in fields["MESSAGE"])
    await_end(before)
    context.kernel("group 1 type=DMA")
    context.kernel(PLUG.replace("05:00", "05:01").replace("group=new", "group=1"))
    context.wait_group(1, Type="DMA", State="pending", PendingReason="inhibited")
    await_counts(context, 1, 0)
    inhibitor.stdin.close()
    context.wait_group(1, Type="identity", State="settled")


@case()
def no_rule_no_writer(context):
    equal(writers(context), set())
    context.write_rule("30-plug.conf", NEVER["30-plug.conf"])
    context.call(ROOT, MANAGER, "Reload")
    plug_while_the_daemon_stands_still(context, PLUG, 1)
    before = writers(context)
    os.unlink("/etc/iommu-policy.d/30-plug.conf")
    context.call(ROOT, MANAGER, "Reload")
    await_end(before)


@case(rules=NEVER)
def writers_end_with_the_daemon(context):
    plug_while_the_daemon_stands_still(context, PLUG, 1)
    before = writers(context)
    context.daemon.kill()
    await_end(before)
    context.daemon.start()


@case(rules=NEVER)
def storm_of_adds_is_settled_or_told(context):
    """Each of them is before its driver, or is said to be after it; none is unbound."""
    total = 64
    context.kernel(DRIVER + " async")
    for n in range(total):
        context.kernel(PLUG.replace("05:00.0", f"{0x10 + n // 8:02x}:{n % 8:02x}.0"))
    for group in range(1, total + 1):
        kind = "identity" if context.kernel.type(group) == "identity" else "DMA-FQ"
        state, reason = ("settled", "") if kind == "identity" else ("pending", "driver-race")
        context.wait_group(group, Type=kind, State=state, PendingReason=reason)
    wins = sum(context.kernel.type(group) == "identity" for group in range(1, total + 1))
    await_counts(context, wins, total - wins)
    equal(unbinds(context), [])
