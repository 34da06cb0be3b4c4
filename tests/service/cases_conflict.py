# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules that contradict each other inside a group: its devices arrive in every order, and each time the
outcome is the same and both files are named, by Explain and in the journal."""

import itertools

from cases_forced import explain
from harness import ROOT, case, equal

PCI = f"{ROOT}/device/pci"
NAMES = "0000:03:00.0", "0000:03:00.1", "0000:03:00.2", "0000:03:00.3"
LAX = "[Match]\nAddress=0000:03:00.0 0000:03:00.1\n[Policy]\nType=identity\nUnbind=idle\nAccept=unknown\n"
STRICT = "[Match]\nAddress=0000:03:00.2 0000:03:00.3\n[Policy]\nType=DMA\nUnbind=idle\nAccept=unknown\n"
RULES = {"10-lax.conf": LAX, "20-strict.conf": STRICT}
AT_ONCE = "[Daemon]\nSettleSec=0\n"
PLAIN = "id=1234:11e8 class=ff0000"


def paths():
    return [f"{PCI}/_3" + name[0] + name[1:].replace(":", "_3a").replace(".", "_2e") for name in NAMES]


def trail(context):
    """What is said of the members; when the group's type was set depends on when they came."""
    return sorted(line for line in explain(context, 4) if line[0])


def outcome(context):
    """All of it that could show an order."""
    properties = {name: context.group(4, name) for name in
                  ("Type", "WantedType", "WantedBy", "Conflict", "State", "PendingReason", "SettableTypes")}
    return properties, trail(context)


def check_named(context, expected, *files):
    for file in files:
        assert any(line[1].startswith(file) for line in expected[1]), expected
    entry = context.journal.wait(lambda entry: "different types are asked for" in entry.get("MESSAGE", "")
                                 and all(file in entry.get("IOMMU_RULE", "") for file in files))
    assert all(file in entry["MESSAGE"] for file in files), entry


def in_all_orders(context, devices, **wanted):
    """DEVICES: name -> the words that describe it."""
    expected = None
    for order in itertools.permutations(devices):
        for name in order:
            context.kernel(f"device pci {name} group=4 {devices[name]}")
        context.wait_group(4, Devices=paths(), **wanted)
        seen = outcome(context)
        expected = expected or seen
        equal(seen, expected, f"{order}:")
        for name in order:
            context.kernel(f"remove {name}")
    return expected


@case(rules=RULES, daemon_conf=AT_ONCE)
def conflict_of_devices_without_drivers_in_all_orders(context):
    expected = in_all_orders(context, dict.fromkeys(NAMES, PLAIN), Type="DMA", State="settled",
                             Conflict=True)
    equal(expected[0]["WantedBy"], "/etc/iommu-policy.d/20-strict.conf:4")
    check_named(context, expected, "10-lax.conf:4", "20-strict.conf:4")


@case(rules=RULES, daemon_conf=AT_ONCE)
def conflict_of_bound_devices_in_all_orders(context):
    """Whoever came first has its driver, and is unbound for those that came later."""
    context.kernel("driver pci edu ids=1234:11e8")
    expected = in_all_orders(context, dict.fromkeys(NAMES, PLAIN), Type="DMA", State="settled",
                             Conflict=True)
    check_named(context, expected, "10-lax.conf:4", "20-strict.conf:4")


@case(rules={"10-lax.conf": "[Match]\nAddress=0000:03:00.0\n[Policy]\nType=identity\n",
             "20-strict.conf": "[Match]\nAddress=0000:03:00.1\n[Policy]\nType=DMA\n"})
def conflict_that_nobody_may_unbind_for_in_all_orders(context):
    """Unbind=never: what is wanted, and by whom, is the same in each order, whatever type came of it."""
    context.kernel("driver pci edu ids=1234:11e8")
    expected = None
    for order in itertools.permutations(NAMES):
        for name in order:
            context.kernel(f"device pci {name} group=4 {PLAIN}")
        context.wait_group(4, Devices=paths(), WantedType="DMA", Conflict=True)
        seen = context.group(4, "WantedBy"), trail(context)
        expected = expected or seen
        equal(seen, expected, f"{order}:")
        for name in order:
            context.kernel(f"remove {name}")


@case(rules={"10-lax.conf": "[Match]\nAny=yes\n[Policy]\nType=DMA-FQ\nUnbind=idle\nAccept=unknown\n",
             "05-strict.conf": "[Match]\nAddress=0000:03:00.3\n"
                               "[Policy]\nType=DMA\nUnbind=idle\nAccept=unknown\n"},
      daemon_conf=AT_ONCE)
def conflict_beside_a_bridge_and_a_managed_member_in_all_orders(context):
    """Neither of the two has a wish, and neither is unbound."""
    context.kernel("driver pci pcieport ids=class=0604 managed-dma")
    expected = in_all_orders(context, {
        NAMES[0]: "id=1b36:000c class=060400", NAMES[1]: f"{PLAIN} override=vfio-pci", NAMES[2]: PLAIN,
        NAMES[3]: PLAIN}, Type="DMA", State="settled", Conflict=True)
    equal(expected[0]["WantedBy"], "/etc/iommu-policy.d/05-strict.conf:4")
    check_named(context, expected, "10-lax.conf:4", "05-strict.conf:4")
    verdicts = {(line[0], line[2]) for line in expected[1]}
    assert {(NAMES[0], "no-wish"), (NAMES[1], "no-wish")} <= verdicts, verdicts
