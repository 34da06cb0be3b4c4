# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contract of the bus: names, objects, arguments, errors."""

import os
import pathlib
import subprocess
import xml.etree.ElementTree as xml

from bus import BusError, Connection, Variant
from harness import (DEVICE, GROUP, MANAGER, NAME, PROPERTIES, ROOT, case, equal, error_of, expect_error)

INTROSPECT = "org.freedesktop.DBus.Introspectable"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"
CARD_PATH = f"{ROOT}/device/pci/_30000_3a00_3a06_2e0"


def shape(interface):
    """What callers rely on of an interface, without documentation."""
    rows = set()
    for item in interface:
        if item.tag == "annotation":
            continue
        arguments = tuple((argument.get("name"), argument.get("type"),
                           argument.get("direction", "out" if item.tag == "signal" else "in"))
                          for argument in item.findall("arg"))
        emits = tuple(sorted((note.get("name"), note.get("value")) for note in item.findall("annotation")
                             if note.get("name").endswith("EmitsChangedSignal")
                             and note.get("value") != "true"))
        rows.add((item.tag, item.get("name"), item.get("type"), item.get("access"), arguments, emits))
    return rows


def interfaces(text):
    return {item.get("name"): shape(item) for item in xml.fromstring(text).iter("interface")
            if item.get("name").startswith(NAME)}


@case()
def introspection_equals_the_contract(context):
    wanted = interfaces((pathlib.Path(context.options.source) / "dbus/org.iommupolicy1.xml").read_text())
    seen = {}
    for path in ROOT, f"{ROOT}/group/0", CARD_PATH:
        seen.update(interfaces(context.call(path, INTROSPECT, "Introspect")))
    equal(sorted(seen), sorted(wanted))
    for name, rows in wanted.items():
        equal(seen[name] - rows, set(), f"{name} has besides")
        equal(rows - seen[name], set(), f"{name} lacks")


@case()
def busctl_shows_the_tree(context):
    tree = subprocess.run(["busctl", "--system", "--list", "tree", NAME], capture_output=True, text=True,
                          check=True)
    paths = tree.stdout.split()
    for path in ROOT, f"{ROOT}/group/0", CARD_PATH:
        assert path in paths, tree.stdout


@case(topology="eight")
def list_groups(context):
    groups = context.groups()
    equal(sorted(groups), list(range(10, 18)))
    for group, row in groups.items():
        equal(row, ("DMA-FQ", "", "settled", "", f"{ROOT}/group/{group}"))
    equal(context.kernel.writes(), [])


@case(topology="machine")
def managed_objects(context):
    objects = context.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    groups = [path for path in objects if path.startswith(f"{ROOT}/group/")]
    devices = [path for path in objects if path.startswith(f"{ROOT}/device/")]
    equal(len(groups), 7)
    equal(len(devices), 8)
    for path in groups:
        for device in objects[path][GROUP]["Devices"]:
            equal(objects[device][DEVICE]["Group"], path)


@case(topology="machine")
def device_properties(context):
    device = context.call(ROOT, MANAGER, "GetDevice", "s", "0000:00:06.0")
    equal(device, CARD_PATH)
    values = context.call(device, PROPERTIES, "GetAll", "s", DEVICE)
    wanted = {"Name": "0000:00:06.0", "Bus": "pci", "Group": f"{ROOT}/group/6", "Driver": "e1000e",
              "VendorId": 0x8086, "DeviceId": 0x10d3, "Class": 0x020000, "Untrusted": False,
              "DmaMaskBits": 64, "VirtualFunction": False, "ManagesDma": False, "RuleType": ""}
    equal({name: values[name] for name in wanted}, wanted)
    equal(context.get(f"{ROOT}/device/pci/_30000_3a00_3a07_2e0", DEVICE, "Untrusted"), True)
    equal(context.get(f"{ROOT}/device/pci/_30000_3a00_3a05_2e0", DEVICE, "ManagesDma"), True)


