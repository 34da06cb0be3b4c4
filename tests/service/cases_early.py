# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pass before the drivers bind: the shipped program, and what it writes."""

import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

from harness import case, equal

NOTE = pathlib.Path("/run/iommu-policy/early/host")
LOCKS = pathlib.Path("/run/iommu-policy/change")
RULES = {
    "20-drives.conf": "[Match]\nClass=nvme\n[Policy]\nType=identity\n",
    "30-cards.conf": "[Match]\nClass=ethernet\n[Policy]\nType=DMA\n",
}
BROKEN = {"10-broken.conf": "[Match]\nClass=nvme\n[Policy]\nTpye=DMA\n"}
GROUPS = range(4, 10)
BEFORE = dict.fromkeys(GROUPS, "DMA-FQ") | {9: "DMA"}
AFTER = BEFORE | {4: "identity", 5: "identity", 7: "DMA"}
DEVICES = ["0000:00:04.0", "0000:00:05.0", "0000:00:06.0", "0000:01:00.0", "0000:01:00.1", "0000:00:08.0",
           "0000:00:09.0"]
DRIVERS = [None, None, "pcieport", None, None, "e1000e", None]


def start(context, *arguments):
    """Starts the program, watched from its first operation."""
    program = pathlib.Path(context.options.daemon).with_name("iommu-policy-early")
    process = subprocess.Popen(["/bin/sh", "-c", "read -r go; exec \"$0\" \"$@\" </dev/null", program,
                                *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    context.kernel(f"watch {process.pid}")
    return process


def run(context, *arguments):
    """Runs it to its end: exit status and what it says."""
    context.kernel("log-clear")
    process = start(context, *arguments)
    _, said = process.communicate("\n", timeout=60)
    context.kernel("watch none")
    return process.returncode, said.splitlines()


def types(context):
    return {group: context.kernel.type(group) for group in GROUPS}


def writes(context):
    """What was written: the group and the word."""
    found = {}
    for path, text, result in context.kernel.writes():
        matched = re.fullmatch(r"sys/kernel/iommu_groups/(\d+)/type", path)
        assert matched and result == "0", f"{path}: {text}: {result}"
        assert int(matched[1]) not in found, f"{path} is written twice"
        found[int(matched[1])] = text
    return found


def outcomes():
    """Of the note: group -> outcome."""
    text = NOTE.read_text()
    return {int(group): outcome for group, outcome in re.findall(r"^group=(\d+)\noutcome=(\w+)$", text,
                                                                 re.MULTILINE)}


def drivers(context):
    return [context.kernel.driver(device) for device in DEVICES]


def note_value(key):
    return re.search(f"^{key}=(.*)$", NOTE.read_text(), re.MULTILINE)[1]


@case(topology="early", rules=RULES, start=False)
def early_sets_what_has_no_driver(context):
    status, said = run(context)
    equal(status, 0)
    equal(writes(context), {4: "identity", 5: "identity", 7: "DMA"})
    equal(types(context), AFTER)
    equal(drivers(context), DRIVERS)
    equal(outcomes(), {4: "set", 5: "set", 7: "set", 8: "bound", 9: "already"})
    equal(said[:3], ["iommu-policy-early: group 4: identity by 20-drives.conf:4",
                     "iommu-policy-early: group 5: identity by 20-drives.conf:4",
                     "iommu-policy-early: group 7: DMA by 30-cards.conf:4"])
    equal(said[3:], ["iommu-policy-early: group 8: bound: DMA by 30-cards.conf:4: "
                     "0000:00:08.0 is bound to e1000e already"])
    equal(run(context), (0, said[3:]))
    equal(writes(context), {})
    # The drivers come, the daemon comes: nothing is left to do.
    context.kernel("driver pci nvme ids=class=0108")
    context.kernel("log-clear")
    context.daemon.start()
    context.wait_group(4, State="settled", Type="identity")
    context.wait_group(8, State="pending", PendingReason="unbind-not-allowed")
    equal(writes(context), {})
    equal(drivers(context)[:2], ["nvme", "nvme"])


@case(topology="early", generation="6.1", rules=RULES, start=False)
def early_on_an_older_kernel(context):
    status, said = run(context)
    equal(status, 0)
    equal(outcomes(), {4: "set", 5: "set", 7: "failed", 8: "bound", 9: "already"})
    assert "a kernel that switches only groups of one device" in said[2], said[2]
    equal(types(context), AFTER | {7: "DMA-FQ"})


@case(topology="early", start=False)
def early_without_rules_writes_nothing(context):
    digest = subprocess.run([pathlib.Path(context.options.daemon).with_name("iommu-policy-early"),
                             "--digest"],
                            capture_output=True, text=True, check=True).stdout
    shutil.rmtree("/run/iommu-policy.d")
    equal(run(context), (0, []))
    equal(writes(context), {})
    assert not any(line.split("\t")[3].endswith("/type")
                   for line in context.kernel("log")), context.kernel("log")
    equal(note_value("digest") + "\n", digest)
    equal(types(context), BEFORE)


@case(topology="early", rules=RULES | BROKEN, start=False)
def early_with_a_broken_rule_only_tightens(context):
    status, said = run(context, "--initramfs")
    equal(status, 0)
    equal(said[0], "iommu-policy-early: /etc/iommu-policy.d/10-broken.conf:4:1: error: "
                   "unknown key Tpye in [Policy] "
                   "(did you mean Type=?)")
    equal(writes(context), {7: "DMA"})
    assert not NOTE.exists()
    NOTE.with_name("initramfs").rename(NOTE)
    equal(outcomes(), {4: "refused", 5: "refused", 7: "set", 8: "bound", 9: "already"})
    equal((note_value("frozen"), note_value("errors")), ("yes", "1"))


@case(topology="early", start=False)
def early_usage(context):
    for arguments in ["--no-such-option"], ["something"]:
        status, said = run(context, *arguments)
        equal(status, 1)
        assert said, arguments
    equal(context.kernel("log"), [])


@case(topology="early", rules=RULES, start=False)
def early_leaves_a_locked_group(context):
    run(context, "--digest")
    LOCKS.mkdir(mode=0o700)
    with open(LOCKS / "pci:0000:00:04.0.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Who reads its type waits, as its change holds the group's mutex.
        context.kernel("rule held op=open path=sys/kernel/iommu_groups/4/type block")
        equal(run(context)[0], 0)
        equal(writes(context), {5: "identity", 7: "DMA"})
        equal(context.kernel("matched held"), ["0"])
    context.kernel("rule-remove held")
    equal(run(context)[0], 0)
    equal(writes(context), {4: "identity"})


@case(topology="early", rules=RULES, start=False)
def early_says_what_the_kernel_refused(context):
    for error, outcome, text in [("EPERM", "bound", "just being bound"),
                                 ("EBUSY", "failed", "resetting a device"),
                                 ("ENOMEM", "failed", "Cannot allocate"),
                                 ("EACCES", "failed", "CAP_SYS_RAWIO")]:
        context.kernel(f"rule refuse op=write path=sys/kernel/iommu_groups/4/type fail {error}")
        status, said = run(context)
        equal(status, 0)
        equal(outcomes()[4], outcome)
        line = next(line for line in said if "group 4:" in line)
        assert text in line, f"{error}: {line}"
        equal(context.kernel.type(4), "DMA-FQ")
        context.kernel("rule-remove refuse")
    # The driver came between the look and the write.
    context.kernel("rule race op=write path=sys/kernel/iommu_groups/5/type "
                   "do 'driver pci nvme ids=144d:a808'")
    context.kernel("group 5 type=DMA-FQ")
    equal(run(context)[0], 0)
    equal((outcomes()[5], context.kernel.type(5), context.kernel.driver("0000:00:05.0")),
          ("bound", "DMA-FQ", "nvme"))


def start_over(context):
    for group, kind in BEFORE.items():
        context.kernel(f"group {group} type={kind}")
    for folder in LOCKS, NOTE.parent:
        shutil.rmtree(folder, ignore_errors=True)


@case(topology="early", rules=RULES, start=False)
def early_killed_anywhere(context):
    equal(run(context)[0], 0)
    operations = context.kernel("count path='[sr][yu][sn]/*'")[0]
    tried = 0
    for when in "before", "after":
        for number in range(1, int(operations) + 1):
            start_over(context)
            context.kernel(f"rule point path='[sr][yu][sn]/*' nth={number} when={when} kill")
            status, _ = run(context)
            context.kernel("rule-remove point")
            point = f"{when} operation {number} of {operations}"
            equal(status, -signal.SIGKILL, point)
            for group, kind in types(context).items():
                assert kind in (BEFORE[group], AFTER[group]), f"{point}: group {group} is {kind}"
            equal(drivers(context), DRIVERS, point)
            for path, _, _ in context.kernel.writes():
                assert re.fullmatch(r"sys/kernel/iommu_groups/\d+/type", path), f"{point}: {path}"
            if when == "after":
                equal(run(context)[0], 0, point)
                equal(types(context), AFTER, point)
            tried += 1
    print(f"killed at {tried} points")


@case(topology="early", start=False,
      rules={"20-drives.conf": "[Match]\nId=1b36:0010\n[Policy]\nType=identity\n"})
def early_is_there_before_either_driver(context):
    """64 drives of one model on two drivers: each is set before the one or the other is loaded."""
    names = [f"0000:{bus:02x}:00.0" for bus in range(0x10, 0x50)]
    for name in names:
        override = "override=vfio-pci" if int(name[5:7], 16) % 2 else ""
        context.kernel(f"device pci {name} group=new id=1b36:0010 class=010802 {override}")
    groups = {name: int(os.path.basename(os.readlink(f"/sys/bus/pci/devices/{name}/iommu_group")))
              for name in names}
    equal(run(context)[0], 0)
    equal(writes(context), dict.fromkeys(groups.values(), "identity"))
    context.kernel("driver pci vfio-pci managed-dma")
    context.kernel("driver pci nvme ids=class=0108")
    equal([context.kernel.driver(name) for name in names], ["nvme", "vfio-pci"] * 32)
    equal({context.kernel.type(group) for group in groups.values()}, {"identity"})
    equal(list(outcomes().values()), ["set"] * 64)
