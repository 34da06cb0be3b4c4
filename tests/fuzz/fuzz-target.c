/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a person types to name a group: read by the client, looked up by the daemon. Whatever it is, what is
 * found is a path of the tree. */
#include <string.h>

#include "device-lookup.h"
#include "fuzz.h"

#include "target.c"

#define DEVICE "sys/devices/pci0000:00/0000:00:04.0"

static void make_scenery(void)
{
    Tree *tree = fuzz_tree();

    tree_mkdir(tree, DEVICE "/net/eth0");
    tree_mkdir(tree, DEVICE "/nvme/nvme0/nvme0n1");
    tree_link(tree, "sys/class/net/eth0", DEVICE "/net/eth0");
    tree_link(tree, "sys/bus/pci/devices/0000:00:04.0", DEVICE);
    tree_link(tree, "sys/dev/block/259:0", DEVICE "/nvme/nvme0/nvme0n1");
    tree_mkdir(tree, "dev/disk");
    tree_link(tree, "dev/loop", "dev/loop");
    tree_write(tree, "proc/1/mountinfo",
               "22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n"
               "23 22 0:30 / /a\\040b rw - btrfs /dev/disk/x rw\n");
}

static void check_lookup(const char *name)
{
    g_auto(GStrv) paths = NULL;

    if (device_lookup(fuzz_tree()->fd, name, &paths) < 0)
        return;
    g_assert_nonnull(paths[0]);
    for (char **path = paths; *path; path++) {
        g_assert_true(g_str_has_prefix(*path, "sys/"));
        g_assert_null(strstr(*path, "/../"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = { data, size };
    g_autofree char *text = input_line(&input), *name = NULL, *again = NULL;
    guint32 group = 0;
    static bool ready;

    if (!ready)
        make_scenery();
    ready = true;
    switch (target_parse(text, &group, &name)) {
    case TARGET_GROUP:
        g_assert_null(name);
        again = g_strdup_printf("%u", group);
        g_assert_true(g_str_has_suffix(text, again));
        break;
    case TARGET_DEVICE:
        g_assert_true(g_str_has_suffix(name, text));
        check_lookup(name);
        break;
    case TARGET_INVALID:
        g_assert_null(name);
        break;
    }
    return 0;
}