@case(topology="machine")
def get_device_by_any_name(context):
    for name in "0000:00:06.0", "pci:0000:00:06.0", "eth0", "/sys/bus/pci/devices/0000:00:06.0":
        equal(context.call(ROOT, MANAGER, "GetDevice", "s", name), CARD_PATH, name)
    for name in "0000:00:99.0", "", "eth99", "/nowhere", "x" * 5000:
        expect_error("NoSuchDevice", context.call, ROOT, MANAGER, "GetDevice", "s", name)


@case()
def get_group(context):
    equal(context.call(ROOT, MANAGER, "GetGroup", "u", 0), f"{ROOT}/group/0")
    expect_error("NoSuchGroup", context.call, ROOT, MANAGER, "GetGroup", "u", 99)
    expect_error("NoSuchGroup", context.call, ROOT, MANAGER, "GetGroup", "u", 4294967295)


@case()
def paths_that_do_not_encode_back(context):
    for path in ("group/00", "group/99", "group/0x0", "group/_0", "group/4294967296",
                 "group/18446744073709551616", "group/0/1", "device/pci", "device/pci/nosuch",
                 "device/pci/_30000_3A00_3A06_2E0", "device/x/y"):
        error = error_of(context.call, f"{ROOT}/{path}", PROPERTIES, "GetAll", "s", GROUP)
        assert error.name in ("org.freedesktop.DBus.Error.UnknownObject",
                              "org.freedesktop.DBus.Error.UnknownMethod"), f"{path}: {error}"


@case()
def unknown_type(context):
    for kind in "dma", "Identity", "lazy", "identity ", "blocked", "unknown", "DMA\n", "x" * 5000:
        error = expect_error("InvalidType", context.set_type, 0, kind)
        assert len(error.text) < 1000, "the whole text of the caller comes back"
    equal(context.kernel.writes(), [])


@case()
def wrong_signature(context):
    path = f"{ROOT}/group/0"
    for signature, arguments in (("s", ("identity",)), ("", ()), ("u", (1,)), ("sa{ss}", ("identity", {})),
                                 ("sa{sv}s", ("identity", {}, "x"))):
        expect_error(INVALID, context.call, path, GROUP, "SetType", signature, *arguments)
    error = error_of(context.call, path, GROUP, "NoSuchMethod")
    equal(error.name, "org.freedesktop.DBus.Error.UnknownMethod")


@case()
def wrong_options(context):
    for options in ({"unbnd": Variant("s", "idle")}, {"unbind": Variant("b", True)},
                    {"unbind": Variant("s", "force")}, {"allow": Variant("s", "x")},
                    {"allow": Variant("au", [1])}, {"wait": Variant("s", "no")},
                    {"persist": Variant("u", 1)}, {"reason": Variant("as", ["x"])}, {"": Variant("s", "")}):
        error = expect_error(INVALID, context.set_type, 0, "identity", **{}, **options)
        assert error.text, "an error without text"
    equal(context.kernel.writes(), [])


@case()
def finding_that_does_not_exist(context):
    allow = context.allow(0, "identity").value + ["mount:/nowhere@nvme9n1"]
    error = expect_error("NoSuchFinding", context.set_type, 0, "identity", allow=Variant("as", allow))
    assert "mount:/nowhere@nvme9n1" in error.text, error.text
    equal(context.kernel.writes(), [])


@case()
def change_by_root(context):
    equal(context.change(0, "identity"), "identity")
    equal(context.kernel.type(0), "identity")
    equal(context.kernel.driver("0000:00:06.0"), "e1000e")
    equal(context.group(0, "Type"), "identity")
    equal(context.group(0, "State"), "settled")
    equal(context.group(0, "LastResult")[1:3], ("identity", ""))
    assert context.group(0, "WantedBy").startswith("call:uid=0"), context.group(0, "WantedBy")
    equal(os.listdir("/run/iommu-policy/change") and
          [name for name in os.listdir("/run/iommu-policy/change") if not name.endswith(".lock")], [])
    equal(context.kernel("cat sys/devices/pci0000:00/0000:00:06.0/driver_override"), ["(null)"])


@case(generation="6.1")
def change_on_the_older_kernel(context):
    equal(context.change(0, "identity"), "identity")
    equal(context.kernel.driver("0000:00:06.0"), "e1000e")


