/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "block-table.h"
#include "cleanup.h"
#include "device-node.h"
#include "sysfs.h"

typedef struct libmnt_table LibmountTable;
typedef struct libmnt_iter LibmountIterator;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibmountTable, mnt_unref_table)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibmountIterator, mnt_free_iter)

static void block_device_free(BlockDevice *device)
{
    g_free(device->name);
    g_free(device->title);
    g_free(device->parent);
    g_free(device->backing);
    g_free(device);
}

static void btrfs_devices_free(BtrfsDevices *btrfs)
{
    g_free(btrfs->uuid);
    g_strfreev(btrfs->names);
    g_free(btrfs);
}

static void note_unread(BlockTable *table, const char *path, int error)
{
    if (!table->unread)
        table->unread = g_strdup_printf("/%s: %s", path, g_strerror(-error));
}

static bool is_absent(int error)
{
    return error == -ENOENT || error == -ENODEV;
}

/* The disk of a partition is the directory above it. */
static char *read_parent(int root_fd, const char *base)
{
    g_autofree char *partition = g_strdup_printf("%s/partition", base), *link = NULL, *disk = NULL;
    uint64_t number;

    if (sysfs_read_u64(root_fd, partition, 10, &number) < 0 || sysfs_read_link(root_fd, base, &link) < 0)
        return NULL;
    disk = g_path_get_dirname(link);
    return g_path_get_basename(disk);
}

static char *read_optional(BlockTable *table, int root_fd, const char *base, const char *attribute)
{
    g_autofree char *path = g_strdup_printf("%s/%s", base, attribute);
    char *text = NULL;
    int r;

    r = sysfs_read(root_fd, path, &text);
    if (r < 0 && !is_absent(r))
        note_unread(table, path, r);
    return text;
}

static bool parse_number(const char *text, dev_t *ret)
{
    unsigned ma, mi;

    if (sscanf(text, "%u:%u", &ma, &mi) != 2)
        return false;
    *ret = makedev(ma, mi);
    return true;
}

/* What a loop device or a zram device writes to; the latter says "none" (drivers/block/zram/zram_drv.c,
 * backing_dev_show()). The kernel marks a path whose node was removed. */
static char *read_backing(BlockTable *table, int root_fd, const char *base, const char *name)
{
    static const char deleted[] = " (deleted)";
    char *path = NULL;

    if (g_str_has_prefix(name, "loop"))
        path = read_optional(table, root_fd, base, "loop/backing_file");
    else if (g_str_has_prefix(name, "zram"))
        path = read_optional(table, root_fd, base, "backing_dev");
    if (path && *path != '/')
        g_clear_pointer(&path, g_free);
    if (path && g_str_has_suffix(path, deleted))
        path[strlen(path) - strlen(deleted)] = '\0';
    return path;
}

static void read_device(BlockTable *table, int root_fd, const char *name)
{
    g_autofree char *base = g_strdup_printf("sys/class/block/%s", name), *text = NULL;
    BlockDevice *device;
    dev_t number;

    text = read_optional(table, root_fd, base, "dev");
    if (!text) /* hidden, or gone */
        return;
    if (!parse_number(text, &number)) {
        note_unread(table, base, -EBADMSG);
        return;
    }
    device = g_new0(BlockDevice, 1);
    *device = (BlockDevice){
        .name = g_strdup(name),
        .title = g_str_has_prefix(name, "dm-") ? read_optional(table, root_fd, base, "dm/name") : NULL,
        .parent = read_parent(root_fd, base),
        .backing = read_backing(table, root_fd, base, name),
        .number = number,
    };
    if (!device->title)
        device->title = g_strdup(name);
    g_ptr_array_add(table->devices, device);
}

static void read_devices(BlockTable *table, int root_fd)
{
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, "sys/class/block", &names);
    if (r < 0) {
        note_unread(table, "sys/class/block", r);
        return;
    }
    for (char **name = names; *name; name++)
        read_device(table, root_fd, *name);
    for (unsigned i = 0; i < table->devices->len; i++) {
        BlockDevice *device = g_ptr_array_index(table->devices, i);

        if (device->backing)
            (void) block_table_resolve(table, root_fd, device->backing, &device->lower);
    }
}

static void read_btrfs(BlockTable *table, int root_fd)
{
    g_auto(GStrv) uuids = NULL;
    int r;

    r = sysfs_list(root_fd, "sys/fs/btrfs", &uuids);
    if (r < 0) {
        if (!is_absent(r))
            note_unread(table, "sys/fs/btrfs", r);
        return;
    }
    for (char **uuid = uuids; *uuid; uuid++) {
        g_autofree char *path = g_strdup_printf("sys/fs/btrfs/%s/devices", *uuid);
        BtrfsDevices *btrfs;
        char **names;

        r = sysfs_list(root_fd, path, &names);
        if (r < 0) {
            if (!is_absent(r) && r != -ENOTDIR) /* `features` and `debug` lie there too */
                note_unread(table, path, r);
            continue;
        }
        btrfs = g_new0(BtrfsDevices, 1);
        *btrfs = (BtrfsDevices){ .uuid = g_strdup(*uuid), .names = names };
        g_ptr_array_add(table->btrfs, btrfs);
    }
}

static int refuse_bad_line(LibmountTable *table, const char *name, int line)
{
    return -EBADMSG;
}

static void add_swap(BlockTable *table, int root_fd, struct libmnt_fs *fs)
{
    const char *source = mnt_fs_get_source(fs);
    dev_t number;

    if (g_strcmp0(mnt_fs_get_swaptype(fs), "file") == 0)
        return;
    if (!source || !block_table_resolve(table, root_fd, source, &number)) {
        note_unread(table, "proc/swaps", -ENODEV);
        return;
    }
    g_array_append_val(table->swaps, number);
}

