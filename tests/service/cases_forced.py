# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot be had whatever is asked: types that the kernel forces, groups that have no types to choose
from, and what is not trusted. Nothing of it is ever tried: the fake kernel's log has no write."""

import contextlib
import pathlib
import subprocess

import cases_early
from bus import Variant
from harness import GROUP, MANAGER, NAME, ROOT, case, equal, expect_error

RULE = "[Match]\nAny=yes\n[Policy]\nType={}\nUnbind=idle\nAccept=unknown\n"
AT_ONCE = "[Daemon]\nSettleSec=0\n"
TYPES = "DMA", "DMA-FQ", "identity", "auto"
LAZY = "iommu.passthrough=0 iommu.strict=0\n"


@contextlib.contextmanager
def reads(**files):
    """/proc/NAME reads so meanwhile."""
    for name, text in files.items():
        path = pathlib.Path("/run") / f"proc-{name}"
        path.write_text(text, encoding="ascii")
        subprocess.run(["mount", "--bind", str(path), f"/proc/{name}"], check=True)
    yield
    for name in files:
        subprocess.run(["umount", f"/proc/{name}"], check=True)


def explain(context, group):
    """The trail, as (member, origin without its folder, verdict, text)."""
    _, trail = context.call(f"{ROOT}/group/{group}", GROUP, "Explain")
    return [(entry["member"], pathlib.PurePath(entry["origin"]).name, entry["verdict"], entry["text"])
            for entry in trail]


def says(context, group, *words, **fields):
    """Some line of Explain has all of these words; returns it."""
    trail = explain(context, group)
    for line in trail:
        if all(word in line[3] for word in words) and all(
                line[("member", "origin", "verdict").index(key)] == value for key, value in fields.items()):
            return line
    raise AssertionError(f"group {group}: nothing with {words} {fields} in {trail}")


def types_written(context):
    return [path for path, _, _ in context.kernel.writes() if path.endswith("/type")]


def unbinds(context):
    return [path for path, _, _ in context.kernel.writes() if path.endswith("/unbind")]


def refusal_of(context, group, kind):
    return context.call(f"{ROOT}/group/{group}", GROUP, "Plan", "sa{sv}", kind, {})[::3]


# --- no types at all

@case(topology="unsupported", rules={"10-any.conf": RULE.format("DMA")}, daemon_conf=AT_ONCE)
def unsupported_groups_are_never_written(context):
    """PowerPC's `unknown`, and `vfio-noiommu`: on 5.15 a write there is a NULL dereference."""
    for group, reason in (1, "PowerPC"), (2, "PowerPC"), (9, "vfio-noiommu"):
        equal(context.group(group, "State"), "unsupported")
        equal(context.group(group, "Type"), "unknown")
        equal(context.group(group, "SettableTypes"), [])
        equal(context.group(group, "LiveTypes"), [])
        for kind in TYPES:
            error = expect_error("NotSupported", context.set_type, group, kind)
            assert reason in error.text and f"iommuctl show {group}" in error.text, error.text
            how, refusal = refusal_of(context, group, kind)
            equal(how, "refused")
            assert reason in refusal, refusal
        says(context, group, reason, origin="kernel", verdict="note")
    context.call(ROOT, MANAGER, "Apply")
    context.daemon.restart()
    equal(context.group(1, "State"), "unsupported")
    equal(context.kernel.writes(), [])


@case(topology="unsupported", generation="6.1", rules={"10-any.conf": RULE.format("identity")},
      daemon_conf=AT_ONCE)
def unsupported_groups_are_never_written_on_an_older_kernel(context):
    for group in 1, 2, 9:
        for kind in TYPES:
            expect_error("NotSupported", context.set_type, group, kind)
    context.call(ROOT, MANAGER, "Apply")
    equal(context.kernel.writes(), [])


@case(topology="unsupported", rules={"10-any.conf": RULE.format("DMA"),
                                     "20-forbid.conf": "[Match]\nAny=yes\n[Policy]\nForbid=identity\n"})
