# SPDX-License-Identifier: LGPL-2.1-or-later
"""When the kernel refuses, hangs or lies, and when the daemon is killed."""

import os
import time

from bus import BusError, Connection, Variant
from harness import GROUP, MANAGER, NAME, ROOT, case, equal, error_of, expect_error

CARD = "0000:00:06.0"
CARD_DIRECTORY = f"sys/devices/pci0000:00/{CARD}"
ERRORS = ("EPERM", "EBUSY", "EINVAL", "ENODEV", "ENOMEM", "EIO")


def records():
    try:
        return [name for name in os.listdir("/run/iommu-policy/change") if not name.endswith(".lock")]
    except FileNotFoundError:
        return []


def wait_for_busy(context, group):
    """Asks for what is there until a call that waits for its turn stands before it."""
    while True:
        context.set_type(group, "DMA-FQ")


def check_whole(context, group=0, devices=((CARD, "e1000e"),)):
    """Nobody has lost a driver, nothing of ours is left behind."""
    for device, driver in devices:
        equal(context.kernel.driver(device), driver, device)
        with open(f"/sys/bus/pci/devices/{device}/driver_override", encoding="ascii") as file:
            equal(file.read(), "(null)\n", device)
    equal(records(), [])
    assert context.kernel.type(group) in ("DMA", "DMA-FQ", "identity")


@case()
def garbage_in_the_type(context):
    context.kernel("attribute sys/kernel/iommu_groups/0/type '\\001\\377garbage'")
    context.daemon.restart()
    error = error_of(context.change, 0, "identity")
    assert error.name.startswith(f"{NAME}.Error."), error
    equal([path for path, _, _ in context.kernel.writes()], [])


@case()
def unknown_type_is_never_written(context):
    context.kernel("group 0 type=unknown")
    context.daemon.restart()
    equal(context.group(0, "State"), "unsupported")
    expect_error("NotSupported", context.set_type, 0, "identity")
    equal([path for path, _, _ in context.kernel.writes()], [])


@case(start=False)
def group_without_devices(context):
    context.kernel("group 5")
    context.daemon.start()
    assert 0 in context.groups()
    error = error_of(context.set_type, 5, "identity")
    assert error.name.startswith((f"{NAME}.Error.", "org.freedesktop.DBus.Error.Unknown")), error


@case(topology="eight", start=False)
def group_vanishes_between_list_and_read(context):
    context.kernel("rule gone op=open path=sys/kernel/iommu_groups/12/type nth=1 do 'remove 0000:12:00.0'")
    context.daemon.start()
    groups = context.groups()
    assert set(groups) >= {10, 11, 13, 14, 15, 16, 17}, groups
    assert 12 not in groups or groups[12][0] != "DMA-FQ", groups


@case(topology="eight", start=False)
def unreadable_attributes(context):
    context.kernel("rule bad op=open path=*/0000:12:00.0/* fail EIO")
    context.daemon.start()
    assert set(context.groups()) >= {10, 11, 13, 14, 15, 16, 17}


@case()
def every_errno_at_the_type(context):
    for error in ERRORS:
        context.kernel(f"rule fault op=write path=*/type nth=2 count=100 fail {error}")
        seen = error_of(context.change, 0, "identity")
        assert seen.name.startswith(f"{NAME}.Error."), f"{error}: {seen}"
        assert seen.text and "0000:00:06.0" in seen.text or "group 0" in seen.text, f"{error}: {seen.text}"
        context.kernel("rule-remove fault")
        check_whole(context)
        equal(context.kernel.type(0), "DMA-FQ")


@case()
def every_errno_at_unbind(context):
    for error in ERRORS:
        context.kernel(f"rule fault op=write path=*/unbind fail {error}")
        seen = error_of(context.change, 0, "identity")
        assert seen.name.startswith(f"{NAME}.Error."), f"{error}: {seen}"
        context.kernel("rule-remove fault")
        check_whole(context)


