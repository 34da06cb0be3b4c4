# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon makes of the early passes of its boot, and what it says of the next one's."""

import os
import pathlib
import subprocess

from bus import Connection, Variant
from cases_client import contains, run as client
from cases_early import NOTE, run as run_early
from cases_journal import entries, wait
from harness import GROUP, MANAGER, NAME, PROPERTIES, ROOT, case, equal

IDENTITY = "[Match]\nClass=nvme\n[Policy]\nType=identity\n"
DRIVES = {"20-drives.conf": IDENTITY}
STAMP = NOTE.with_name("image")
# As there is no stamp that says it, of the tool that is installed here.
DRACUT = os.path.exists("/usr/bin/dracut") and not os.path.exists("/usr/sbin/update-initramfs")
REBUILD = "dracut --force" if DRACUT else "update-initramfs -u"


def load_driver(context):
    """The module of the drives: all of them are bound to it."""
    context.kernel("driver pci nvme ids=class=0108")


def trail(context, group):
    return context.call(f"{ROOT}/group/{group}", GROUP, "Explain")[1]


def who_set(context, group):
    """What the trail says of when the type was set."""
    return [(row["origin"], row["text"]) for row in trail(context, group) if " was set " in row["text"]]


def is_stale(context):
    return context.get(ROOT, MANAGER, "InitramfsStale")


def leave_stamp(context):
    """As the hook of an initramfs that has just been built."""
    program = pathlib.Path(context.options.daemon).with_name("iommu-policy-early")
    digest = subprocess.run([program, "--digest"], capture_output=True, text=True, check=True).stdout
    STAMP.with_name(".image").write_text(f"{os.uname().release} {digest}", encoding="ascii")
    STAMP.with_name(".image").rename(STAMP)


def wait_stale(context, connection, wanted):
    """CONNECTION matches the manager's PropertiesChanged."""
    connection.wait_signal(lambda message: len(message.body) == 3
                           and message.body[1].get("InitramfsStale") == wanted)
    equal(is_stale(context), wanted)


@case(topology="early", rules=DRIVES, start=False)
def boot_shows_what_the_pass_has_set(context):
    run_early(context)
    load_driver(context)
    context.daemon.start()
    context.wait_group(4, State="settled", Type="identity")
    (origin, text), = who_set(context, 4)
    equal(origin, "/etc/iommu-policy.d/20-drives.conf:4")
    contains(text, "identity was set before its driver by the early pass of the host, ",
             " s after the kernel started")
    usec, kind, error, text = context.group(4, "LastResult")
    assert usec > 0
    equal((kind, error), ("identity", ""))
    contains(client(context, "show", "4"),
             "identity: done; identity was set before its driver by the early pass")
    contains(client(context, "why", "4"), "by the early pass of the host")
    entry = wait(context, "EARLY_PASS")
    equal([entry[f"IOMMU_{name}"] for name in ("STAGE", "SET", "ALREADY", "BOUND", "REFUSED", "FAILED")],
          ["host", "2", "1", "0", "0", "0"])
    # Of a type that somebody else has written nothing is claimed.
    pathlib.Path("/sys/bus/pci/drivers/nvme/unbind").write_text("0000:00:04.0", encoding="ascii")
    pathlib.Path("/sys/kernel/iommu_groups/4/type").write_text("DMA", encoding="ascii")
    context.journal.wait(lambda entry: "its type has become DMA without us" in entry.get("MESSAGE", ""))
    context.wait_group(4, Type="identity", State="settled")
    (_, text), = who_set(context, 4)
    contains(text, "set while no driver was bound")


@case(topology="early", rules=DRIVES, start=False)
def boot_says_nothing_of_another_device(context):
    run_early(context)
    context.kernel("remove 0000:00:04.0")
    context.kernel("device pci 0000:00:04.0 group=4 id=144d:a808 class=010802 child=nvme:nvme0 "
                   "type=identity")
    context.daemon.start()
    context.wait_group(5, State="settled", Type="identity")
    equal(len(who_set(context, 5)), 1)
    equal([row for row in who_set(context, 4) if "early pass" in row[1]], [])


@case(topology="early", rules=DRIVES | {"30-cards.conf": "[Match]\nClass=ethernet\n[Policy]\nType=DMA\n"},
      generation="6.1", start=False)
def boot_shows_what_the_pass_could_not_set(context):
    run_early(context)
    context.daemon.start()
    entry = wait(context, "EARLY_PASS", IOMMU_GROUP="7")
    equal((entry["IOMMU_RESULT"], entry["IOMMU_TO"], entry["PRIORITY"]), ("failed", "DMA", "4"))
    contains(entry["MESSAGE"], "a kernel that switches only groups of one device")
    equal(entries(context, "EARLY_PASS", IOMMU_STAGE="host", IOMMU_FAILED="1")[0]["IOMMU_SET"], "2")


@case(topology="early", rules=DRIVES, start=False)
def boot_with_a_note_that_is_not_sound(context):
    run_early(context)
    note = NOTE.read_bytes()
    for text in b"", b"\0\xff" * 4096, note[:-1], note.replace(b"outcome=set", b"outcome=st"):
        NOTE.write_bytes(text)
        context.daemon.start()
        context.journal.wait(lambda entry: "cannot be read, and does not count" in entry.get("MESSAGE", ""))
        equal(who_set(context, 4), [])
        context.journal.entries.clear()
        equal(context.daemon.stop(), 0)
    NOTE.unlink()
    os.mkfifo(NOTE)
    context.daemon.start()
    context.wait_group(4, State="settled")


