# SPDX-License-Identifier: LGPL-2.1-or-later
"""A write to the kernel that does not return: its group is stuck, nobody else is, and it ends well. That the
bus answers is asserted here, how fast is measured by tests/bench."""

import contextlib
import os
import select
import subprocess

from bus import Connection, Variant
from cases_fault import check_whole, records
from harness import DEVICE, GROUP, MANAGER, NAME, ROOT, case, children_of, equal, expect_error

SHORT = "[Daemon]\nUnbindTimeoutSec=1\nTypeTimeoutSec=1\nBindTimeoutSec=1\nSettleSec=1\n"
CARDS = {number: f"0000:{number}:00.0" for number in range(10, 18)}


def hang(context, group, where="unbind"):
    """The next write to WHERE, for a change of GROUP, hangs, its caller has been told, and the group is
    stuck."""
    context.kernel(f"rule stuck{group} path=*/{where} op=write nth=1 block")
    connection = Connection()
    serial = context.start_change(connection, group, "identity")
    expect_error("Timeout", connection.finish, serial)
    context.wait_group(group, State="stuck")


def check_stuck(context, group, step):
    """What is stuck says so, and refuses; it takes nothing with it."""
    equal(context.group(group, "State"), "stuck")
    equal(context.group(group, "Step"), step)
    error = expect_error("Stuck", context.set_type, group, "DMA")
    assert f"group {group}" in error.text and step in error.text, error.text
    expect_error("Stuck", context.call, f"{ROOT}/group/{group}", GROUP, "Plan", "sa{sv}", "DMA", {})
    expect_error("Stuck", context.call, f"{ROOT}/group/{group}", GROUP, "Refresh")
    equal(context.set_type(group, ""), context.group(group, "Type"))
    context.call(f"{ROOT}/group/{group}", GROUP, "GetFindings")
    context.call(ROOT, MANAGER, "Reload")
    rows = {row[0]: row[1] for row in context.call(ROOT, MANAGER, "Apply")}
    equal(rows.get(group, "stuck"), "stuck")
    equal(context.group(group, "State"), "stuck")


def workers_of(pid):
    """Not those that wait for added devices."""
    return [child for child, name in children_of(pid).items() if name != "iommu-add-write"]


def wait_end(pid):
    """Waits until the process has ended, whosever child it is."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        assert select.select([descriptor], [], [], 30)[0], f"process {pid} does not end"
        os.close(descriptor)


@case(topology="eight", daemon_conf=SHORT)
def stuck_group_leaves_the_others_alone(context):
    hang(context, 10)
    check_stuck(context, 10, "unbind 0000:10:00.0")
    equal(context.change(11, "identity"), "identity")
    context.kernel("replug 0000:12:00.0")
    context.wait_group(12, State="settled")
    context.kernel("release stuck10")
    context.wait_group(10, State="settled", Step="")
    check_whole(context, 10, ((CARDS[10], "e1000e"), (CARDS[11], "e1000e")))


@case(topology="eight", daemon_conf=SHORT)
def every_turn_is_taken_by_a_stuck_group(context):
    """Eight change at once; eight that are stuck are in nobody's way."""
    context.kernel("device pci 0000:05:00.0 group=99 id=8086:10d3 class=020000 child=net:eth9")
    context.wait_group(99, State="settled")
    for group in CARDS:
        hang(context, group, "unbind" if group == 10 else f"{CARDS[group]}/driver_override")
    context.kernel("release stuck10")
    context.wait_group(10, State="settled")
    equal(context.change(99, "identity"), "identity")
    for group in list(CARDS)[1:]:
        context.kernel(f"release stuck{group}")
    for group in CARDS:
        context.wait_group(group, State="settled", Step="")
    check_whole(context, 10, [(card, "e1000e") for card in CARDS.values()])


@case(topology="eight", daemon_conf=SHORT)
def stuck_survives_a_restart(context):
    """By SIGTERM, which does not wait for it, and by SIGKILL. The next daemon knows it by its lock, and what
    it does by the note in it; its own waiting for the lock ends with it."""
    hang(context, 10)
    for end in context.daemon.stop, context.daemon.kill:
        end()
        context.daemon.start()
        check_stuck(context, 10, "unbind 0000:10:00.0")
        equal(context.change(11, "identity" if context.kernel.type(11) != "identity" else "DMA"),
              context.kernel.type(11))
    equal(records(), ["pci:0000:10:00.0"])
    waiters = workers_of(context.daemon.process.pid)
    assert waiters, "nobody waits for the lock"
    context.daemon.kill()
    for pid in waiters:
        wait_end(pid)
    context.daemon.start()
    context.kernel("release stuck10")
    context.wait_group(10, State="settled", Type="identity", Step="")
    check_whole(context, 10, ((CARDS[10], "e1000e"), (CARDS[11], "e1000e")))


@case(daemon_conf="[Daemon]\nUnbindTimeoutSec=30\nBindTimeoutSec=1\n")
def orphan_becomes_stuck(context):
    """It hung in nothing when its daemon died; the next one follows its steps, and sees when one takes too
    long."""
    context.kernel("rule first path=*/unbind op=write block")
    context.kernel("rule second path=*/bind op=write block")
    connection = Connection()
    context.start_change(connection, 0, "identity")
    context.kernel("wait-blocked first")
    context.daemon.kill()
    context.daemon.start()
    context.wait_group(0, State="changing", Step="unbind 0000:00:06.0")
    expect_error("Busy", context.set_type, 0, "DMA")
    context.kernel("release first")
    context.wait_group(0, State="stuck", Step="bind 0000:00:06.0")
    expect_error("Stuck", context.set_type, 0, "DMA")
    context.kernel("release second")
    context.wait_group(0, State="settled", Type="identity", Step="")
    check_whole(context)


