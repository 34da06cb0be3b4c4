/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "descendant.h"
#include "sysfs.h"

#define NVME_SUBSYSTEMS "sys/devices/virtual/nvme-subsystem"
#define DEPTH_MAX 48

/* What a directory below a device holds that matters here. */
typedef struct Entries {
    bool uevent, subsystem, driver, dev, partition;
    bool are_interfaces; /* which have any name that somebody gives them: "power", "queue" */
    GPtrArray *directories;
    GPtrArray *consumers;
} Entries;

static void descendant_free(Descendant *descendant)
{
    g_free(descendant->path);
    g_free(descendant->subsystem);
    g_free(descendant->driver);
    g_strfreev(descendant->consumers);
    g_free(descendant);
}

/* Directories of attributes, which hold no devices but up to hundreds of files. */
static bool holds_attributes_only(const char *name)
{
    static const char *const names[] = { "power",  "queue",      "mq",    "msi_irqs",
                                         "queues", "statistics", "trace", NULL };

    return g_strv_contains(names, name);
}

static bool is_directory(int dir_fd, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISDIR(st.st_mode);
}

static void take_entry(Entries *entries, int dir_fd, const struct dirent *entry)
{
    const char *name = entry->d_name;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    entries->uevent |= strcmp(name, "uevent") == 0;
    entries->subsystem |= strcmp(name, "subsystem") == 0;
    entries->driver |= strcmp(name, "driver") == 0;
    entries->dev |= strcmp(name, "dev") == 0;
    entries->partition |= strcmp(name, "partition") == 0;
    if (g_str_has_prefix(name, "consumer:"))
        g_ptr_array_add(entries->consumers, g_strdup(name));
    if ((entries->are_interfaces || !holds_attributes_only(name)) && is_directory(dir_fd, entry))
        g_ptr_array_add(entries->directories, g_strdup(name));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Takes over FD. */
static int read_entries(int fd, Entries *entries)
{
    g_autoptr(DIR) dir = fdopendir(fd);

    if (!dir) {
        int r = -errno;

        safe_close(fd);
        return r;
    }
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry)
            break;
        take_entry(entries, fd, entry);
    }
    if (errno)
        return -errno;
    g_ptr_array_sort(entries->directories, compare_names);
    g_ptr_array_sort(entries->consumers, compare_names);
    return 0;
}

static int read_number(int dir_fd, dev_t *ret)
{
    g_autofree char *text = NULL;
    unsigned ma, mi;
    int r;

    r = sysfs_read(dir_fd, "dev", &text);
    if (r < 0)
        return r;
    if (sscanf(text, "%u:%u", &ma, &mi) != 2)
        return -EBADMSG;
    *ret = makedev(ma, mi);
    return 0;
}

/* Returns NULL for none. */
static char **copy_names(const GPtrArray *names)
{
    char **copy = names->len > 0 ? g_new0(char *, names->len + 1) : NULL;

    for (unsigned i = 0; i < names->len; i++)
        copy[i] = g_strdup(g_ptr_array_index(names, i));
    return copy;
}

static int read_descendant(int dir_fd, const char *path, const Entries *entries, Descendant **ret)
{
    Descendant *descendant;
    g_autofree char *subsystem = NULL, *driver = NULL;
    dev_t number = 0;
    int r;

    if (entries->subsystem) {
        r = sysfs_link_name(dir_fd, "subsystem", &subsystem);
        if (r < 0)
            return r;
    }
    if (entries->driver) {
        r = sysfs_link_name(dir_fd, "driver", &driver);
        if (r < 0 && r != -ENOENT && r != -EINVAL) /* unbound meanwhile, or an attribute of that name */
            return r;
    }
    if (entries->dev) {
        r = read_number(dir_fd, &number);
        if (r < 0)
            return r;
    }
    descendant = g_new0(Descendant, 1);
    *descendant = (Descendant){
        .path = g_strdup(path),
        .subsystem = g_steal_pointer(&subsystem),
        .driver = g_steal_pointer(&driver),
        .number = number,
        .partition = entries->partition,
        .consumers = copy_names(entries->consumers),
    };
    descendant->name = strrchr(descendant->path, '/') + 1;
    *ret = descendant;
    return 0;
}

/* Links are never followed: they lead out of the device. */
static int walk(int parent_fd, const char *name, const char *path, unsigned depth, GPtrArray *list)
{
    g_autoptr(GPtrArray) directories = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) consumers = g_ptr_array_new_with_free_func(g_free);
    Entries entries = { .are_interfaces = g_str_has_suffix(path, "/net"),
                        .directories = directories,
                        .consumers = consumers };
    _cleanup_close_ int fd = -EBADF;
    Descendant *descendant;
    int r;

    if (depth > DEPTH_MAX)
        return -ELOOP;
    fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = read_entries(fcntl(fd, F_DUPFD_CLOEXEC, 3), &entries);
    if (r < 0)
        return r;
    if (depth > 0 && entries.uevent) {
        r = read_descendant(fd, path, &entries, &descendant);
        if (r < 0)
            return r;
        g_ptr_array_add(list, descendant);
    }
    for (unsigned i = 0; i < directories->len; i++) {
        const char *child = g_ptr_array_index(directories, i);
        g_autofree char *child_path = g_strdup_printf("%s/%s", path, child);

        r = walk(fd, child, child_path, depth + 1, list);
        if (r < 0 && r != -ENOENT && r != -ENODEV) /* those two: it vanished */
            return r;
    }
    return 0;
}

/* The subsystem's directory holds a link for each of its controllers and, beside them, the heads. */
static int add_nvme_heads(int root_fd, GPtrArray *list)
{
    g_auto(GStrv) subsystems = NULL;
    unsigned n = list->len;
    int r;

    if (!descendants_have(list, "nvme"))
        return 0;
    r = sysfs_list(root_fd, NVME_SUBSYSTEMS, &subsystems);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    for (char **subsystem = subsystems; *subsystem; subsystem++)
        for (unsigned i = 0; i < n; i++) {
            const Descendant *controller = g_ptr_array_index(list, i);
            g_autofree char *path = g_strdup_printf(NVME_SUBSYSTEMS "/%s", *subsystem);
            g_autofree char *link = g_strdup_printf("%s/%s", path, controller->name);
            g_autofree char *target = NULL;

            if (!descendant_is(controller, "nvme") || sysfs_read_link(root_fd, link, &target) < 0)
                continue;
            r = walk(root_fd, path, path, 1, list);
            if (r < 0 && r != -ENOENT)
                return r;
            break;
        }
    return 0;
}

int descendants_read(int root_fd, const char *syspath, GPtrArray **ret)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify) descendant_free);
    int r;

    r = walk(root_fd, syspath, syspath, 0, list);
    if (r == -ENOENT)
        return -ENODEV;
    if (r < 0)
        return r;
    r = add_nvme_heads(root_fd, list);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&list);
    return 0;
}

bool descendant_is(const Descendant *descendant, const char *subsystem)
{
    return descendant->subsystem && strcmp(descendant->subsystem, subsystem) == 0;
}

bool descendant_is_disk_node(const Descendant *descendant)
{
    return descendant_is(descendant, "block") && descendant->number != 0;
}

bool descendants_have(const GPtrArray *descendants, const char *subsystem)
{
    for (unsigned i = 0; i < descendants->len; i++)
        if (descendant_is(g_ptr_array_index(descendants, i), subsystem))
            return true;
    return false;
}
