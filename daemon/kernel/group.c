/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "group.h"
#include "sysfs.h"

#define GROUPS "sys/kernel/iommu_groups"

/* drivers/vfio/group.c, vfio_noiommu_group_alloc() */
#define NOIOMMU_NAME "vfio-noiommu"

/* The longest word of `type` is "unmanaged". */
#define TYPE_WORD_MAX 32

static int compare_ids(const void *a, const void *b)
{
    unsigned x = *(const unsigned *) a, y = *(const unsigned *) b;

    return x < y ? -1 : x > y;
}

/* Room for the path of an attribute of a group. */
#define PATH_SIZE 64

/* Not from the heap: each group is looked at several times at every boot and after every uevent. */
static const char *group_path(char path[static PATH_SIZE], unsigned id, const char *name)
{
    char *end = decimal_write(stpcpy(path, GROUPS "/"), id);

    *end++ = '/';
    g_assert(strlen(name) < PATH_SIZE - (size_t) (end - path));
    (void) strcpy(end, name);
    return path;
}

int group_list(int root_fd, GArray **ret)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(unsigned));
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, GROUPS, &names);
    if (r < 0 && r != -ENOENT)
        return r;
    for (char **name = names; name && *name; name++) {
        guint64 id;

        if (g_ascii_string_to_unsigned(*name, 10, 0, INT_MAX, &id, NULL)) {
            unsigned number = (unsigned) id;

            g_array_append_val(ids, number);
        }
    }
    g_array_sort(ids, compare_ids);
    *ret = g_steal_pointer(&ids);
    return 0;
}

GArray *group_ids_of(GHashTable *by_id)
{
    GArray *ids = g_array_sized_new(FALSE, FALSE, sizeof(unsigned), g_hash_table_size(by_id));
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, by_id);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        unsigned id = GPOINTER_TO_UINT(key);

        g_array_append_val(ids, id);
    }
    g_array_sort(ids, compare_ids);
    return ids;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

int group_list_members(int root_fd, unsigned id, char ***ret_syspaths)
{
    g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func(g_free);
    char path[PATH_SIZE];
    const char *folder = group_path(path, id, "devices");
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, folder, &names);
    if (r < 0)
        return r;
    for (char **name = names; *name; name++) {
        g_autofree char *link = g_strconcat(folder, "/", *name, NULL), *target = NULL;

        r = sysfs_link_target(root_fd, link, &target);
        if (r == -ENOENT) /* it left the group since the folder was read */
            continue;
        if (r < 0)
            return r;
        if (!g_str_has_prefix(target, "sys/devices/"))
            return -EBADMSG;
        g_ptr_array_add(members, g_steal_pointer(&target));
    }
    if (members->len > 1)
        qsort(members->pdata, members->len, sizeof(char *), compare_paths);
    g_ptr_array_add(members, NULL);
    *ret_syspaths = (char **) g_ptr_array_free(g_steal_pointer(&members), FALSE);
    return 0;
}

/*
 * Reads an attribute of group ID. A group that goes away between open and read answers ENODEV
 * (fs/kernfs/file.c).
 */
static int read_attribute(int root_fd, unsigned id, const char *name, char **ret)
{
    char path[PATH_SIZE];
    int r;

    r = sysfs_read(root_fd, group_path(path, id, name), ret);
    return r == -ENODEV ? -ENOENT : r;
}

int group_parse_type(const char *text, DomainType *ret)
{
    DomainType type = domain_type_from_string(text);

    if (type < 0 || type == DOMAIN_TYPE_AUTO)
        return -EBADMSG;
    *ret = type;
    return 0;
}

static int take_type(ssize_t size, const char *text, DomainType *ret)
{
    if (size < 0)
        return size == -ENODEV ? -ENOENT : size == -EFBIG ? -EBADMSG : (int) size;
    return group_parse_type(text, ret);
}

int group_read_open_type(int type_fd, DomainType *ret)
{
    char text[TYPE_WORD_MAX];

    return take_type(sysfs_read_fd(type_fd, text, sizeof(text)), text, ret);
}

