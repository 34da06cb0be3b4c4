/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "nvme-scene.h"
#include "unit.h"

/* What disks are used for without being mounted, each shape as the kernel and udev show it, and the same
 * disk when the use has ended. */

#define ALL FINDINGS_ALL
#define VIRTUAL "sys/devices/virtual/block/"
#define SWAPS "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

static void add_mapping(const char *name, const char *number, const char *title)
{
    g_autofree char *path = g_strconcat(VIRTUAL, name, NULL),
                    *title_path = g_strconcat(path, "/dm/name", NULL);
    g_autofree char *line = g_strconcat(title, "\n", NULL);

    scene_add_child(tree, path, "block", number);
    tree_write(tree, title_path, line);
}

/* What lies on a disk that nobody has opened: udev knows it from blkid. */
static const struct {
    const char *type, *id;
} idle[] = {
    { "crypto_LUKS", "signature:crypto_LUKS@nvme0n1" },
    { "LVM2_member", "signature:LVM2_member@nvme0n1" },
    { "linux_raid_member", "signature:linux_raid_member@nvme0n1" },
    { "ext4", "signature:ext4@nvme0n1" },
    { "btrfs", "signature:btrfs@nvme0n1" },
    { "bcache", "signature:bcache@nvme0n1" },
    { "swap", "signature:swap@nvme0n1" },
    { "zfs_member", "signature:zfs_member@nvme0n1" },
};

START_TEST(idle_whole_disk)
{
    g_autofree char *property = g_strconcat("ID_FS_TYPE=", idle[_i].type, NULL);
    g_autoptr(GPtrArray) findings = NULL;

    expect("");
    scene_udev(tree, "259:0", property);
    findings = scene_expect(tree, nvme, ALL, idle[_i].id);
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_DISRUPTIVE);
}
END_TEST

START_TEST(swap_on_the_whole_disk)
{
    scene_udev(tree, "259:0", "ID_FS_TYPE=swap");
    tree_write(tree, "proc/swaps",
               SWAPS "/dev/nvme0n1                            partition\t1048572\t\t0\t\t-2\n");
    expect("swap:swap@nvme0n1");
    tree_write(tree, "proc/swaps",
               SWAPS "/dev/sda                                partition\t1048572\t\t0\t\t-2\n");
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:05.0/block/sda", "block", "8:0");
    expect("signature:swap@nvme0n1");
}
END_TEST

START_TEST(swap_and_resume_on_a_logical_volume)
{
    add_mapping("dm-1", "253:1", "vg0-swap");
    scene_hold(tree, "nvme0n1p1", "dm-1");
    expect("holder:vg0-swap@nvme0n1p1");
    tree_write(tree, "proc/swaps",
               SWAPS "/dev/dm-1                               partition\t1048572\t\t0\t\t-2\n");
    tree_write(tree, "sys/power/resume", "253:1\n");
    expect("holder:vg0-swap@nvme0n1p1 swap:resume@nvme0n1p1>vg0-swap swap:swap@nvme0n1p1>vg0-swap");
}
END_TEST

/* An array that was put together and not started holds its disks as one that runs does (drivers/md/md.c,
 * bind_rdev_to_array()). */
START_TEST(array)
{
    scene_udev(tree, "259:0", "ID_FS_TYPE=linux_raid_member");
    expect("signature:linux_raid_member@nvme0n1");
    scene_add_child(tree, VIRTUAL "md127", "block", "9:127");
    tree_write(tree, VIRTUAL "md127/md/array_state", "inactive\n");
    scene_hold(tree, "nvme0n1", "md127");
    expect("holder:md127@nvme0n1");
    tree_write(tree, VIRTUAL "md127/md/array_state", "clean\n");
    scene_mount(tree, 1, "9:127", "/raid", "xfs", "/dev/md127");
    expect("holder:md127@nvme0n1 mount:/raid@nvme0n1>md127");
}
END_TEST

/* A passphrase was given: the disk is held by the mapping, used or not. */
START_TEST(opened_luks)
{
    scene_udev(tree, "259:0", "ID_FS_TYPE=crypto_LUKS");
    add_mapping("dm-0", "253:0", "luks-1234");
    expect("signature:crypto_LUKS@nvme0n1");
    scene_hold(tree, "nvme0n1", "dm-0");
    expect("holder:luks-1234@nvme0n1");
}
END_TEST

/* bcache shows its device above the disk with the data, but none above the disk with the cache. */
START_TEST(bcache)
{
    scene_add_child(tree, VIRTUAL "bcache0", "block", "252:0");
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:05.0/block/sda", "block", "8:0");
    scene_hold(tree, "sda", "bcache0");
    expect("");
    tree_mkdir(tree, "sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1/nvme0n1p1/bcache");
    expect("holder:bcache@nvme0n1p1");
    scene_hold(tree, "nvme0n1p1", "bcache0");
    scene_mount(tree, 1, "252:0", "/srv", "ext4", "/dev/bcache0");
    expect("holder:bcache0@nvme0n1p1 mount:/srv@nvme0n1p1>bcache0");
}
END_TEST

