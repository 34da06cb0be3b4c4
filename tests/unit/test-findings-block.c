/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nvme-scene.h"
#include "unit.h"

#define ALL FINDINGS_ALL
#define VIRTUAL "sys/devices/virtual/block/"

START_TEST(free_drive)
{
    scene_mount(tree, 1, "8:1", "/home", "ext4", "/dev/sda1");
    expect("");
}
END_TEST

START_TEST(mounted_partition)
{
    g_autoptr(GPtrArray) findings = NULL;
    const Finding *finding;

    scene_mount(tree, 1, "259:1", "/srv/my\\040data", "ext4", "/dev/nvme0n1p1");
    findings = scene_expect(tree, nvme, ALL, "mount:/srv/my\\x20data@nvme0n1p1");
    finding = findings->pdata[0];
    ck_assert_int_eq(finding->kind, FINDING_MOUNT);
    ck_assert_int_eq(finding->severity, FINDING_ABSOLUTE);
    ck_assert_str_eq(finding->object, "/srv/my data");
    ck_assert_str_eq(finding->text, "/srv/my data is mounted from nvme0n1p1; unmount it first");
    ck_assert_ptr_null(finding->private_text);
}
END_TEST

START_TEST(what_the_system_runs_from)
{
    scene_mount(tree, 1, "259:1", "/", "ext4", "/dev/root");
    scene_mount(tree, 1, "259:1", "/usr", "ext4", "/dev/root");
    scene_mount(tree, 1, "259:0", "/boot/efi", "vfat", "/dev/nvme0n1");
    expect("root:/@nvme0n1p1 root:/boot/efi@nvme0n1 root:/usr@nvme0n1p1");
    /* Parts of it in the sandbox of a service say nothing more. */
    scene_add_process(tree, 300, "sandboxed", 2, "/");
    scene_mount(tree, 300, "259:1", "/etc/service", "ext4", "/dev/root");
    expect("root:/@nvme0n1p1 root:/boot/efi@nvme0n1 root:/usr@nvme0n1p1");
}
END_TEST

/* "/" of a container is not the system's. */
START_TEST(mount_namespaces)
{
    g_autoptr(GPtrArray) findings = NULL;
    const Finding *finding;

    scene_add_process(tree, 300, "po\ndman", 2, "/");
    scene_mount(tree, 300, "259:1", "/", "xfs", "/dev/nvme0n1p1");
    scene_add_process(tree, 301, "sshd", 1, "/");
    scene_mount(tree, 301, "259:1", "/never-read", "xfs", "/dev/nvme0n1p1");
    findings = scene_expect(tree, nvme, ALL, "mount:/@nvme0n1p1");
    finding = findings->pdata[0];
    ck_assert_ptr_null(strstr(finding->text, "300"));
    ck_assert_ptr_nonnull(strstr(finding->private_text, "pid 300 (po\357\277\275dman)"));
}
END_TEST

/* A process in a chroot does not show what is mounted outside of it; another one of the same namespace does.
 */
START_TEST(chroot_in_a_namespace)
{
    scene_add_process(tree, 300, "chrooted", 2, "/var/empty");
    scene_add_process(tree, 301, "container", 2, "/");
    scene_mount(tree, 301, "259:0", "/data", "xfs", "/dev/nvme0n1");
    expect("mount:/data@nvme0n1");
}
END_TEST

/* The first thread of a process has ended, and with it what /proc/PID shows of its mounts. */
START_TEST(mounts_of_an_ended_first_thread)
{
    g_autofree char *mountinfo = NULL;

    scene_add_process(tree, 300, "container", 2, "/");
    tree_remove(tree, "proc/300/ns");
    scene_mount(tree, 300, "259:0", "/data", "xfs", "/dev/nvme0n1");
    mountinfo = tree_read(tree, "proc/300/mountinfo");
    tree_write(tree, "proc/300/task/301/mountinfo", mountinfo);
    tree_mkdir(tree, "proc/300/task/300");
    expect("");
    tree_mkdir(tree, "proc/300/task/301/ns");
    ck_assert_int_eq(symlinkat("mnt:[2]", tree->fd, "proc/300/task/301/ns/mnt"), 0);
    ck_assert_int_eq(symlinkat("/", tree->fd, "proc/300/task/301/root"), 0);
    expect("mount:/data@nvme0n1");
}
END_TEST