int group_read_type(int root_fd, unsigned id, DomainType *ret)
{
    char path[PATH_SIZE], text[TYPE_WORD_MAX];

    group_path(path, id, "type");
    return take_type(sysfs_read_buffer(root_fd, path, text, sizeof(text)), text, ret);
}

/* Takes "0x" and hexadecimal digits followed by one blank. */
static bool take_address(const char **p, uint64_t *ret)
{
    char *end;

    if (!g_str_has_prefix(*p, "0x") || !g_ascii_isxdigit((*p)[2]))
        return false;
    errno = 0;
    *ret = strtoull(*p, &end, 16);
    if (errno != 0 || *end != ' ')
        return false;
    *p = end + 1;
    return true;
}

static bool parse_region(const char *line, ReservedRegion *ret)
{
    ReservedRegion region = {};
    size_t length;

    if (!take_address(&line, &region.start) || !take_address(&line, &region.end) ||
        region.start > region.end)
        return false;
    length = strspn(line, "abcdefghijklmnopqrstuvwxyz-");
    if (length == 0 || line[length] != '\0' || length >= sizeof(region.type))
        return false;
    memcpy(region.type, line, length);
    *ret = region;
    return true;
}

int group_parse_reserved_regions(const char *text, GArray **ret)
{
    g_autoptr(GArray) regions = g_array_new(FALSE, TRUE, sizeof(ReservedRegion));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        ReservedRegion region;

        if (!parse_region(*line, &region))
            return -EBADMSG;
        g_array_append_val(regions, region);
    }
    *ret = g_steal_pointer(&regions);
    return 0;
}

int group_read_reserved_regions(int root_fd, unsigned id, GArray **ret)
{
    g_autofree char *text = NULL;
    int r;

    r = read_attribute(root_fd, id, "reserved_regions", &text);
    if (r < 0)
        return r;
    return group_parse_reserved_regions(text, ret);
}

bool group_has_direct_region(const GArray *regions)
{
    for (guint i = 0; regions && i < regions->len; i++)
        if (g_str_equal(g_array_index(regions, ReservedRegion, i).type, "direct"))
            return true;
    return false;
}

int group_read_name(int root_fd, unsigned id, char **ret)
{
    return read_attribute(root_fd, id, "name", ret);
}

char *group_explain_unsupported(DomainType type, const char *name, const char *family)
{
    const char *why;

    if (g_strcmp0(name, NOIOMMU_NAME) == 0)
        return g_strdup("VFIO uses its devices without an IOMMU (" NOIOMMU_NAME "): nothing translates "
                        "their DMA");
    if (domain_type_is_switchable(type))
        return NULL;
    if (type == DOMAIN_TYPE_BLOCKED)
        why = "the kernel lets its devices do no DMA at all";
    else if (type == DOMAIN_TYPE_UNMANAGED)
        why = "a part of the kernel that is no driver maps its DMA";
    else if (g_strcmp0(family, "ppc64") == 0)
        why = "on PowerPC the platform translates each group by tables of its own (TCE), and Linux offers "
              "no other type";
    else
        why = "it has no default domain, or one of a kind that Linux does not let anybody choose";
    return g_strdup_printf("its type reads %s: %s",
                           domain_type_to_string(type) ?: "a word that is not known", why);
}

int group_open_type(int root_fd, unsigned id)
{
    char path[PATH_SIZE];

    return sysfs_open_read_write(root_fd, group_path(path, id, "type"));
}

int group_write_type(int type_fd, DomainType type)
{
    const char *word = domain_type_to_string(type);
    DomainType now;
    int r;

    if (!word || type < 0 || type > DOMAIN_TYPE_AUTO)
        return -EINVAL;
    r = group_read_open_type(type_fd, &now);
    if (r < 0)
        return r == -ENOENT ? -ENODEV : r == -EBADMSG ? -ENOTSUP : r;
    if (!domain_type_is_switchable(now))
        return -ENOTSUP;
    return sysfs_write_fd(type_fd, word);
}
