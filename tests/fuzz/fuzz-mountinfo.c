/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /proc/1/mountinfo: as the mounts of the system, and as what leads from a mount point to its device. */

#include "device-lookup.h"
#include "fuzz.h"
#include "mount-table.h"

#define DISK "sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1"

static int make_process(void)
{
    Tree *tree = fuzz_tree();

    tree_link(tree, "proc/1/ns/mnt", "proc/1/ns/one");
    tree_link(tree, "proc/1/root", "proc");
    tree_mkdir(tree, "proc/1/task/1");
    tree_mkdir(tree, DISK);
    tree_link(tree, "sys/dev/block/259:0", DISK);
    tree_mkdir(tree, "dev");
    return fuzz_file("proc/1/mountinfo");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const points[] = { "/", "/srv", "/a b" };
    g_autoptr(MountTable) table = NULL;
    static int fd = -1;

    if (fd < 0)
        fd = make_process();
    fuzz_fill(fd, data, size);
    if (mount_table_read(fuzz_tree()->fd, &table) >= 0)
        for (unsigned i = 0; i < table->mounts->len; i++) {
            const Mount *mount = table->mounts->pdata[i];

            g_assert_true(mount->source && mount->target && mount->type);
            g_assert_true(mount->of_init && mount->pid == 1);
        }
    for (size_t i = 0; i < G_N_ELEMENTS(points); i++) {
        g_auto(GStrv) paths = NULL;

        if (device_lookup(fuzz_tree()->fd, points[i], &paths) >= 0)
            g_assert_cmpstr(paths[0], ==, DISK);
    }
    return 0;
}
