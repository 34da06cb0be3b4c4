/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "sysfs.h"

/* Device mapper on md on multipath on disks, and some more. */
#define DEPTH_MAX 8
/* udev's links lead to nodes, one link each; people's may lead to udev's. */
#define LINKS_MAX 8

static int add_block(int root_fd, const char *syspath, unsigned depth, GPtrArray *paths);

/* sys/dev/block/8:0 and the like: links to the device's folder. */
static int path_of_number(int root_fd, dev_t number, bool block, char **ret)
{
    g_autofree char *link =
        g_strdup_printf("sys/dev/%s/%u:%u", block ? "block" : "char", major(number), minor(number));

    return sysfs_link_target(root_fd, link, ret);
}

static int add_linked(int root_fd, const char *folder, const char *name, unsigned depth, GPtrArray *paths)
{
    g_autofree char *link = g_strdup_printf("%s/%s", folder, name), *target = NULL;
    int r = sysfs_link_target(root_fd, link, &target);

    return r < 0 ? r : add_block(root_fd, target, depth, paths);
}

static void add_slaves(int root_fd, const char *syspath, unsigned depth, GPtrArray *paths)
{
    g_autofree char *folder = g_strdup_printf("%s/slaves", syspath);
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, folder, &names) < 0)
        return;
    for (char **name = names; *name; name++)
        (void) add_linked(root_fd, folder, *name, depth + 1, paths);
}

/* The head of an NVMe with multipath belongs to its subsystem, whose folder links to the controllers. */
static void add_controllers(int root_fd, const char *syspath, unsigned depth, GPtrArray *paths)
{
    g_autofree char *folder = NULL;
    g_auto(GStrv) names = NULL;
    const char *subsystem = strstr(syspath, "/nvme-subsystem/");
    const char *end = subsystem ? strchr(subsystem + strlen("/nvme-subsystem/"), '/') : NULL;

    if (!end)
        return;
    folder = g_strndup(syspath, (gsize) (end - syspath));
    if (sysfs_list(root_fd, folder, &names) < 0)
        return;
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, "nvme") && g_ascii_isdigit((*name)[4]) && !strchr(*name + 4, 'n'))
            (void) add_linked(root_fd, folder, *name, depth + 1, paths);
}

static int add_block(int root_fd, const char *syspath, unsigned depth, GPtrArray *paths)
{
    guint before = paths->len;
    g_autofree char *partition = g_strdup_printf("%s/partition", syspath);
    g_autofree char *disk = faccessat(root_fd, partition, F_OK, 0) < 0 ? g_strdup(syspath)
                                                                      : g_path_get_dirname(syspath);

    if (depth > DEPTH_MAX)
        return -ELOOP;
    add_slaves(root_fd, disk, depth, paths);
    add_controllers(root_fd, disk, depth, paths);
    if (paths->len == before)
        g_ptr_array_add(paths, g_strdup(disk));
    return 0;
}

/*
 * Follows PATH, below the folder DEV_FD of the file system DEV, to its end or to its first link. Returns 0
 * with *ret of what is there; 1 with *ret_path, where the link leads; -EXDEV if it enters another file
 * system; -EINVAL if the link leads out of the folder; -errno.
 */