@case(topology="early", start=False)
def boot_next_one_sets_what_this_one_cannot(context):
    run_early(context)
    load_driver(context)
    context.daemon.start()
    context.write_rule("20-drives.conf", IDENTITY)
    context.write_rule("30-cards.conf", "[Match]\nClass=ethernet\n[Policy]\nType=identity\n")
    equal(context.call(ROOT, MANAGER, "Reload"), [])
    context.wait_group(4, State="pending", PendingReason="next-boot")
    equal(context.kernel.type(4), "DMA-FQ")
    said = "at the next boot: identity, before its driver, by /etc/iommu-policy.d/20-drives.conf:4"
    contains(client(context, "show", "4"), said)
    contains(client(context, "why", "4"), said)
    contains(client(context, "list"), "pending (next-boot)")
    # This one had its driver before the pass, and so it will be again.
    context.wait_group(8, State="pending", PendingReason="unbind-not-allowed")
    # The pass has only early keys.
    context.write_rule("20-drives.conf", IDENTITY.replace("Class=nvme", "Driver=nvme"))
    context.call(ROOT, MANAGER, "Reload")
    context.wait_group(4, State="pending", PendingReason="unbind-not-allowed")


@case(topology="early", start=False)
def boot_without_a_pass_promises_nothing(context):
    load_driver(context)
    context.daemon.start()
    context.write_rule("20-drives.conf", IDENTITY)
    context.call(ROOT, MANAGER, "Reload")
    context.wait_group(4, State="pending", PendingReason="unbind-not-allowed")
    # Nor does one that was switched off.
    context.daemon.stop()
    pathlib.Path("/sys/bus/pci/drivers/nvme/unbind").write_text("0000:00:04.0", encoding="ascii")
    pathlib.Path("/run/cmdline").write_text("iommu_policy=off\n", encoding="ascii")
    subprocess.run(["mount", "--bind", "/run/cmdline", "/proc/cmdline"], check=True)
    run_early(context)
    subprocess.run(["umount", "/proc/cmdline"], check=True)
    pathlib.Path("/sys/bus/pci/drivers/nvme/bind").write_text("0000:00:04.0", encoding="ascii")
    context.daemon.start()
    context.wait_group(4, State="pending", PendingReason="unbind-not-allowed")


@case(topology="early", start=False)
def boot_initramfs_is_stale_until_it_is_made_anew(context):
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',path='{ROOT}',interface='{PROPERTIES}',"
                     "member='PropertiesChanged'")
    run_early(context, "--initramfs")
    load_driver(context)
    run_early(context)
    context.daemon.start()
    equal(is_stale(context), False)
    context.write_rule("20-drives.conf", IDENTITY)
    file, _, _, severity, text = context.call(ROOT, MANAGER, "Reload")[0]
    equal((file, severity), ("initramfs", "warning"))
    contains(text, REBUILD)
    wait_stale(context, connection, True)
    # Its driver is bound before the pass of the host: only that of the initramfs comes first.
    context.wait_group(4, State="pending", PendingReason="initramfs-stale")
    contains(client(context, "why", "4"), "once the initramfs has today's rules")
    contains(wait(context, "INITRAMFS", IOMMU_RESULT="stale")["MESSAGE"], REBUILD)

    leave_stamp(context)
    wait_stale(context, connection, False)
    context.wait_group(4, State="pending", PendingReason="next-boot")
    equal(wait(context, "INITRAMFS", IOMMU_RESULT="done")["PRIORITY"], "5")
    equal(context.call(ROOT, MANAGER, "Reload"), [])
    # It stays so over a restart, and what is edited afterwards is seen.
    context.daemon.restart()
    equal(is_stale(context), False)
    context.write_rule("20-drives.conf", IDENTITY + "Reason=another\n")
    equal(len(context.call(ROOT, MANAGER, "Reload")), 1)
    equal(is_stale(context), True)


@case(topology="early", start=False)
def boot_persist_names_the_command(context):
    run_early(context, "--initramfs")
    context.daemon.start()
    contains(client(context, "set", "4", "identity", "--persist"),
             "05-call-pci-0000:00:04.0.conf is written", REBUILD)
    equal(is_stale(context), True)
    contains(context.group(4, "LastResult")[3], REBUILD)
    leave_stamp(context)
    context.set_type(4, "DMA", persist=Variant("b", True))
    equal(is_stale(context), True)


@case(topology="early", start=False)
def boot_persist_is_applied_by_the_next_pass(context):
    """What `persist` writes has early keys alone."""
    context.daemon.start()
    context.set_type(4, "identity", persist=Variant("b", True))
    context.daemon.stop()
    pathlib.Path("/run/iommu-policy/call/pci:0000:00:04.0").unlink()
    pathlib.Path("/sys/kernel/iommu_groups/4/type").write_text("DMA-FQ", encoding="ascii")
    equal(run_early(context)[1],
          ["iommu-policy-early: group 4: identity by 05-call-pci-0000:00:04.0.conf:8"])
    equal(context.kernel.type(4), "identity")
