/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tells which block devices are used, in this order with lines "--" between: /proc/swaps,
 * /sys/power/resume, and of dm-0 `dev` and `dm/name`, of loop0 `loop/backing_file`. */
#include <string.h>

#include "block-table.h"
#include "fuzz.h"

static const char *const files[] = {
    "proc/swaps",
    "sys/power/resume",
    "sys/devices/virtual/block/dm-0/dev",
    "sys/devices/virtual/block/dm-0/dm/name",
    "sys/devices/virtual/block/loop0/loop/backing_file",
};

static void make_devices(int fds[static G_N_ELEMENTS(files)])
{
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        fds[i] = fuzz_file(files[i]);
    tree_write(fuzz_tree(), "sys/devices/virtual/block/loop0/dev", "7:0\n");
    tree_mkdir(fuzz_tree(), "sys/devices/virtual/block/dm-0/holders");
    tree_mkdir(fuzz_tree(), "sys/devices/virtual/block/loop0/holders");
    tree_link(fuzz_tree(), "sys/class/block/dm-0", "sys/devices/virtual/block/dm-0");
    tree_link(fuzz_tree(), "sys/class/block/loop0", "sys/devices/virtual/block/loop0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(BlockTable) table = NULL;
    static int fds[G_N_ELEMENTS(files)];
    Input input = { data, size };
    dev_t number;

    if (fds[0] == 0)
        make_devices(fds);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = input_text(&input);

        fuzz_fill(fds[i], text, strlen(text));
    }
    table = block_table_read(fuzz_tree()->fd);
    for (unsigned i = 0; i < table->devices->len; i++) {
        const BlockDevice *device = table->devices->pdata[i];
        g_autoptr(GPtrArray) holders = block_table_holders(table, fuzz_tree()->fd, device->name);

        g_assert_true(device->name && device->title);
        g_assert_nonnull(holders);
        g_assert_true(block_table_find(table, device->name) == device);
    }
    (void) block_table_resolve(table, fuzz_tree()->fd, "/dev/mapper/vg0-srv", &number);
    return 0;
}