@case()
def every_errno_once_at_bind(context):
    for error in ERRORS:
        context.kernel(f"rule fault op=write path=*/bind nth=1 fail {error}")
        try:
            context.change(0, "identity")
        except BusError as seen:
            assert seen.name.startswith(f"{NAME}.Error."), f"{error}: {seen}"
        context.kernel("rule-remove fault")
        check_whole(context)
        context.change(0, "DMA-FQ")


@case()
def call_that_the_kernel_refuses(context):
    """The group does not look as if it were being changed when that has ended."""
    context.kernel("rule fault op=write path=*/type count=1 fail EIO")
    expect_error("SwitchFailed", context.change, 0, "identity")
    context.wait_group(0, State="settled")
    check_whole(context)


@case()
def driver_that_refuses_the_new_type(context):
    context.kernel(f"probe {CARD} EIO type=identity")
    expect_error("RebindFailed", context.change, 0, "identity", timeout=60)
    equal(context.kernel.type(0), "DMA-FQ")
    check_whole(context)
    context.wait_group(0, State="failed")
    context.kernel(f"probe {CARD} ok")
    equal(context.change(0, "identity"), "identity")
    context.wait_group(0, State="settled")


@case(daemon_conf="[Daemon]\nUnbindTimeoutSec=1\nTypeTimeoutSec=1\nBindTimeoutSec=1\n")
def write_that_does_not_return(context):
    context.kernel("rule stuck path=*/unbind op=write block")
    connection = Connection()
    serial = context.start_change(connection, 0, "identity")
    context.kernel("wait-blocked stuck")
    begin = time.monotonic()
    context.call(ROOT, MANAGER, "ListGroups")
    assert time.monotonic() - begin < 1, "the bus does not answer"
    try:
        connection.finish(serial)
        raise AssertionError("a change that hangs has succeeded")
    except BusError as error:
        equal(error.name, f"{NAME}.Error.Timeout")
    equal(context.group(0, "State"), "stuck")
    expect_error("Stuck", context.set_type, 0, "DMA")
    context.kernel("release stuck")
    context.kernel(f"wait-path {CARD_DIRECTORY}/driver")
    context.wait_group(0, State="settled", Step="")
    check_whole(context)


@case(daemon_conf="[Daemon]\nUnbindTimeoutSec=1\n")
def change_goes_on_when_the_write_returns(context):
    context.kernel("rule stuck path=*/unbind op=write block")
    context.kernel("rule next path=*/type op=write nth=2 block")
    connection = Connection()
    serial = context.start_change(connection, 0, "identity")
    expect_error("Timeout", connection.finish, serial)
    equal(context.group(0, "State"), "stuck")
    context.kernel("release stuck")
    context.kernel("wait-blocked next")
    context.wait_group(0, State="changing")
    context.kernel("release next")
    context.wait_group(0, State="settled", Type="identity")
    check_whole(context)


@case()
def bridges_alone_are_not_persisted(context):
    context.kernel("device pci 0000:05:00.0 group=new id=8086:1901 class=060400")
    context.wait_group(1, State="settled")
    error = expect_error("PersistFailed", context.set_type, 1, "identity", persist=Variant("b", True))
    assert "nothing was changed" in error.text, error
    equal(context.kernel.writes(), [])
    equal(os.listdir("/etc/iommu-policy.d"), [])


