/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device-lookup.h"
#include "tree.h"
#include "unit.h"

#define NVME "sys/devices/pci0000:00/0000:00:04.0"
#define OTHER "sys/devices/pci0000:00/0000:00:05.0"
#define DISK NVME "/nvme/nvme0/nvme0n1"
#define DISK1 OTHER "/nvme/nvme1/nvme1n1"
#define MAPPED "sys/devices/virtual/block/dm-0"
#define HEAD "sys/devices/virtual/nvme-subsystem/nvme-subsys0"

static void make_block(Tree *tree, const char *syspath, unsigned number_major, unsigned number_minor)
{
    g_autofree char *link = g_strdup_printf("sys/dev/block/%u:%u", number_major, number_minor);

    tree_mkdir(tree, syspath);
    tree_link(tree, link, syspath);
}

static Tree *make_tree(void)
{
    Tree *tree = tree_new();

    make_block(tree, DISK, 259, 0);
    make_block(tree, DISK "/nvme0n1p1", 259, 1);
    tree_write(tree, DISK "/nvme0n1p1/partition", "1\n");
    make_block(tree, DISK1, 259, 2);
    make_block(tree, MAPPED, 253, 0);
    tree_link(tree, MAPPED "/slaves/nvme0n1p1", DISK "/nvme0n1p1");
    tree_link(tree, MAPPED "/slaves/nvme1n1", DISK1);
    make_block(tree, HEAD "/nvme0n2", 259, 3);
    tree_link(tree, HEAD "/nvme0", NVME "/nvme/nvme0");
    tree_mkdir(tree, NVME "/net/eth0");
    tree_link(tree, "sys/class/net/eth0", NVME "/net/eth0");
    tree_link(tree, "sys/bus/pci/devices/0000:00:04.0", NVME);
    tree_write(tree, "proc/1/mountinfo",
               "22 1 259:1 / /srv rw - ext4 /dev/nvme0n1p1 rw\n"
               "23 1 253:0 / /with\\040blank rw shared:1 - xfs /dev/mapper/data rw\n"
               "24 1 0:21 / /proc rw - proc proc rw\n"
               "25 1 259:3 / /over rw - ext4 /dev/nvme0n2 rw\n"
               "26 1 259:2 / /over rw - ext4 /dev/nvme1n1 rw\n"
               "27 1 0:99 / /subvolume rw - btrfs /dev/nvme1n1 rw\n");
    tree_mkdir(tree, "dev");
    return tree;
}

static const struct {
    const char *name;
    const char *paths[3]; /* none: nothing of that name */
} names[] = {
    { "eth0", { NVME "/net/eth0" } },
    { "eth1", { NULL } },
    { "../../class", { NULL } },
    { "", { NULL } },
    { "/sys/bus/pci/devices/0000:00:04.0", { NVME } },
    { "/" NVME, { NVME } },
    { "/srv", { DISK } },
    { "/srv/", { DISK } },
    { "/srv/../srv", { DISK } },
    { "/with blank", { DISK, DISK1 } },
    { "/proc", { NULL } },
    { "/nowhere", { NULL } },
    { "/over", { DISK1 } },
    { "/dev/null0", { NULL } },
};

START_TEST(by_name)
{
    g_autoptr(Tree) tree = make_tree();
    g_auto(GStrv) paths = NULL;
    int r = device_lookup(tree->fd, names[_i].name, &paths);

    ck_assert_int_eq(r, names[_i].paths[0] ? 0 : -ENODEV);
    for (unsigned i = 0; r == 0 && i < G_N_ELEMENTS(names[_i].paths); i++) {
        ck_assert_msg(g_strcmp0(paths[i], names[_i].paths[i]) == 0, "%s is %s", names[_i].name, paths[i]);
        if (!paths[i])
            break;
    }
}
END_TEST