@case(daemon_conf=SHORT)
def bind_that_does_not_return(context):
    hang(context, 0, "bind")
    check_stuck(context, 0, "bind 0000:00:06.0")
    context.daemon.kill()
    equal(subprocess.run([context.options.daemon, "--recover"], check=False, timeout=60).returncode, 0)
    context.daemon.start()
    check_stuck(context, 0, "bind 0000:00:06.0")
    context.kernel("release stuck0")
    context.wait_group(0, State="settled", Type="identity", Step="")
    check_whole(context)


@case(daemon_conf=SHORT)
def recovery_that_does_not_return(context):
    """All were killed when the device had no driver, and now its `bind` hangs: what ExecStopPost= runs ends
    all the same, and the daemon starts."""
    context.kernel("rule death path=*/type op=write nth=2 block")
    connection = Connection()
    context.start_change(connection, 0, "identity")
    context.kernel("wait-blocked death")
    workers = workers_of(context.daemon.process.pid)
    for pid in (context.daemon.process.pid, *workers):
        os.kill(pid, 9)
    context.kernel("release death")
    context.daemon.process.wait(30)
    for pid in workers:
        wait_end(pid)
    context.kernel("rule hang path=*/bind op=write nth=1 block")
    context.kernel("watch all")
    equal(subprocess.run([context.options.daemon, "--recover"], check=False, timeout=90).returncode, 1)
    context.daemon.start()
    check_stuck(context, 0, "bind 0000:00:06.0")
    context.kernel("release hang")
    context.wait_group(0, State="settled", Step="")
    check_whole(context)


@case(topology="eight", daemon_conf=SHORT)
def rule_waits_for_what_is_stuck(context):
    hang(context, 10)
    context.write_rule("10-card.conf", "[Match]\nAddress=0000:10:00.0\n[Policy]\nType=DMA-FQ\n")
    context.call(ROOT, MANAGER, "Reload")
    equal(context.group(10, "State"), "stuck")
    context.kernel("release stuck10")
    context.wait_group(10, State="settled", Type="identity")
    equal(context.set_type(10, ""), "identity")
    context.wait_group(10, State="pending", PendingReason="unbind-not-allowed", Type="identity")
    check_whole(context, 10, ((CARDS[10], "e1000e"),))


@case(topology="eight", daemon_conf=SHORT)
def stuck_device_is_pulled(context):
    """The device goes while its unbind hangs: the group goes, and no record stays."""
    hang(context, 10)
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',member='InterfacesRemoved'")
    context.kernel("remove 0000:10:00.0")
    context.kernel("release stuck10")
    connection.wait_signal(lambda message: message.body[0] == f"{ROOT}/group/10")
    assert 10 not in context.groups()
    context.kernel("wait-no-path run/iommu-policy/change/pci:0000:10:00.0")
    context.kernel("rescan")
    context.wait_group(10, State="settled", Type="DMA-FQ")
    check_whole(context, 10, ((CARDS[10], "e1000e"),))


@case(topology="eight", start=False)
def type_that_cannot_be_read(context):
    """Somebody else's attach holds the group: neither the start nor a property waits for it."""
    context.kernel("rule stuck op=read path=sys/kernel/iommu_groups/12/type block")
    context.daemon.start()
    equal(context.group(12, "State"), "stuck")
    expect_error("Stuck", context.set_type, 12, "DMA")
    equal(context.change(11, "identity"), "identity")
    context.kernel("release stuck")
    context.wait_group(12, State="settled", Type="DMA-FQ")
    equal(context.change(12, "identity"), "identity")


@case(topology="eight", daemon_conf=SHORT)
def caller_who_does_not_wait(context):
    """wait=false is answered when the change is authorised; what comes of it is in the properties."""
    context.kernel("rule stuck path=*/unbind op=write block")
    context.change(10, "identity", wait=Variant("b", False))
    context.wait_group(10, State="stuck")
    context.kernel("release stuck")
    context.wait_group(10, State="settled", Type="identity")


@case(topology="eight", start=False,
      rules={"10-late.conf": "[Match]\nProperty=ID_NOTHING=1\n[Policy]\nType=DMA\n"})
def uevent_that_cannot_be_read(context):
    """Somebody else's unbind hangs and holds the device's lock, which some kernels take to show `uevent`."""
    context.kernel("rule stuck op=read path=*/0000:12:00.0/uevent block")
    context.daemon.start()
    equal(len(context.groups()), 8)
    context.kernel("event change sys/devices/pci0000:12/0000:12:00.0")
    context.call(ROOT, MANAGER, "Reload")
    equal(context.change(11, "identity"), "identity")
    context.kernel("release stuck")


@case(topology="eight")
def look_that_hangs_counts_until_it_ends(context):
    """One look of a caller at a time, and one that has hung for so long that its caller was answered is
    still one."""
    features = (f"{ROOT}/device/pci/_30000_3a12_3a00_2e0", DEVICE, "GetFeatures")
    context.kernel(f"rule stuck op=read path=*/{CARDS[12]}/config block")
    expect_error("Timeout", context.call, *features, timeout=60)
    expect_error("org.freedesktop.DBus.Error.LimitsExceeded", context.call, *features)
    waiters = workers_of(context.daemon.process.pid)
    context.kernel("release stuck")
    for pid in waiters:
        wait_end(pid)
    # It has heard of the end when it has answered this, and counts no more.
    context.groups()
    assert context.call(*features)