static int parse_swaps(BlockTable *table, int root_fd, FILE *file)
{
    g_autoptr(LibmountTable) swaps = mnt_new_table();
    g_autoptr(LibmountIterator) iterator = mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *fs;
    int r;

    if (!swaps || !iterator)
        return -ENOMEM;
    (void) mnt_table_set_parser_errcb(swaps, refuse_bad_line);
    r = mnt_table_parse_stream(swaps, file, "proc/swaps");
    if (r != 0)
        return r < 0 ? r : -EBADMSG;
    if (ferror(file))
        return -EIO;
    while (mnt_table_next_fs(swaps, iterator, &fs) == 0)
        add_swap(table, root_fd, fs);
    return 0;
}

static void read_swaps(BlockTable *table, int root_fd)
{
    g_autoptr(FILE) file = NULL;
    int fd, r;

    fd = openat(root_fd, "proc/swaps", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        if (errno != ENOENT) /* a kernel without swap */
            note_unread(table, "proc/swaps", -errno);
        return;
    }
    file = fdopen(fd, "re");
    if (!file) {
        note_unread(table, "proc/swaps", -errno);
        safe_close(fd);
        return;
    }
    r = parse_swaps(table, root_fd, file);
    if (r < 0)
        note_unread(table, "proc/swaps", r);
}

static void read_resume(BlockTable *table, int root_fd)
{
    g_autofree char *text = read_optional(table, root_fd, "sys/power", "resume");

    if (text && !parse_number(text, &table->resume))
        note_unread(table, "sys/power/resume", -EBADMSG);
}

BlockTable *block_table_read(int root_fd)
{
    BlockTable *table = g_new0(BlockTable, 1);

    table->devices = g_ptr_array_new_with_free_func((GDestroyNotify) block_device_free);
    table->btrfs = g_ptr_array_new_with_free_func((GDestroyNotify) btrfs_devices_free);
    table->swaps = g_array_new(FALSE, FALSE, sizeof(dev_t));
    read_devices(table, root_fd);
    read_btrfs(table, root_fd);
    read_swaps(table, root_fd);
    read_resume(table, root_fd);
    return table;
}

void block_table_free(BlockTable *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->devices);
    g_ptr_array_unref(table->btrfs);
    g_array_unref(table->swaps);
    g_free(table->unread);
    g_free(table);
}

const BlockDevice *block_table_find(const BlockTable *table, const char *name)
{
    for (unsigned i = 0; i < table->devices->len; i++) {
        const BlockDevice *device = g_ptr_array_index(table->devices, i);

        if (strcmp(device->name, name) == 0)
            return device;
    }
    return NULL;
}

/* A name proves something in /dev only; and at the root of nothing, where a path from another mount
 * namespace begins (fs/d_path.c). */
static bool may_go_by_name(const char *path)
{
    return g_str_has_prefix(path, "/dev/") || (*path == '/' && !strchr(path + 1, '/'));
}

bool block_table_resolve(const BlockTable *table, int root_fd, const char *path, dev_t *ret)
{
    g_autofree char *name = NULL;
    DeviceNode node;
    int r;

    r = device_node_find(root_fd, path, &node);
    if (r >= 0 && node.block)
        *ret = node.number;
    if (r >= 0 || r == -ENOTBLK || !may_go_by_name(path))
        return r >= 0 && node.block;
    name = device_node_name(root_fd, path);
    for (unsigned i = 0; i < table->devices->len; i++) {
        const BlockDevice *device = g_ptr_array_index(table->devices, i);

        if (strcmp(device->name, name) == 0 || strcmp(device->title, name) == 0) {
            *ret = device->number;
            return true;
        }
    }
    return false;
}

GPtrArray *block_table_partitions(const BlockTable *table, const char *disk)
{
    GPtrArray *list = g_ptr_array_new();

    for (unsigned i = 0; i < table->devices->len; i++) {
        BlockDevice *device = g_ptr_array_index(table->devices, i);

        if (g_strcmp0(device->parent, disk) == 0)
            g_ptr_array_add(list, device);
    }
    return list;
}

GPtrArray *block_table_holders(const BlockTable *table, int root_fd, const char *name)
{
    g_autofree char *path = g_strdup_printf("sys/class/block/%s/holders", name);
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    const BlockDevice *self = block_table_find(table, name);
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, path, &names);
    if (r < 0)
        return NULL;
    for (char **holder = names; *holder; holder++) {
        const BlockDevice *device = block_table_find(table, *holder);

        if (!device)
            return NULL;
        g_ptr_array_add(list, (gpointer) device);
    }
    for (unsigned i = 0; self && i < table->devices->len; i++) {
        BlockDevice *device = g_ptr_array_index(table->devices, i);

        if (device->lower != 0 && device->lower == self->number)
            g_ptr_array_add(list, device);
    }
    return g_steal_pointer(&list);
}

const BtrfsDevices *block_table_find_btrfs(const BlockTable *table, const char *name)
{
    for (unsigned i = 0; i < table->btrfs->len; i++) {
        const BtrfsDevices *btrfs = g_ptr_array_index(table->btrfs, i);

        if (g_strv_contains((const char *const *) btrfs->names, name))
            return btrfs;
    }
    return NULL;
}

/* A mount without a device number of its own is on the device that it names as its source. */
bool block_table_mount_is_on(const BlockTable *table, int root_fd, const Mount *mount, const char *name,
                             dev_t number)
{
    g_autofree char *base = NULL;
    dev_t source;

    if (major(mount->number) != 0)
        return mount->number == number;
    if (block_table_resolve(table, root_fd, mount->source, &source))
        return source == number;
    base = g_path_get_basename(mount->source);
    return strcmp(base, name) == 0;
}