/* Pages that nobody wants in memory are written to the disk, which has no holder for that. */
START_TEST(zram_write_back)
{
    scene_add_child(tree, VIRTUAL "zram0", "block", "254:0");
    tree_write(tree, VIRTUAL "zram0/backing_dev", "none\n");
    tree_write(tree, "proc/swaps",
               SWAPS "/dev/zram0                              partition\t1048572\t\t0\t\t100\n");
    expect("");
    tree_write(tree, VIRTUAL "zram0/backing_dev", "/dev/nvme0n1p1\n");
    expect("holder:zram0@nvme0n1p1 swap:swap@nvme0n1p1>zram0");
}
END_TEST

/* losetup on the disk is no holder either, however the disk was named; the kernel shows a path that cannot
 * be reached from here from its own mount on, and marks one whose node is gone. */
static const struct {
    const char *backing_file, *ids;
} loops[] = {
    { "/dev/nvme0n1\n", "holder:loop0@nvme0n1" },
    { "/dev/nvme0n1p1\n", "holder:loop0@nvme0n1p1" },
    { "/dev/disk/by-id/nvme-QEMU_1\n", "holder:loop0@nvme0n1" },
    { "/nvme0n1\n", "holder:loop0@nvme0n1" },
    { "/dev/nvme0n1 (deleted)\n", "holder:loop0@nvme0n1" },
    { "/dev/sda\n", "" },
    { "/srv/nvme0n1\n", "" },
    { "/srv/gone/nvme0n1 (deleted)\n", "" },
};

START_TEST(loop_device_over_the_disk)
{
    scene_add_child(tree, VIRTUAL "loop0", "block", "7:0");
    tree_link(tree, "dev/disk/by-id/nvme-QEMU_1", "dev/nvme0n1");
    tree_write(tree, "srv/nvme0n1", "");
    expect("");
    tree_write(tree, VIRTUAL "loop0/loop/backing_file", loops[_i].backing_file);
    expect(loops[_i].ids);
}
END_TEST

/* A loop device keeps the file system below it in the kernel, also when that is unmounted everywhere. */
START_TEST(loop_device_over_a_file)
{
    g_autoptr(GPtrArray) findings = NULL;

    scene_add_child(tree, VIRTUAL "loop0", "block", "7:0");
    tree_write(tree, VIRTUAL "loop0/loop/backing_file", "/srv/image\n");
    tree_write(tree, "srv/image", "");
    tree_mkdir(tree, "sys/fs/ext4/features");
    tree_mkdir(tree, "sys/fs/ext4/nvme0n1p1");
    scene_mount(tree, 1, "259:1", "/srv", "ext4", "/dev/nvme0n1p1");
    expect("mount:/srv@nvme0n1p1");
    tree_write(tree, "proc/1/mountinfo", "");
    findings = scene_expect(tree, nvme, ALL, "mount:ext4/nvme0n1p1@nvme0n1p1");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_ABSOLUTE);
    tree_remove(tree, "sys/fs/ext4/nvme0n1p1");
    expect("");
    tree_mkdir(tree, "sys/fs/xfs/nvme0n1");
    expect("mount:xfs/nvme0n1@nvme0n1");
}
END_TEST

/* Two disks, one file system: whichever of them the mount names, and a number of its own. */
START_TEST(btrfs_over_two_disks)
{
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:05.0/block/sda", "block", "8:0");
    scene_udev(tree, "259:0", "ID_FS_TYPE=btrfs");
    expect("signature:btrfs@nvme0n1");
    tree_link(tree, "sys/fs/btrfs/9c2e/devices/nvme0n1", "sys/class/block/nvme0n1");
    tree_link(tree, "sys/fs/btrfs/9c2e/devices/sda", "sys/class/block/sda");
    scene_add_process(tree, 300, "container", 2, "/");
    scene_mount(tree, 300, "0:41", "/data", "btrfs", "/dev/sda");
    expect("mount:/data@nvme0n1");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, idle_whole_disk, 0, G_N_ELEMENTS(idle));
    tcase_add_test(tests, swap_on_the_whole_disk);
    tcase_add_test(tests, swap_and_resume_on_a_logical_volume);
    tcase_add_test(tests, array);
    tcase_add_test(tests, opened_luks);
    tcase_add_test(tests, bcache);
    tcase_add_test(tests, zram_write_back);
    tcase_add_loop_test(tests, loop_device_over_the_disk, 0, G_N_ELEMENTS(loops));
    tcase_add_test(tests, loop_device_over_a_file);
    tcase_add_test(tests, btrfs_over_two_disks);
    return unit_run("findings-stack", tests);
}