def rules_for_unsupported_groups_are_a_warning_once(context):
    seen = lambda: [entry for entry in list(context.journal.entries)
                    if "cannot act on it" in entry.get("MESSAGE", "") and entry.get("IOMMU_GROUP") == "1"]
    context.journal.wait(lambda entry: "cannot act on it" in entry.get("MESSAGE", "")
                         and entry.get("IOMMU_GROUP") == "1")
    context.call(ROOT, MANAGER, "Apply")
    context.call(ROOT, MANAGER, "Reload")
    equal(len(seen()), 1)
    entry = seen()[0]
    equal(entry["PRIORITY"], "4")
    assert "10-any.conf" in entry["IOMMU_RULE"] and "20-forbid.conf" in entry["IOMMU_RULE"], entry
    assert "PowerPC" in entry["MESSAGE"], entry
    # Other rules are another matter.
    pathlib.Path("/etc/iommu-policy.d/20-forbid.conf").unlink()
    context.call(ROOT, MANAGER, "Reload")
    context.journal.wait(lambda entry: entry in seen() and "20-forbid.conf" not in entry["IOMMU_RULE"])
    equal(len(seen()), 2)


@case(topology="unsupported")
def the_rest_of_unsupported_groups_works(context):
    """Capabilities, uses and owners are told as anywhere."""
    equal(context.call(f"{ROOT}/group/2", GROUP, "GetFindings")[0]["member"], "0001:00:07.0")
    device = context.call(ROOT, MANAGER, "GetDevice", "s", "0001:00:07.0")
    features = context.call(device, f"{NAME}.Device", "GetFeatures")
    equal(features["identity"], (False, False))
    equal(context.get(device, f"{NAME}.Device", "Iommu"), "ppc64")
    context.call(f"{ROOT}/group/2", GROUP, "Refresh")
    context.kernel("vfio 9 owned")
    equal(context.group(2, "State"), "unsupported")
    equal(context.kernel.writes(), [])


@case(topology="unsupported")
def a_device_of_an_unsupported_group_is_plugged(context):
    context.write_rule("10-any.conf", RULE.format("identity"))
    context.call(ROOT, MANAGER, "Reload")
    context.kernel("device pci 0001:00:08.0 group=1 id=1234:11e8 class=ff0000")
    context.kernel("remove 0001:00:08.0")
    context.kernel("device pci 0001:00:0a.0 group=1 id=1234:11e8 class=ff0000")
    context.call(ROOT, MANAGER, "Apply")
    equal(context.group(1, "State"), "unsupported")
    equal(context.kernel.writes(), [])


# --- forced types

@case(topology="forced", start=False)
def vtd_without_pass_through_on_a_newer_kernel(context):
    """The kernel gives DMA where its default is lazy: nothing else is asked of it."""
    with reads(cmdline=LAZY):
        context.daemon.start()
        for group in 4, 6:
            equal(context.group(group, "SettableTypes"), ["DMA", "auto"])
            says(context, group, "forces DMA", "pass-through", origin="kernel")
            for kind in "identity", "DMA-FQ":
                error = expect_error("Forced", context.set_type, group, kind)
                assert "pass-through" in error.text, error.text
                how, refusal = refusal_of(context, group, kind)
                equal(how, "refused")
                assert "pass-through" in refusal, refusal
        equal(context.kernel.writes(), [])
        # Without a rule nothing is wanted; with one, the kernel wants it, and a rule for another is a
        # conflict.
        equal(context.group(6, "WantedBy"), "")
        context.write_rule("10-any.conf", RULE.format("identity"))
        context.call(ROOT, MANAGER, "Reload")
        for group in 4, 6:
            equal([context.group(group, name) for name in ("WantedType", "WantedBy", "Conflict", "State")],
                  ["DMA", "kernel", True, "settled"])
            says(context, group, "forces DMA", origin="kernel", verdict="wanted")
            says(context, group, "identity", origin="10-any.conf:4", verdict="void")
        entry = context.journal.wait(
            lambda entry: "different types are asked for" in entry.get("MESSAGE", ""))
        assert "10-any.conf:4" in entry["IOMMU_RULE"] and "pass-through" in entry["MESSAGE"], entry
        equal(types_written(context) + unbinds(context), [])


@case(topology="forced", generation="6.1", start=False)
def vtd_without_pass_through_on_an_older_kernel(context):
    """Its pages are mapped one to one, so identity can be had: the lazy default shows that nothing is
    forced."""
    for device in "0000:00:04.0", "0000:00:06.0":
        context.kernel(f"replug {device} forced=none")
    with reads(cmdline=LAZY):
        context.daemon.start()
        equal(context.group(4, "Type"), "DMA-FQ")
        equal(sorted(context.group(4, "SettableTypes")), sorted(TYPES))
        equal(context.change(4, "identity"), "identity")
        equal(context.kernel.type(4), "identity")


