/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "children.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "sysfs.h"

void child_free(Child *child)
{
    if (!child)
        return;
    g_free(child->name);
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
    g_autofree char *path = g_strdup_printf("sys/class/block/%s/partition", name);
    g_autofree char *number = NULL;

    return sysfs_read(root_fd, path, &number) >= 0;
}

static bool interface_is_up(int root_fd, const char *name)
{
    g_autofree char *path = g_strdup_printf("sys/class/net/%s/flags", name);
    uint64_t flags;

    return sysfs_read_u64(root_fd, path, 16, &flags) >= 0 && flags & IFF_UP;
}

static int read_class(int root_fd, bool net, const char *syspath, GPtrArray *children)
{
    const char *class = net ? "sys/class/net" : "sys/class/block";
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

/* The next of NOW from *POSITION on that is of the kind of WANTED and was not there before: taken for
 * WANTED's new name. */
static const Child *next_new(const GPtrArray *before, const GPtrArray *now, const Child *wanted,
                             guint *position)
{
    for (; *position < now->len; (*position)++) {
        const Child *child = g_ptr_array_index(now, *position);

        if (child->net == wanted->net && !find(before, child)) {
            (*position)++;
            return child;
        }
    }
    return NULL;
}

void children_compare(const GPtrArray *before, const GPtrArray *now, GPtrArray *notes)
{
    guint position[2] = { 0, 0 };

    for (guint i = 0; i < before->len; i++) {
        const Child *old = g_ptr_array_index(before, i);
        const char *kind = old->net ? "interface" : "disk";
        const Child *new = find(now, old);

        if (!new) {
            new = next_new(before, now, old, &position[old->net]);
            g_ptr_array_add(notes, new ? g_strdup_printf("%s %s came back as %s", kind, old->name, new->name)
                                       : g_strdup_printf("%s %s has not come back", kind, old->name));
        }
        if (new && old->up && !new->up)
            g_ptr_array_add(notes, g_strdup_printf("interface %s was up and is down", new->name));
    }
}
