/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cleanup.h"
#include "device.h"
#include "group.h"
#include "tree.h"

/*
 * Reading every group's members with their early keys, against the least that can be done for the same ids:
 * a walk of openat(), read() and readlinkat() that keeps nothing. Both run by turns over a thousand devices
 * on a tmpfs, pinned to one CPU.
 */

#define N_DEVICES 1000u
#define ROUNDS 31u
#define LIMIT 1.5

static Tree *make_tree(void)
{
    Tree *tree = tree_new();

    for (unsigned bus = 0; bus * 8 < N_DEVICES; bus++) {
        g_autofree char *port = g_strdup_printf("0000:00:%02x.%u", bus / 8, bus % 8),
                        *parent = g_strconcat("pci0000:00/", port, NULL);

        g_free(tree_add_device(tree, &(TreeDevice){ .name = port,
                                                    .vendor = 0x8086,
                                                    .device = 0x3420,
                                                    .class_code = 0x060400,
                                                    .driver = "pcieport",
                                                    .group = -1 }));
        for (unsigned i = 0; i < 8 && bus * 8 + i < N_DEVICES; i++) {
            g_autofree char *name = g_strdup_printf("0000:%02x:00.%u", bus + 1, i);

            g_free(tree_add_device(tree, &(TreeDevice){ .name = name,
                                                        .parent = parent,
                                                        .vendor = 0x144d,
                                                        .device = 0xa808,
                                                        .subsystem_vendor = 0x144d,
                                                        .subsystem_device = 0xa801,
                                                        .class_code = 0x010802,
                                                        .driver = "nvme",
                                                        .group = (int) (bus * 8 + i),
                                                        .iommu = "dmar0" }));
        }
    }
    return tree;
}

static size_t raw_read(int dir_fd, const char *name)
{
    char buffer[4096];
    _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));

    return n < 0 ? 0 : (size_t) n;
}

/* Seven reads and one readlink for each member of each group. */
static size_t raw_walk(int root_fd)
{
    static const char *const names[] = { "vendor", "device",   "subsystem_vendor", "subsystem_device",
                                         "class",  "modalias", "dma_mask_bits" };
    _cleanup_close_ int groups_fd =
        openat(root_fd, "sys/kernel/iommu_groups", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(DIR) groups = fdopendir(dup(groups_fd));
    size_t n_devices = 0;

    for (struct dirent *group; (group = readdir(groups));) {
        g_autoptr(DIR) members = NULL;
        char path[PATH_MAX];
        int members_fd;

        if (group->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/devices", group->d_name);
        members_fd = openat(groups_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        members = fdopendir(members_fd);
        for (struct dirent *member; (member = readdir(members));) {
            _cleanup_close_ int fd = -EBADF;

            if (member->d_name[0] == '.')
                continue;
            fd = openat(members_fd, member->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
            for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (raw_read(fd, names[i]) == 0)
                    abort();
            if (readlinkat(fd, "driver", path, sizeof(path)) <= 0)
                abort();
            n_devices++;
        }
    }
    return n_devices;
}

static size_t our_walk(int root_fd)
{
    g_autoptr(GArray) ids = NULL;
    size_t n_devices = 0;

    if (group_list(root_fd, &ids) < 0)
        abort();
    for (guint i = 0; i < ids->len; i++) {
        g_auto(GStrv) members = NULL;

        if (group_list_members(root_fd, g_array_index(ids, unsigned, i), &members) < 0)
            abort();
        for (char **member = members; *member; member++) {
            g_autoptr(Device) device = NULL;

            if (device_read(root_fd, *member, NULL, &device) < 0 || device->facts->vendor != 0x144d)
                abort();
            n_devices++;
        }
    }
    return n_devices;
}

static double measure(size_t (*walk)(int), int root_fd)
{
    double start = bench_cpu();

    if (walk(root_fd) != N_DEVICES)
        abort();
    return (bench_cpu() - start) / N_DEVICES;
}

int main(void)
{
    g_autoptr(Tree) tree = NULL;
    double raw[ROUNDS], ours[ROUNDS];
    BenchRow row = { .what = "scan, per device", .limit = "1.5 x the floor", .floor_is = "raw walk",
                     .unit = "us CPU" };

    (void) setenv("TMPDIR", "/dev/shm", 0);
    bench_pin();
    tree = make_tree();
    for (unsigned i = 0; i < ROUNDS; i++) {
        raw[i] = measure(raw_walk, tree->fd);
        ours[i] = measure(our_walk, tree->fd);
    }
    row.floor = bench_median(raw, ROUNDS);
    row.ours = bench_median(ours, ROUNDS);
    row.most = LIMIT * row.floor;
    return bench_print(&row);
}