/* Nodes are known by their numbers, whatever their names. */
START_TEST(by_node)
{
    g_autoptr(Tree) tree = make_tree();
    g_auto(GStrv) disk = NULL, head = NULL, subvolume = NULL, in = NULL, out = NULL;

    ck_assert_int_eq(mknodat(tree->fd, "dev/disk", S_IFBLK | 0600, makedev(259, 1)), 0);
    ck_assert_int_eq(mknodat(tree->fd, "dev/head", S_IFBLK | 0600, makedev(259, 3)), 0);
    ck_assert_int_eq(mknodat(tree->fd, "dev/nvme1n1", S_IFBLK | 0600, makedev(259, 2)), 0);
    ck_assert_int_eq(device_lookup(tree->fd, "/dev/disk", &disk), 0);
    ck_assert_str_eq(disk[0], DISK);
    ck_assert_int_eq(device_lookup(tree->fd, "/dev/head", &head), 0);
    /* A link of a caller is not followed out of /dev. */
    ck_assert_int_eq(mknodat(tree->fd, "node", S_IFBLK | 0600, makedev(259, 1)), 0);
    ck_assert_int_eq(symlinkat("../node", tree->fd, "dev/out"), 0);
    ck_assert_int_eq(symlinkat("disk", tree->fd, "dev/in"), 0);
    ck_assert_int_eq(device_lookup(tree->fd, "/dev/out", &out), -ENODEV);
    ck_assert_int_eq(device_lookup(tree->fd, "/dev/in", &in), 0);
    ck_assert_str_eq(in[0], DISK);
    ck_assert_str_eq(head[0], NVME "/nvme/nvme0");
    ck_assert_int_eq(device_lookup(tree->fd, "/subvolume", &subvolume), 0);
    ck_assert_str_eq(subvolume[0], DISK1);
}
END_TEST

/* As udev makes them, and as somebody could. */
static const struct {
    const char *link, *target, *name;
    bool found;
} links[] = {
    { "dev/disk/by-id/one", "../../nvme0n1", "/dev/disk/by-id/one", true },
    { "dev/disk/by-id/one", "../../nvme0n1", "/dev/disk/by-id/../by-id/one", true },
    { "dev/folder", "disk/by-path", "/dev/folder/node", true },
    { "dev/loop", "loop", "/dev/loop", false },
    { "dev/absolute", "/dev/nvme0n1", "/dev/absolute", false },
    { "dev/disk/by-id/out", "../../../node", "/dev/disk/by-id/out", false },
    { "dev/gone", "nvme9n1", "/dev/gone", false },
    { "dev/gone", "nvme9n1", "/dev/nvme0n1/gone", false },
};

START_TEST(by_link)
{
    g_autoptr(Tree) tree = make_tree();
    g_auto(GStrv) paths = NULL;
    int r;

    tree_mkdir(tree, "dev/disk/by-id");
    tree_mkdir(tree, "dev/disk/by-path");
    ck_assert_int_eq(mknodat(tree->fd, "node", S_IFBLK | 0600, makedev(259, 0)), 0);
    ck_assert_int_eq(mknodat(tree->fd, "dev/nvme0n1", S_IFBLK | 0600, makedev(259, 0)), 0);
    ck_assert_int_eq(mknodat(tree->fd, "dev/disk/by-path/node", S_IFBLK | 0600, makedev(259, 0)), 0);
    ck_assert_int_eq(symlinkat(links[_i].target, tree->fd, links[_i].link), 0);
    r = device_lookup(tree->fd, links[_i].name, &paths);
    ck_assert_int_eq(r, links[_i].found ? 0 : -ENODEV);
    if (r == 0)
        ck_assert_str_eq(paths[0], DISK);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("device-lookup");

    tcase_add_loop_test(cases, by_name, 0, G_N_ELEMENTS(names));
    tcase_add_test(cases, by_node);
    tcase_add_loop_test(cases, by_link, 0, G_N_ELEMENTS(links));
    return unit_run("device-lookup", cases);
}
