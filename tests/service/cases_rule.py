# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on a running machine: start, hot-plug, reload, lost events."""

import os
import pathlib
import signal
import subprocess

from bus import Connection
from harness import DEVICE, GROUP, MANAGER, NAME, ROOT, case, equal

LAZY = "[Match]\nId=8086:10d3\n[Policy]\nType={}\nUnbind=never\n"
NIC_IDENTITY = {"30-nic.conf": LAZY.format("identity")}
NIC_STRICT = {"30-nic.conf": LAZY.format("DMA")}

# No driver is there to be first: the rule wins, always.
PLUG = "device pci 0000:05:00.0 group=new id=1b36:1111 class=ff0000"
PLUG_RULE = {"30-plug.conf": "[Match]\nId=1b36:1111\n[Policy]\nType=identity\n"}


@case(rules=NIC_IDENTITY)
def rule_without_unbind_is_pending(context):
    context.wait_group(0, State="pending", PendingReason="unbind-not-allowed")
    equal(context.group(0, "WantedType"), "identity")
    by = context.group(0, "WantedBy")
    assert by.startswith("/etc/iommu-policy.d/30-nic.conf:"), by
    equal(context.kernel.type(0), "DMA-FQ")
    equal(context.get(ROOT, MANAGER, "Pending"), 1)
    equal([path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")], [])


@case(rules=PLUG_RULE)
def rule_applied_on_hot_plug(context):
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled")
    equal(context.kernel.type(1), "identity")


@case(rules=PLUG_RULE)
def rule_applied_again_after_a_replug(context):
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled")
    context.kernel("remove 0000:05:00.0")
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled")
    equal(context.kernel.type(1), "identity")


@case(rules=PLUG_RULE)
def unplugged_group_leaves_the_bus(context):
    context.kernel(PLUG)
    context.wait_group(1, State="settled")
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',member='InterfacesRemoved'")
    context.kernel("remove 0000:05:00.0")
    connection.wait_signal(lambda message: message.body[0] == f"{ROOT}/group/1")
    equal(sorted(context.groups()), [0])


@case(topology="eight", rules={"10-a.conf": LAZY.format("DMA-FQ"), "20-b.conf": LAZY.format("identity")})
def settled_machine_writes_nothing(context):
    for group in range(10, 18):
        equal(context.groups()[group][:3], ("DMA-FQ", "DMA-FQ", "settled"))
    equal(context.kernel.writes(), [])


@case(rules=NIC_STRICT)
def reload_with_a_broken_file_keeps_the_rules(context):
    before = context.group(0, "WantedType")
    context.write_rule("30-nic.conf", "[Match]\nId=8086:10d3\n[Policy]\nType=lazy\n")
    rows = context.call(ROOT, MANAGER, "Reload")
    file, line, column, severity, text = rows[0]
    assert file.endswith("etc/iommu-policy.d/30-nic.conf"), rows
    equal((line, severity), (4, "error"))
    assert column > 0 and text, rows
    equal(context.get(ROOT, MANAGER, "State"), "frozen")
    equal(context.group(0, "WantedType"), before)
    context.write_rule("30-nic.conf", LAZY.format("keep"))
    equal([row for row in context.call(ROOT, MANAGER, "Reload") if row[3] == "error"], [])
    equal(context.get(ROOT, MANAGER, "State"), "running")


@case()
def every_broken_file_has_its_place(context):
    files = {
        "binary": bytes(range(256)), "long": b"# x\n" * (1 << 18),
        "nul": b"[Match]\nAny=yes\0\n[Policy]\nType=DMA\n", "type": "[Match]\nAny=yes\n[Policy]\nType=dma\n",
        "unbind": "[Match]\nAny=yes\n[Policy]\nUnbind=yes\n",
        "key": "[Match]\nAny=yes\nColour=red\n[Policy]\nType=DMA\n",
        "early": "Any=yes\n[Match]\n[Policy]\nType=DMA\n",
        "two": "[Match]\nAny=yes\n[Policy]\nType=DMA\n[Policy]\nType=DMA\n",
        "none": "[Match]\n[Policy]\nType=DMA\n", "empty": "",
        "group": "[Match]\nGroup=7\n[Policy]\nType=DMA\n",
    }
    for name, text in files.items():
        context.write_rule(f"50-{name}.conf", text)
        rows = [row for row in context.call(ROOT, MANAGER, "Reload") if row[3] == "error"]
        assert rows and all(row[0].endswith(f"50-{name}.conf") and row[4] for row in rows), (name, rows)
        os.unlink(f"/etc/iommu-policy.d/50-{name}.conf")
    context.call(ROOT, MANAGER, "Reload")
    equal(context.get(ROOT, MANAGER, "State"), "running")


@case(rules={"30-bad.conf": "[Match]\nAny=yes\n[Policy]\nType=dma\n", **NIC_IDENTITY})
def broken_file_at_start_freezes(context):
    equal(context.get(ROOT, MANAGER, "State"), "frozen")
    equal(context.kernel.writes(), [])


@case(rules=PLUG_RULE)
def lost_events_are_found_by_a_rescan(context):
    """The daemon is stopped, more events come than its socket holds, and it goes on."""
    context.daemon.signal(signal.SIGSTOP)
    for _ in range(40000):
        context.kernel("event change sys/devices/pci0000:00/0000:00:06.0 FILL=" + "x" * 900)
    context.kernel(PLUG)
    context.daemon.signal(signal.SIGCONT)
    context.wait_group(1, timeout=60, Type="identity", State="settled")


@case(rules=PLUG_RULE, start=False)
def drift_of_a_new_group_is_seen(context):
    """The change at the add, on a host whose default is known, told the type before it was ever read."""
    pathlib.Path("/run/cmdline").write_text("iommu.passthrough=0 iommu.strict=0\n")
    subprocess.run(["mount", "--bind", "/run/cmdline", "/proc/cmdline"], check=True)
    context.daemon.start()
    equal(context.get(ROOT, MANAGER, "BootDefaultType"), "DMA-FQ")
    context.kernel(PLUG)
    context.wait_group(1, Type="identity", State="settled",
                       ReservedRegions=[(0xfee00000, 0xfeefffff, "msi")])
    context.write_rule("30-plug.conf", "[Match]\nId=1b36:1111\n[Policy]\nType=keep\n")
    context.call(ROOT, MANAGER, "Reload")
    with open("/sys/kernel/iommu_groups/1/type", "w", encoding="ascii") as file:
        file.write("DMA")
    context.wait_group(1, timeout=10, Type="DMA")


@case(rules={"10-no.conf": "[Match]\nId=1b36:1111\n[Policy]\nForbid=identity\n"})
def devices_without_a_group_are_counted_as_they_come_and_go(context):
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',path='{ROOT}',member='PropertiesChanged'")

    def counts(count):
        return lambda message: len(message.body) == 3 and message.body[1].get("Untranslated") == count

    context.kernel("device pci 0000:05:00.0 group=none id=1b36:1111 class=ff0000")
    connection.wait_signal(counts(1))
    context.kernel("remove 0000:05:00.0")
    connection.wait_signal(counts(0))


@case()
def types_of_a_new_group_are_told(context):
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',path='{ROOT}/group/1',member='PropertiesChanged'")
    context.kernel(PLUG)
    message = connection.wait_signal(lambda message: len(message.body) == 3 and message.body[1].get("Type"))
    equal(sorted(message.body[1]["SettableTypes"]), ["DMA", "DMA-FQ", "auto", "identity"])


@case()
def a_call_does_not_come_back_with_its_members(context):
    equal(context.change(0, "DMA"), "DMA")
    devices = context.group(0, "Devices")
    context.kernel("device pci 0000:00:05.0 group=0 id=1b36:1111 class=ff0000")
    context.wait_group(0, WantedBy="", State="settled")
    context.kernel("remove 0000:00:05.0")
    context.wait_group(0, Devices=devices, State="settled")
    context.call(f"{ROOT}/group/0", GROUP, "Refresh")
    equal(context.group(0, "WantedBy"), "")


@case(topology="bridge")
def device_that_has_moved_unheard(context):
    """The event of its removal is lost; the same address is below another bridge now."""
    place = context.call(ROOT, MANAGER, "GetDevice", "s", "0000:01:00.0")
    context.daemon.signal(signal.SIGSTOP)
    for _ in range(40000):
        context.kernel("event change sys/devices/pci0000:00/0000:00:05.0 FILL=" + "x" * 900)
    context.kernel("remove 0000:01:00.0")
    context.kernel("device pci 0000:01:00.0 group=new id=1b36:1111 class=ff0000")
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',member='InterfacesAdded'")
    context.daemon.signal(signal.SIGCONT)
    connection.wait_signal(lambda message: message.body[0] == place, 60)
    equal(context.get(place, DEVICE, "SysfsPath"), "/sys/devices/pci0000:01/0000:01:00.0")
    context.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")


@case()
def drift_is_seen(context):
    """Somebody else writes the type: no event tells of it, but inotify does."""
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',path='{ROOT}/group/0',member='PropertiesChanged'")
    context.kernel("boot-default DMA")
    with open("/sys/bus/pci/drivers/e1000e/unbind", "w", encoding="ascii") as file:
        file.write("0000:00:06.0")
    with open("/sys/kernel/iommu_groups/0/type", "w", encoding="ascii") as file:
        file.write("identity")
    connection.wait_signal(lambda message: message.body[0] == GROUP
                           and message.body[1].get("Type") == "identity")


@case(topology="vfio")
def rule_waits_for_the_owner(context):
    """Nothing would be unbound, but the kernel does not write the type of a device that a program owns. It
    is told once, and tried again when something happens."""
    context.change(7, "identity")
    context.kernel("vfio 7 owned")
    context.write_rule("30-no.conf", "[Match]\nId=8086:10d3\n[Policy]\nForbid=identity\n")
    context.call(ROOT, MANAGER, "Reload")
    context.wait_group(7, State="pending", PendingReason="in-use")
    result = context.group(7, "LastResult")
    equal(result[2], f"{NAME}.Error.OwnedByUser")
    # Each of these looks at the devices in a worker: whatever was tried again meanwhile would be seen.
    for _ in range(3):
        context.call(f"{ROOT}/group/7", GROUP, "GetFindings")
    equal(context.group(7, "State"), "pending")
    equal(context.group(7, "LastResult"), result)
    context.kernel("vfio 7 none")
    context.call(ROOT, MANAGER, "Apply")
    context.wait_group(7, State="settled", Type="DMA-FQ")
    equal(context.kernel.driver("0000:00:06.0"), "vfio-pci")
