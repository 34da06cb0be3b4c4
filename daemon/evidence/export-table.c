/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "export-table.h"
#include "sysfs.h"

#define CONFIGFS "sys/kernel/config"

typedef struct Reading {
    int root_fd;
    const BlockTable *blocks;
    ExportTable *table;
} Reading;

static void export_free(Export *export)
{
    g_free(export->object);
    g_free(export);
}

static void note_unread(const Reading *reading, const char *path, const char *reason)
{
    g_ptr_array_add(reading->table->unread, g_strdup_printf("/%s: %s", path, reason));
}

/* Lists a folder of configfs; what is not there or is an attribute holds nothing. The caller frees the list
 * with g_strfreev(). */
static char **list_folder(const Reading *reading, const char *path)
{
    char **names;
    int r;

    r = sysfs_list(reading->root_fd, path, &names);
    if (r >= 0)
        return names;
    if (r != -ENOENT && r != -ENOTDIR)
        note_unread(reading, path, g_strerror(-r));
    return g_new0(char *, 1);
}

/* Reads an attribute without blanks around it; one that is not there is NULL. */
static char *read_attribute(const Reading *reading, const char *folder, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s", folder, name);
    char *text = NULL;
    int r;

    r = sysfs_read(reading->root_fd, path, &text);
    if (r < 0 && r != -ENOENT && r != -ENOTDIR)
        note_unread(reading, path, g_strerror(-r));
    return text ? g_strstrip(text) : NULL;
}

static void add_export(const Reading *reading, const char *object, const DeviceNode *node)
{
    Export *export = g_new0(Export, 1);

    *export = (Export){ .object = g_strdup(object), .node = *node };
    g_ptr_array_add(reading->table->exports, export);
}

/* Adds what PATH, which the attribute SOURCE holds, leads to. */
static void add_path(const Reading *reading, const char *object, const char *source, const char *path)
{
    g_autofree char *reason = NULL;
    DeviceNode node;
    int r;

    r = device_node_find(reading->root_fd, path, &node);
    if (r < 0 && r != -ENOTBLK &&
        block_table_resolve(reading->blocks, reading->root_fd, path, &node.number)) {
        node.block = true;
        r = 0;
    }
    if (r >= 0)
        add_export(reading, object, &node);
    if (r >= 0 || r == -ENOTBLK)
        return;
    reason = g_strdup_printf("it names %s, and that is no device here (%s)", path, g_strerror(-r));
    note_unread(reading, source, reason);
}

/* A namespace or the pass-through of an NVMe target's subsystem. */
static void read_nvmet_node(const Reading *reading, const char *folder, const char *object)
{
    g_autofree char *source = g_strdup_printf("%s/device_path", folder);
    g_autofree char *enable = read_attribute(reading, folder, "enable"), *path = NULL;

    if (!enable || strcmp(enable, "0") == 0)
        return;
    path = read_attribute(reading, folder, "device_path");
    add_path(reading, object, source, path ?: "");
}

static void read_nvmet(const Reading *reading)
{
    g_auto(GStrv) subsystems = list_folder(reading, CONFIGFS "/nvmet/subsystems");

    for (char **nqn = subsystems; *nqn; nqn++) {
        g_autofree char *folder = g_strdup_printf(CONFIGFS "/nvmet/subsystems/%s", *nqn);
        g_autofree char *namespaces = g_strconcat(folder, "/namespaces", NULL);
        g_autofree char *passthru = g_strconcat(folder, "/passthru", NULL);
        g_autofree char *passthru_object = g_strdup_printf("nvmet/%s/passthru", *nqn);
        g_auto(GStrv) ids = list_folder(reading, namespaces);

        read_nvmet_node(reading, passthru, passthru_object);
        for (char **id = ids; *id; id++) {
            g_autofree char *namespace = g_strdup_printf("%s/%s", namespaces, *id);
            g_autofree char *object = g_strdup_printf("nvmet/%s/%s", *nqn, *id);

            read_nvmet_node(reading, namespace, object);
        }
    }
}

/* "...Major: 259 Minor: 0  CLAIMED: IBLOCK" (drivers/target/target_core_iblock.c). */
static bool find_number(const char *info, DeviceNode *ret)
{
    const char *at = info ? strstr(info, "Major: ") : NULL;
    unsigned ma, mi;

    if (!at || sscanf(at, "Major: %u Minor: %u", &ma, &mi) != 2 || ma == 0)
        return false;
    *ret = (DeviceNode){ .block = true, .number = makedev(ma, mi) };
    return true;
}