@case(topology="forced", start=False)
def what_may_be_forced_is_said(context):
    """Where DMA is the default it tells nothing: the call is tried, and the answer is explained."""
    with reads(cmdline="iommu.passthrough=0 iommu.strict=1\n"):
        context.daemon.start()
        says(context, 4, "may force DMA", "pass-through", origin="kernel", verdict="note")
        equal(sorted(context.group(4, "SettableTypes")), sorted(TYPES))
        error = expect_error("Forced", context.change, 4, "identity")
        assert "0000:00:04.0" in error.text and "iommuctl" in error.text, error.text
        equal(context.kernel.type(4), "DMA")


@case(topology="forced-amd", start=False)
def amd_keeps_pasid_in_identity(context):
    with reads(cmdline=LAZY, cpuinfo="flags\t\t: fpu sme\n"):
        context.daemon.start()
        equal(context.group(5, "SettableTypes"), ["identity", "auto"])
        says(context, 5, "forces identity", "PASID", origin="kernel", member="0000:0b:00.0")
        for kind in "DMA", "DMA-FQ":
            assert "PASID" in expect_error("Forced", context.set_type, 5, kind).text
        # The same device in a translated type is not forced, nor is one without the capability.
        for group in 4, 6:
            equal(sorted(context.group(group, "SettableTypes")), sorted(TYPES))
        equal(context.kernel.writes(), [])
        equal(context.change(6, "DMA"), "DMA")


@case(topology="forced-amd", start=False,
      rules={"10-forbid.conf": "[Match]\nAny=yes\n[Policy]\nForbid=identity\n"})
def a_forced_type_that_is_forbidden_is_told(context):
    with reads(cmdline=LAZY, cpuinfo="flags\t\t: fpu\n"):
        context.daemon.start()
        context.wait_group(5, State="pending", PendingReason="forbidden-type", WantedBy="kernel",
                           Conflict=True)
        equal(context.kernel.type(5), "identity")
        equal(types_written(context) + unbinds(context), [])


# --- auto

def boot_default(context):
    return context.get(ROOT, MANAGER, "BootDefaultType")


@case(start=False)
def auto_is_predicted_by_the_iommu(context):
    """VT-d's caching mode makes the lazy default strict: so does BootDefaultType say, and what `auto` asks
    for."""
    context.kernel("attribute sys/devices/virtual/iommu/dmar0/intel-iommu/cap d2008c22260286 read-only")
    context.kernel("boot-default DMA")
    with reads(cmdline=LAZY):
        context.daemon.start()
        equal(boot_default(context), "DMA")
        context.write_rule("10-any.conf",
                           "[Match]\nAny=yes\n[Policy]\nType=auto\nForbid=DMA-FQ identity\nUnbind=idle\n")
        context.call(ROOT, MANAGER, "Reload")
        # Not void: what it will end in is known, and not forbidden.
        equal(context.group(0, "WantedType"), "auto")


@case(start=False)
def auto_that_may_be_forbidden_is_void(context):
    with reads(cmdline=LAZY):
        context.daemon.start()
        equal(boot_default(context), "DMA-FQ")
        context.write_rule("10-any.conf",
                           "[Match]\nAny=yes\n[Policy]\nType=auto\nForbid=DMA-FQ\nUnbind=never\n")
        context.call(ROOT, MANAGER, "Reload")
        equal(context.group(0, "WantedType"), "DMA")
        says(context, 0, "auto", verdict="void")


@case(topology="forced", start=False)
def auto_ends_in_what_is_forced(context):
    """What is not trusted gets DMA by `auto` wherever the default is laxer: it is no relaxation."""
    with reads(cmdline="iommu.passthrough=1\n"):
        context.daemon.start()
        equal(boot_default(context), "identity")
        context.write_rule("10-any.conf", "[Match]\nAddress=0000:05:00.0\n[Policy]\nType=auto\n")
        context.call(ROOT, MANAGER, "Reload")
        equal(context.group(7, "WantedBy"), "kernel")
        equal(context.set_type(7, "auto"), "DMA")
        equal(context.kernel.type(7), "DMA")


# --- not trusted

@case(topology="forced", rules={"10-any.conf": RULE.format("DMA-FQ"),
                                "20-any.conf": RULE.format("identity")},
      daemon_conf=AT_ONCE)
