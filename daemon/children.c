/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "children.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "sysfs.h"

#define CLASS_BLOCK "sys/class/block"
#define CLASS_NET "sys/class/net"

void child_free(Child *child)
{
    if (!child)
        return;
    g_free(child->name);
    g_free(child->identity);
    g_free(child);
}

/* The links of sys/class read "../../devices/pci0000:00/...": what follows the dots is comparable with a
 * syspath. */
static bool link_is_below(const char *link, const char *syspath)
{
    const char *device = strstr(link, "/devices/");
    const char *path = strchr(syspath, '/');
    size_t length;

    if (!device || !path)
        return false;
    length = strlen(path);
    return strncmp(device, path, length) == 0 && device[length] == '/';
}

/* A partition's directory lies in that of its disk: .../block/sda/sda1, .../nvme0/nvme0n1/nvme0n1p1. */
static bool is_partition(int root_fd, const char *name)
{
    g_autofree char *path = g_strdup_printf(CLASS_BLOCK "/%s/partition", name);
    g_autofree char *number = NULL;

    return sysfs_read(root_fd, path, &number) >= 0;
}

static bool interface_is_up(int root_fd, const char *name)
{
    g_autofree char *path = g_strdup_printf(CLASS_NET "/%s/flags", name);
    uint64_t flags;

    return sysfs_read_u64(root_fd, path, 16, &flags) >= 0 && flags & IFF_UP;
}

static int read_class(int root_fd, bool net, const char *syspath, GPtrArray *children)
{
    const char *class = net ? CLASS_NET : CLASS_BLOCK;
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, class, &names);
    if (r == -ENOENT)
        return 0; /* a kernel without the class has none of it */
    if (r < 0)
        return r;

    for (char **name = names; *name; name++) {
        g_autofree char *path = g_strdup_printf("%s/%s", class, *name);
        g_autofree char *link = NULL;
        Child *child;

        r = sysfs_read_link(root_fd, path, &link);
        if (r == -ENOENT || r == -EINVAL)
            continue; /* gone since it was listed; bonding_masters is a file */
        if (r < 0)
            return r;
        if (!link_is_below(link, syspath) || (!net && is_partition(root_fd, *name)))
            continue;
        child = g_new0(Child, 1);
        child->name = g_strdup(*name);
        child->net = net;
        child->up = net && interface_is_up(root_fd, *name);
        g_ptr_array_add(children, child);
    }
    return 0;
}

int children_read(int root_fd, const char *syspath, GPtrArray **ret)
{
    g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func((GDestroyNotify) child_free);
    int r;

    r = read_class(root_fd, false, syspath, children);
    if (r < 0)
        return r;
    r = read_class(root_fd, true, syspath, children);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&children);
    return 0;
}

static guint count(const GPtrArray *children, bool net)
{
    guint n = 0;

    for (guint i = 0; i < children->len; i++)
        n += ((const Child *) g_ptr_array_index(children, i))->net == net;
    return n;
}

bool children_have(const GPtrArray *children, bool net)
{
    return count(children, net) > 0;
}

bool children_are_back(const GPtrArray *before, const GPtrArray *now)
{
    return count(now, false) >= count(before, false) && count(now, true) >= count(before, true);
}

static const Child *find(const GPtrArray *children, const Child *wanted)
{
    for (guint i = 0; i < children->len; i++) {
        const Child *child = g_ptr_array_index(children, i);

        if (child->net == wanted->net && g_str_equal(child->name, wanted->name))
            return child;
    }
    return NULL;
}

bool children_have_names(const GPtrArray *before, const GPtrArray *now)
{
    for (guint i = 0; i < before->len; i++) {
        const Child *child = g_ptr_array_index(before, i);

        if (child->net && !find(now, child))
            return false;
    }
    return true;
}

/* --- who is who */

static char *read_first(int root_fd, const char *class, const char *name, const char *const *attributes)
{
    for (; *attributes; attributes++) {
        g_autofree char *path = g_strdup_printf("%s/%s/%s", class, name, *attributes);
        g_autofree char *text = NULL;

        if (sysfs_read(root_fd, path, &text) >= 0 && *g_strstrip(text))
            return g_steal_pointer(&text);
    }
    return NULL;
}

/* NVMe and virtio disks have the attribute themselves, SCSI disks at their device. A controller's serial number
 * would be that of all its disks. */
static char *read_identity(int root_fd, const Child *child)
{
    static const char *const of_disk[] = { "wwid", "device/wwid", "serial", NULL };
    static const char *const address[] = { "address", NULL }, *const port[] = { "dev_port", NULL };
    g_autofree char *address_text = NULL, *port_text = NULL;

    if (!child->net)
        return read_first(root_fd, CLASS_BLOCK, child->name, of_disk);
    address_text = read_first(root_fd, CLASS_NET, child->name, address);
    port_text = read_first(root_fd, CLASS_NET, child->name, port);
    return address_text ? g_strdup_printf("%s port %s", address_text, port_text ?: "0") : NULL;
}

void children_identify(int root_fd, GPtrArray *children)
{
    for (guint i = 0; i < children->len; i++) {
        Child *child = g_ptr_array_index(children, i);

        if (!child->identity)
            child->identity = read_identity(root_fd, child);
    }
}

typedef bool (*ChildTest)(const Child *old, const Child *new);

static bool is_same_child(const Child *old, const Child *new)
{
    return old->net == new->net && old->identity && g_strcmp0(old->identity, new->identity) == 0;
}

/* An interface loses an address that somebody had given it, such as a bond. */
static bool may_be_same(const Child *old, const Child *new)
{
    return old->net == new->net && (old->net || !old->identity || !new->identity);
}

static bool has_same_name(const Child *old, const Child *new)
{
    return may_be_same(old, new) && g_str_equal(old->name, new->name);
}

/* Two that have the same identity (a dual-ported card with one address) are told apart by their order. */
static void match_by(const GPtrArray *before, GPtrArray *left, GPtrArray *matches, ChildTest test)
{
    for (guint i = 0; i < before->len; i++) {
        for (guint j = 0; j < left->len && !matches->pdata[i]; j++) {
            if (!test(g_ptr_array_index(before, i), g_ptr_array_index(left, j)))
                continue;
            matches->pdata[i] = g_ptr_array_steal_index(left, j);
        }
    }
}

GPtrArray *children_match(const GPtrArray *before, const GPtrArray *now)
{
    g_autoptr(GPtrArray) left = g_ptr_array_sized_new(now->len);
    GPtrArray *matches = g_ptr_array_new();

    for (guint i = 0; i < now->len; i++)
        g_ptr_array_add(left, now->pdata[i]);
    g_ptr_array_set_size(matches, (int) before->len);
    match_by(before, left, matches, is_same_child);
    match_by(before, left, matches, has_same_name);
    match_by(before, left, matches, may_be_same);
    return matches;
}

void children_compare(const GPtrArray *before, const GPtrArray *matches, GPtrArray *notes)
{
    for (guint i = 0; i < before->len; i++) {
        const Child *old = g_ptr_array_index(before, i), *new = g_ptr_array_index(matches, i);
        const char *kind = old->net ? "interface" : "disk";

        if (!new)
            g_ptr_array_add(notes, g_strdup_printf("%s %s has not come back", kind, old->name));
        else if (!g_str_equal(new->name, old->name))
            g_ptr_array_add(notes, g_strdup_printf("%s %s came back as %s", kind, old->name, new->name));
        if (new && old->up && !new->up)
            g_ptr_array_add(notes, g_strdup_printf("interface %s was up and is down", new->name));
    }
}