/* "TCM FILEIO ID: 0        File: /dev/sdb  Size: 1048576  Mode: ..." (drivers/target/target_core_file.c). */
static char *find_file(const char *info)
{
    static const char key[] = "File: ";
    const char *start = info ? strstr(info, key) : NULL, *end;

    if (!start)
        return NULL;
    start += strlen(key);
    end = g_strrstr(start, "  Size: ");
    return end ? g_strndup(start, (gsize) (end - start)) : NULL;
}

/* Kernels whose `enable` can only be written do not tell: it counts as enabled there. */
static bool target_device_is_enabled(const Reading *reading, const char *folder)
{
    g_autofree char *path = g_strconcat(folder, "/enable", NULL), *text = NULL;

    return sysfs_read(reading->root_fd, path, &text) < 0 || strcmp(g_strstrip(text), "0") != 0;
}

static void read_target_device(const Reading *reading, const char *folder, const char *object)
{
    g_autofree char *source = g_strconcat(folder, "/udev_path", NULL);
    g_autofree char *info = read_attribute(reading, folder, "info"), *file = find_file(info);
    g_autofree char *udev_path = read_attribute(reading, folder, "udev_path");
    DeviceNode node;

    if (!info || !target_device_is_enabled(reading, folder)) /* no device, or nothing open */
        return;
    if (find_number(info, &node))
        add_export(reading, object, &node);
    else
        add_path(reading, object, source, file ?: udev_path ?: "");
}

static void read_target(const Reading *reading)
{
    g_auto(GStrv) hbas = list_folder(reading, CONFIGFS "/target/core");

    for (char **hba = hbas; *hba; hba++) {
        g_autofree char *folder = g_strdup_printf(CONFIGFS "/target/core/%s", *hba);
        g_auto(GStrv) names = NULL;

        /* `alua` is always there and is no backend. */
        if (strcmp(*hba, "alua") == 0 || g_str_has_prefix(*hba, "rd_mcp_") ||
            g_str_has_prefix(*hba, "user_"))
            continue;
        names = list_folder(reading, folder);
        for (char **name = names; *name; name++) {
            g_autofree char *device = g_strdup_printf("%s/%s", folder, *name);
            g_autofree char *object = g_strdup_printf("target/%s/%s", *hba, *name);

            read_target_device(reading, device, object);
        }
    }
}

static void read_function(const Reading *reading, const char *folder, const char *object)
{
    g_auto(GStrv) names = list_folder(reading, folder);

    for (char **name = names; *name; name++) {
        g_autofree char *lun = g_strdup_printf("%s/%s", folder, *name);
        g_autofree char *source = g_strconcat(lun, "/file", NULL);
        g_autofree char *lun_object = g_strdup_printf("%s/%s", object, *name), *path = NULL;

        if (!g_str_has_prefix(*name, "lun."))
            continue;
        path = read_attribute(reading, lun, "file");
        if (path && *path)
            add_path(reading, lun_object, source, path);
    }
}

static void read_gadgets(const Reading *reading)
{
    g_auto(GStrv) gadgets = list_folder(reading, CONFIGFS "/usb_gadget");

    for (char **gadget = gadgets; *gadget; gadget++) {
        g_autofree char *folder = g_strdup_printf(CONFIGFS "/usb_gadget/%s/functions", *gadget);
        g_auto(GStrv) functions = list_folder(reading, folder);

        for (char **function = functions; *function; function++) {
            g_autofree char *path = g_strdup_printf("%s/%s", folder, *function);
            g_autofree char *object = g_strdup_printf("usb_gadget/%s/%s", *gadget, *function);

            if (g_str_has_prefix(*function, "mass_storage."))
                read_function(reading, path, object);
        }
    }
}

ExportTable *export_table_read(int root_fd, const BlockTable *blocks)
{
    ExportTable *table = g_new0(ExportTable, 1);
    Reading reading = { .root_fd = root_fd, .blocks = blocks, .table = table };

    table->exports = g_ptr_array_new_with_free_func((GDestroyNotify) export_free);
    table->unread = g_ptr_array_new_with_free_func(g_free);
    read_nvmet(&reading);
    read_target(&reading);
    read_gadgets(&reading);
    return table;
}

void export_table_free(ExportTable *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->exports);
    g_ptr_array_unref(table->unread);
    g_free(table);
}
