/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cleanup.h"
#include "device.h"
#include "group.h"
#include "raw-walk.h"
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