def untrusted_is_never_relaxed(context):
    """By a rule, by root, or by a device that is plugged again; the kernel would take DMA-FQ."""
    for _ in range(2):
        equal(context.kernel.type(7), "DMA")
        equal([context.group(7, name) for name in ("WantedType", "WantedBy", "Conflict")],
              ["DMA", "kernel", True])
        equal(context.group(7, "SettableTypes"), ["DMA", "auto"])
        equal(context.group(7, "LiveTypes"), ["auto"])
        for kind in "DMA-FQ", "identity":
            error = expect_error("Forbidden", context.set_type, 7, kind, allow=Variant("as", []))
            assert "0000:05:00.0" in error.text, error.text
            equal(refusal_of(context, 7, kind)[0], "refused")
        context.call(ROOT, MANAGER, "Apply")
        context.kernel("replug 0000:05:00.0")
        context.wait_group(7, State="settled", Type="DMA")
    equal([path for path in types_written(context) if "/7/" in path], [])
    # What is refused is our doing: the kernel itself takes it.
    pathlib.Path("/sys/kernel/iommu_groups/7/type").write_text("DMA-FQ", encoding="ascii")
    equal(context.kernel.type(7), "DMA-FQ")


@case(topology="forced", rules={"10-any.conf": RULE.format("identity")}, daemon_conf=AT_ONCE)
def a_group_that_an_untrusted_device_joins(context):
    """Its neighbours lose what they had been asked to have, and no write relaxes the group any more."""
    context.kernel("device pci 0000:00:0c.0 group=8 id=1234:11e8 class=ff0000")
    context.wait_group(8, Type="identity", State="settled")
    context.kernel("log-clear")
    context.kernel("device pci 0000:00:0d.0 group=8 id=1234:11e8 class=ff0000 removable untrusted")
    context.wait_group(8, WantedType="DMA", WantedBy="kernel", Conflict=True)
    context.wait_group(8, Type="DMA")
    equal({text for path, text, _ in context.kernel.writes() if path.endswith("/8/type")}, {"DMA"})


# --- types that a group cannot be in

@case(rules={"10-any.conf": RULE.format("DMA")}, daemon_conf=AT_ONCE)
def blocked_and_unmanaged_are_never_written(context):
    for word in "blocked", "unmanaged", "unknown":
        context.kernel(f"group 0 type={word if word != 'unknown' else 'none'}")
        context.call(f"{ROOT}/group/0", GROUP, "Refresh")
        context.wait_group(0, Type=word, State="unsupported")
        context.kernel("log-clear")
        for kind in TYPES:
            error = expect_error("NotSupported", context.set_type, 0, kind)
            assert word in error.text, error.text
        context.call(ROOT, MANAGER, "Apply")
        says(context, 0, f"reads {word}", origin="kernel")
        equal(context.kernel.writes(), [])
    # What ends that, ends the state.
    context.kernel("group 0 type=identity")
    context.call(f"{ROOT}/group/0", GROUP, "Refresh")
    assert "identity" in context.group(0, "SettableTypes")


@case(topology="other-iommu", rules={"10-any.conf": "[Match]\nAny=yes\n[Policy]\nType=DMA-FQ\n"},
      daemon_conf=AT_ONCE)
def dma_fq_only_where_the_iommu_is_known_to_flush(context):
    for group in 0, 4:
        equal(context.group(group, "Type"), "DMA")
        assert "DMA-FQ" not in context.group(group, "SettableTypes"), group
        equal(context.group(group, "WantedType"), "")
        says(context, group, "DMA-FQ", origin="10-any.conf:4", verdict="void")
        error = expect_error("NotSupported", context.set_type, group, "DMA-FQ")
        assert "DMA-FQ" in error.text, error.text
        equal(refusal_of(context, group, "DMA-FQ")[0], "refused")
    context.call(ROOT, MANAGER, "Apply")
    equal(context.kernel.writes(), [])


@case(topology="unsupported", rules={"10-any.conf": RULE.format("identity")}, start=False)
def early_pass_leaves_unsupported_groups(context):
    cases_early.run(context)
    equal(context.kernel.writes(), [])


@case(topology="other-iommu", rules={"10-any.conf": "[Match]\nAny=yes\n[Policy]\nType=DMA-FQ\n"},
      start=False)
def early_pass_asks_no_other_iommu_to_flush(context):
    cases_early.run(context)
    equal(context.kernel.writes(), [])


@case(topology="forced", rules={"10-any.conf": RULE.format("DMA-FQ")}, start=False)
def early_pass_never_relaxes_what_is_not_trusted(context):
    for kind in "DMA-FQ", "identity":
        context.write_rule("10-any.conf", RULE.format(kind))
        cases_early.run(context)
        equal(context.kernel.type(7), "DMA")
        equal([path for path in types_written(context) if "/7/" in path], [])