@case(topology="vfio")
def vfio_that_somebody_owns(context):
    context.kernel("vfio 7 owned")
    error = error_of(context.change, 7, "identity")
    assert error.name in (f"{NAME}.Error.OwnedByUser", f"{NAME}.Error.InUse"), error
    equal(context.kernel.driver(CARD), "vfio-pci")
    equal([path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")], [])


@case(topology="vfio")
def vfio_that_nobody_has_opened(context):
    equal(context.change(7, "identity"), "identity")
    equal([path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")], [])


@case()
def killed_while_the_kernel_blocks(context):
    """The worker outlives the daemon and finishes; the next daemon finds an orphan at work, then a whole
    group."""
    context.kernel("rule stuck path=*/type op=write nth=2 block")
    connection = Connection()
    context.start_change(connection, 0, "identity")
    context.kernel("wait-blocked stuck")
    context.daemon.kill()
    context.daemon.start()
    assert context.group(0, "State") in ("changing", "stuck"), context.group(0, "State")
    context.kernel("release stuck")
    context.wait_group(0, State="settled")
    check_whole(context)


@case(topology="two")
def all_killed_while_the_kernel_blocks(context):
    devices = (("0000:03:00.0", "e1000e"), ("0000:03:00.1", "e1000e"))
    for point in "*/unbind", "*/type", "*/bind":
        context.kernel(f"rule stuck path={point} op=write block")
        connection = Connection()
        context.start_change(connection, 4, "identity" if context.kernel.type(4) != "identity" else "DMA")
        context.kernel("wait-blocked stuck")
        os.killpg(context.daemon.process.pid, 9)
        context.kernel("release stuck")
        context.daemon.process.wait(30)
        context.daemon.start()
        context.wait_group(4, State="settled")
        check_whole(context, 4, devices)


@case()
def worker_is_killed(context):
    for nth in range(1, 13, 3):
        context.kernel(f"rule fault op=write path=sys/* nth={nth} when=after kill")
        try:
            context.change(0, "identity" if context.kernel.type(0) != "identity" else "DMA")
        except BusError as error:
            assert error.text, error
        context.kernel("rule-remove fault")
        context.kernel(f"wait-path {CARD_DIRECTORY}/driver")
        context.wait_group(0, State="settled")
        check_whole(context)


@case(topology="eight")
def bus_answers_while_others_change(context):
    """Eight groups wait in the kernel at once, none for another."""
    context.kernel("rule slow path=*/unbind op=write block")
    connections = [Connection() for _ in range(8)]
    serials = [context.start_change(connection, 10 + i, "identity")
               for i, connection in enumerate(connections)]
    for _ in range(8):
        context.call(ROOT, MANAGER, "ListGroups")
    context.kernel("wait-blocked slow")
    context.kernel("release slow")
    for connection, serial in zip(connections, serials):
        equal(connection.finish(serial), ("identity",))


@case(topology="eight")
def rule_that_forbids_what_waits_for_its_turn(context):
    """Eight change at once, the ninth waits; when its turn comes the rules are others."""
    context.kernel("device pci 0000:05:00.0 group=99 id=1b36:1111 class=ff0000")
    context.wait_group(99, State="settled")
    context.kernel("rule slow path=*/unbind op=write block")
    connections = [Connection() for _ in range(9)]
    serials = [context.start_change(connections[i], 10 + i, "identity") for i in range(8)]
    for group in range(10, 18):
        context.wait_group(group, State="changing")
    ninth = context.start_change(connections[8], 99, "identity")
    expect_error("Busy", wait_for_busy, context, 99)
    context.write_rule("10-no.conf", "[Match]\nId=1b36:1111\n[Policy]\nForbid=identity\n")
    context.call(ROOT, MANAGER, "Reload")
    context.kernel("release slow")
    expect_error("Forbidden", connections[8].finish, ninth)
    for connection, serial in zip(connections, serials):
        equal(connection.finish(serial), ("identity",))


@case()
def busy_group_takes_one_call(context):
    context.kernel("rule stuck path=*/unbind op=write block")
    connection = Connection()
    serial = context.start_change(connection, 0, "identity")
    context.kernel("wait-blocked stuck")
    expect_error("Busy", context.set_type, 0, "DMA")
    context.kernel("release stuck")
    equal(connection.finish(serial), ("identity",))


@case()
def clean_stop_and_start(context):
    equal(context.daemon.stop(), 0)
    context.daemon.start()
    equal(sorted(context.groups()), [0])


@case()
def no_polkit_means_root_alone(context):
    context.polkit_rule("this is not JavaScript {")
    equal(context.change(0, "DMA"), "DMA")
    error = error_of(context.call, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", "DMA-FQ",
                     {"unbind": Variant("s", "never")}, uid=1000)
    assert error.name.startswith("org.freedesktop.DBus.Error."), error