@case(topology="four")
def change_of_a_group_of_four(context):
    drivers = [context.kernel.driver(f"0000:03:00.{function}") for function in range(4)]
    equal(context.change(4, "DMA"), "DMA")
    equal(context.kernel.type(4), "DMA")
    equal([context.kernel.driver(f"0000:03:00.{function}") for function in range(4)], drivers)


@case(topology="four", generation="6.1")
def several_members_on_the_older_kernel(context):
    drivers = [context.kernel.driver(f"0000:03:00.{function}") for function in range(4)]
    expect_error("NotSupported", context.change, 4, "DMA")
    equal(context.kernel.type(4), "DMA-FQ")
    equal([context.kernel.driver(f"0000:03:00.{function}") for function in range(4)], drivers)
    equal([path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")], [])


@case(topology="bridge")
def bridge_is_left_alone(context):
    equal(context.change(5, "DMA"), "DMA")
    equal(context.kernel.driver("0000:00:05.0"), "pcieport")
    equal(context.kernel.driver("0000:01:00.0"), "e1000e")
    equal([path for path, text, _ in context.kernel.writes()
           if "pcieport" in path or "0000:00:05.0" in text], [])


@case()
def live_change_unbinds_nothing(context):
    equal(context.change(0, "DMA"), "DMA")
    context.kernel("log-clear")
    equal(context.set_type(0, "DMA-FQ", unbind=Variant("s", "never")), "DMA-FQ")
    equal(context.kernel.writes(), [("sys/kernel/iommu_groups/0/type", "DMA-FQ", "0")])


@case()
def nothing_to_do_writes_nothing(context):
    equal(context.set_type(0, "DMA-FQ"), "DMA-FQ")
    equal(context.kernel.writes(), [])


@case()
def disruption_that_is_not_allowed(context):
    expect_error("DisruptionNotAllowed", context.set_type, 0, "identity", unbind=Variant("s", "never"))
    equal(context.kernel.type(0), "DMA-FQ")
    equal([path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")], [])


@case(topology="machine")
def untrusted_stays_translated(context):
    for kind in "identity", "DMA-FQ":
        expect_error("Forbidden", context.change, 7, kind)
    equal(context.kernel.type(7), "DMA")


@case()
def plan_changes_nothing(context):
    path = f"{ROOT}/group/0"
    options = {"allow": context.allow(0, "identity")}
    how, steps, _, refusal, action = context.call(path, GROUP, "Plan", "sa{sv}", "identity", options)
    equal((how, refusal, action), ("disruptive", "", f"{NAME}.relax"))
    assert steps
    equal(context.call(path, GROUP, "Plan", "sa{sv}", "DMA-FQ", {})[0], "nothing")
    equal(context.kernel.writes(), [])


@case()
def a_call_ends_by_the_empty_type(context):
    equal(context.change(0, "DMA"), "DMA")
    context.set_type(0, "")
    equal(context.group(0, "WantedBy"), "")
    equal(context.kernel.type(0), "DMA")


@case()
def a_call_survives_a_restart(context):
    equal(context.change(0, "DMA"), "DMA")
    context.daemon.restart()
    equal(context.group(0, "WantedType"), "DMA")
    assert context.group(0, "WantedBy").startswith("call:uid=0"), context.group(0, "WantedBy")


@case()
def many_pending_calls(context):
    context.kernel("rule stuck path=*/unbind op=write block")
    connection = Connection()
    first = context.start_change(connection, 0, "identity")
    context.kernel("wait-blocked stuck")
    serials = [connection.start(NAME, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", "DMA", {})
               for _ in range(10000)]
    context.call(ROOT, MANAGER, "ListGroups", timeout=30)
    names = set()
    for serial in reversed(serials[5000:]):
        try:
            connection.finish(serial)
        except BusError as error:
            names.add(error.name)
    assert "org.freedesktop.DBus.Error.LimitsExceeded" in names, names
    assert names <= {"org.freedesktop.DBus.Error.LimitsExceeded", f"{NAME}.Error.Busy"}, names
    context.kernel("release stuck")
    equal(connection.finish(first), ("identity",))