static int follow(int dev_fd, dev_t dev, const char *path, struct stat *ret, char **ret_path)
{
    const char *end = path;

    do {
        g_autofree char *part = NULL, *target = NULL;
        int r;

        end += strspn(end, "/");
        end += strcspn(end, "/");
        part = g_strndup(path, (gsize) (end - path));
        if (fstatat(dev_fd, part, ret, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
            return -errno;
        if (ret->st_dev != dev)
            return -EXDEV;
        if (S_ISLNK(ret->st_mode)) {
            r = sysfs_link_target(dev_fd, part, &target);
            if (r < 0)
                return r;
            *ret_path = g_strconcat(target, end, NULL);
            return 1;
        }
    } while (*end != '\0');
    return 0;
}

/*
 * NAME is a caller's, and callers can have links and mounts of their own below /dev/shm: nothing is followed
 * out of /dev, into another file system that may not answer. Step by step, as openat2(2), which could be
 * told so, fails with ENOSYS under the RestrictSUIDSGID= of our unit.
 */
static int stat_node(int root_fd, const char *name, struct stat *ret)
{
    g_autofree char *path = g_strdup(name);
    _cleanup_close_ int dev_fd = -EBADF;
    struct stat dev;

    dev_fd = openat(root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dev_fd < 0 || fstat(dev_fd, &dev) < 0)
        return -errno;
    for (unsigned links = 0; links <= LINKS_MAX; links++) {
        char *target = NULL;
        int r = follow(dev_fd, dev.st_dev, path, ret, &target);

        if (r <= 0)
            return r;
        g_free(path);
        path = target;
    }
    return -ELOOP;
}

/* PATH is "dev/..." */
static int add_node(int root_fd, const char *path, GPtrArray *paths)
{
    g_autofree char *syspath = NULL;
    struct stat st;
    int r;

    if (stat_node(root_fd, path + strlen("dev/"), &st) < 0)
        return -ENODEV;
    if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
        return -ENODEV;
    r = path_of_number(root_fd, st.st_rdev, S_ISBLK(st.st_mode), &syspath);
    if (r < 0)
        return -ENODEV;
    if (S_ISBLK(st.st_mode))
        return add_block(root_fd, syspath, 0, paths);
    g_ptr_array_add(paths, g_steal_pointer(&syspath));
    return 0;
}

static int add_sysfs(int root_fd, const char *path, GPtrArray *paths)
{
    g_autofree char *target = NULL;

    if (sysfs_link_target(root_fd, path, &target) >= 0)
        g_ptr_array_add(paths, g_steal_pointer(&target));
    else
        g_ptr_array_add(paths, g_strdup(path));
    return 0;
}

static int add_interface(int root_fd, const char *name, GPtrArray *paths)
{
    g_autofree char *link = g_strdup_printf("sys/class/net/%s", name), *target = NULL;
    int r = sysfs_link_target(root_fd, link, &target);

    if (r < 0)
        return -ENODEV;
    g_ptr_array_add(paths, g_steal_pointer(&target));
    return 0;
}

/* proc_pid_mountinfo(5): id, parent, major:minor, root, mount point with \040 and the like, ..., " - ",
 * type, source. */
static int add_mount_line(int root_fd, const char *line, const char *mount_point, GPtrArray *paths)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 6);
    const char *separator = strstr(line, " - ");
    g_autofree char *point = NULL, *syspath = NULL, *source = NULL;
    unsigned major_number, minor_number;

    if (g_strv_length(words) < 6 || !separator)
        return -ENODEV;
    point = g_strcompress(words[4]);
    if (!g_str_equal(point, mount_point) || sscanf(words[2], "%u:%u", &major_number, &minor_number) != 2)
        return -ENODEV;
    if (path_of_number(root_fd, makedev(major_number, minor_number), true, &syspath) >= 0)
        return add_block(root_fd, syspath, 0, paths);
    /* btrfs and others show a number of their own; the source is the second word after the separator. */
    separator = strchr(separator + 3, ' ');
    source = separator ? g_strndup(separator + 1, strcspn(separator + 1, " ")) : NULL;
    return source && g_str_has_prefix(source, "/dev/") ? add_node(root_fd, source + 1, paths) : -ENODEV;
}

static int add_mount_point(int root_fd, const char *mount_point, GPtrArray *paths)
{
    g_autofree char *line = NULL;
    g_autoptr(FILE) file = NULL;
    size_t size = 0;
    ssize_t length;
    int fd, r = -ENODEV;

    fd = openat(root_fd, "proc/1/mountinfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -ENODEV;
    file = fdopen(fd, "re");
    if (!file) {
        (void) safe_close(fd);
        return -ENOMEM;
    }
    /* The last one of that name is the one that is seen. */
    while ((length = getline(&line, &size, file)) > 0) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();

        line[length - 1] = '\0';
        if (add_mount_line(root_fd, line, mount_point, found) < 0)
            continue;
        g_ptr_array_set_size(paths, 0);
        g_ptr_array_extend_and_steal(paths, g_steal_pointer(&found));
        r = 0;
    }
    return r;
}

int device_lookup(int root_fd, const char *name, char ***ret)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *clean = g_canonicalize_filename(name, "/");
    int r;

    if (*name != '/')
        r = strchr(name, '/') ? -ENODEV : add_interface(root_fd, name, paths);
    else if (g_str_has_prefix(clean, "/sys/"))
        r = add_sysfs(root_fd, clean + 1, paths);
    else if (g_str_has_prefix(clean, "/dev/"))
        r = add_node(root_fd, clean + 1, paths);
    else
        r = -ENODEV;
    if (r < 0 && *name == '/')
        r = add_mount_point(root_fd, clean, paths);
    if (r < 0 || paths->len == 0)
        return -ENODEV;
    g_ptr_array_set_free_func(paths, NULL);
    g_ptr_array_add(paths, NULL);
    *ret = (char **) g_ptr_array_free(g_steal_pointer(&paths), FALSE);
    return 0;
}