START_TEST(unreadable_mounts)
{
    g_autoptr(GPtrArray) findings = NULL;

    tree_write(tree, "proc/1/mountinfo", "garbage\n");
    findings = scene_expect(tree, nvme, ALL, "unknown:/proc/1/mountinfo@0000:00:04.0");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_FATAL);
}
END_TEST

START_TEST(unreadable_mounts_of_another)
{
    scene_add_process(tree, 300, "podman", 2, "/");
    tree_write(tree, "proc/300/mountinfo", "garbage\n");
    expect("unknown:/proc/PID/mountinfo@0000:00:04.0");
}
END_TEST

START_TEST(swap)
{
    tree_write(tree, "proc/swaps",
               "Filename\tType\tSize\tUsed\tPriority\n"
               "/swapfile file 1024 0 -2\n/dev/nvme0n1p1 partition 1024 0 -3\n");
    expect("swap:swap@nvme0n1p1");
    tree_write(tree, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 1024 0 -2\n");
    expect("");
    tree_write(tree, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/gone partition 1024 0 -2\n");
    expect("unknown:/proc/swaps@0000:00:04.0");
}
END_TEST

START_TEST(resume)
{
    tree_write(tree, "sys/power/resume", "259:1\n");
    expect("swap:resume@nvme0n1p1");
    tree_write(tree, "sys/power/resume", "0:0\n");
    expect("");
    tree_write(tree, "sys/power/resume", "none\n");
    expect("unknown:/sys/power/resume@0000:00:04.0");
}
END_TEST

/* LUKS on a partition, LVM on it, a file system on that. */
START_TEST(stacked)
{
    g_autoptr(GPtrArray) findings = NULL;

    scene_add_child(tree, VIRTUAL "dm-0", "block", "253:0");
    tree_write(tree, VIRTUAL "dm-0/dm/name", "luks 1\n");
    scene_add_child(tree, VIRTUAL "dm-1", "block", "253:1");
    tree_write(tree, VIRTUAL "dm-1/dm/name", "vg0-srv\n");
    scene_hold(tree, "nvme0n1p1", "dm-0");
    scene_hold(tree, "dm-0", "dm-1");
    scene_mount(tree, 1, "253:1", "/srv", "ext4", "/dev/mapper/vg0-srv");
    findings = scene_expect(tree, nvme, ALL,
                            "holder:luks\\x201@nvme0n1p1 holder:vg0-srv@nvme0n1p1>luks\\x201 "
                            "mount:/srv@nvme0n1p1>luks\\x201>vg0-srv");
    ck_assert_str_eq(scene_find(findings, "holder:luks\\x201@nvme0n1p1")->text,
                     "nvme0n1p1 is held by luks 1 (/dev/dm-0); deactivate that first");
}
END_TEST

START_TEST(partition_of_a_holder)
{
    scene_add_child(tree, VIRTUAL "md0", "block", "9:0");
    scene_add_child(tree, VIRTUAL "md0/md0p1", "block", "259:9");
    scene_hold(tree, "nvme0n1p1", "md0");
    scene_mount(tree, 1, "259:9", "/raid", "ext4", "/dev/md0p1");
    expect("holder:md0@nvme0n1p1 mount:/raid@nvme0n1p1>md0>md0p1");
}
END_TEST

/* Holders that hold each other cannot be, but a walk that never ends must not be either. */
START_TEST(circle_of_holders)
{
    scene_add_child(tree, VIRTUAL "md0", "block", "9:0");
    scene_add_child(tree, VIRTUAL "md1", "block", "9:1");
    scene_hold(tree, "nvme0n1", "md0");
    scene_hold(tree, "md0", "md1");
    scene_hold(tree, "md1", "md0");
    expect("holder:md0@nvme0n1 holder:md0@nvme0n1>md0>md1 holder:md1@nvme0n1>md0");
}
END_TEST

START_TEST(unknown_holder)
{
    tree_link(tree, "sys/class/block/nvme0n1/holders/bcache0", VIRTUAL "bcache0");
    expect("unknown:/sys/class/block/nvme0n1/holders@0000:00:04.0");
}
END_TEST

START_TEST(loop_device)
{
    scene_add_child(tree, VIRTUAL "loop0", "block", "7:0");
    tree_write(tree, VIRTUAL "loop0/loop/backing_file", "/dev/nvme0n1p1\n");
    scene_mount(tree, 1, "7:0", "/image", "squashfs", "/dev/loop0");
    expect("holder:loop0@nvme0n1p1 mount:/image@nvme0n1p1>loop0");
    tree_write(tree, VIRTUAL "loop0/loop/backing_file", "/var/lib/image\n");
    expect("");
}
END_TEST

/* btrfs has numbers of its own, and its mount names one of its devices. */
START_TEST(btrfs)
{
    tree_mkdir(tree, "sys/fs/btrfs/features");
    scene_mount(tree, 1, "0:41", "/data", "btrfs", "/dev/nvme0n1p1");
    expect("mount:/data@nvme0n1p1");
}
END_TEST

START_TEST(btrfs_of_several_devices)
{
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:05.0/block/sda", "block", "8:0");
    tree_link(tree, "sys/fs/btrfs/9c2e/devices/sda", "sys/devices/pci0000:00/0000:00:05.0/block/sda");
    tree_link(tree, "sys/fs/btrfs/9c2e/devices/nvme0n1p1", "sys/class/block/nvme0n1p1");
    scene_mount(tree, 1, "0:41", "/data", "btrfs", "/dev/sda");
    expect("mount:/data@nvme0n1p1");
    tree_write(tree, "proc/1/mountinfo", "");
    expect("mount:btrfs/9c2e@nvme0n1p1");
    tree_remove(tree, "sys/fs/btrfs/9c2e/devices/nvme0n1p1");
    expect("");
}
END_TEST

START_TEST(signatures)
{
    g_autoptr(GPtrArray) findings = NULL;

    scene_udev(tree, "259:0", "ID_PART_TABLE_TYPE=gpt");
    scene_udev(tree, "259:1", "ID_PART_TABLE_TYPE=gpt");
    scene_udev(tree, "259:1", "ID_FS_TYPE=crypto_LUKS");
    findings = scene_expect(tree, nvme, ALL, "signature:crypto_LUKS@nvme0n1p1 signature:gpt@nvme0n1");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_DISRUPTIVE);
    /* One who uses it says more than what lies on it. */
    scene_mount(tree, 1, "259:1", "/srv", "ext4", "/dev/nvme0n1p1");
    expect("mount:/srv@nvme0n1p1");
}
END_TEST

START_TEST(udev_has_not_looked)
{
    tree_remove(tree, "run/udev/data/b259:1");
    expect("unknown:nvme0n1p1@0000:00:04.0");
}
END_TEST

/* With multipath the disk that is mounted lies below the NVMe subsystem; the one below the device is hidden.
 */
START_TEST(nvme_multipath)
{
#define SUBSYSTEM "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    g_autofree char *disk = g_strconcat(nvme, "/nvme/nvme0/nvme0n1", NULL);
    g_autofree char *hidden = g_strconcat(nvme, "/nvme/nvme0/nvme0c0n1", NULL);
    g_autofree char *controller = g_strconcat(nvme, "/nvme/nvme0", NULL);

    tree_remove(tree, disk);
    tree_remove(tree, "sys/class/block/nvme0n1p1");
    tree_remove(tree, "sys/class/block/nvme0n1");
    scene_add_child(tree, hidden, "block", NULL);
    scene_add_child(tree, SUBSYSTEM, "nvme-subsystem", NULL);
    scene_add_child(tree, SUBSYSTEM "/nvme0n1", "block", "259:0");
    scene_mount(tree, 1, "259:0", "/srv", "ext4", "/dev/nvme0n1");
    expect("");
    tree_link(tree, SUBSYSTEM "/nvme0", controller);
    expect("below:nvme-subsys0@0000:00:04.0 mount:/srv@nvme0n1");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, free_drive);
    tcase_add_test(tests, mounted_partition);
    tcase_add_test(tests, what_the_system_runs_from);
    tcase_add_test(tests, mount_namespaces);
    tcase_add_test(tests, chroot_in_a_namespace);
    tcase_add_test(tests, mounts_of_an_ended_first_thread);
    tcase_add_test(tests, unreadable_mounts);
    tcase_add_test(tests, unreadable_mounts_of_another);
    tcase_add_test(tests, swap);
    tcase_add_test(tests, resume);
    tcase_add_test(tests, stacked);
    tcase_add_test(tests, partition_of_a_holder);
    tcase_add_test(tests, circle_of_holders);
    tcase_add_test(tests, unknown_holder);
    tcase_add_test(tests, loop_device);
    tcase_add_test(tests, btrfs);
    tcase_add_test(tests, btrfs_of_several_devices);
    tcase_add_test(tests, signatures);
    tcase_add_test(tests, udev_has_not_looked);
    tcase_add_test(tests, nvme_multipath);
    return unit_run("findings-block", tests);
}
