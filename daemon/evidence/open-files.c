/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "device-node.h"
#include "open-files.h"
#include "process.h"
#include "sysfs.h"

#define RING_LINK "anon_inode:[io_uring]"

typedef struct Walk {
    int root_fd, proc_fd;
    OpenFiles *files;
} Walk;

static void open_file_free(OpenFile *file)
{
    g_free(file->link);
    g_free(file->syspath);
    g_free(file);
}

/* Terminals and the memory devices (/dev/null, /dev/urandom): nearly every descriptor of a device is one of
 * these, and none belongs to a member of a group (Documentation/admin-guide/devices.txt). */
static bool is_common_device(dev_t number)
{
    unsigned m = major(number);

    return m == 1 || m == 4 || m == 5 || (m >= 136 && m <= 143);
}

static char *read_link_text(int dir_fd, const char *name)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(dir_fd, name, text, sizeof(text));

    return n < 0 ? NULL : g_strndup(text, (size_t) n);
}

/* Returns what stands behind KEY in a file of "KEY: VALUE" lines, without blanks around it; or NULL. */
static const char *find_value(char **lines, const char *key)
{
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, key))
            return g_strstrip(*line + strlen(key));
    return NULL;
}

/* "1: FLOCK  ADVISORY  READ 812 00:06:370 0 EOF" (fs/locks.c, show_fd_locks()). */
static bool has_shared_lock(char **lines)
{
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "lock:") && strstr(*line, " FLOCK ") && strstr(*line, " READ "))
            return true;
    return false;
}

/*
 * What the kernel tells of a descriptor in fdinfo (proc(5)); it names the device of a VFIO descriptor there
 * since Linux 6.18 (drivers/vfio/vfio_main.c, vfio_device_show_fdinfo()). Where it tells nothing the
 * descriptor counts as a common one. Returns false for one that was made with O_PATH.
 */
static bool read_fdinfo(OpenFile *file, int proc_fd, const char *pid, const char *fd)
{
    g_autofree char *path = g_strdup_printf("%s/fdinfo/%s", pid, fd), *text = NULL;
    g_auto(GStrv) lines = NULL;
    const char *flags, *syspath;

    if (sysfs_read(proc_fd, path, &text) < 0)
        return true;
    lines = g_strsplit(text, "\n", -1);
    flags = find_value(lines, "flags:");
    if (flags && strtoul(flags, NULL, 8) & O_PATH)
        return false;
    syspath = find_value(lines, "vfio-device-syspath:");
    if (syspath)
        file->syspath = g_strdup(syspath + (*syspath == '/'));
    file->locks_shared = has_shared_lock(lines);
    return true;
}

/* Only links that can say something about a device: the rest is not kept. */
static bool link_tells(const char *link)
{
    return strstr(link, "vfio") || g_str_has_prefix(link, "/dev/");
}

/* Adds the device that the entry TEXT of a ring names: a path, or the last part of one on older kernels. */
static void add_registered(const Walk *walk, const char *pid, const char *text)
{
    g_autofree char *name = g_strcompress(text);
    g_autofree char *path = *name == '/' ? g_strdup(name) : g_strconcat("/dev/", name, NULL);
    DeviceNode node;
    OpenFile *file;

    if (device_node_find(walk->root_fd, path, &node) < 0)
        return;
    file = g_new0(OpenFile, 1);
    *file = (OpenFile){
        .pid = (pid_t) strtol(pid, NULL, 10), .is_device = true, .block = node.block, .number = node.number
    };
    g_ptr_array_add(walk->files->files, file);
}

/* A file that is registered with an io_uring stays open when its descriptor is closed: "UserFiles: 2" and a
 * line "    0: /dev/nvme0n1" for each (io_uring/fdinfo.c, which escapes blanks). */
static void add_ring(const Walk *walk, const char *pid, const char *fd)
{
    g_autofree char *path = g_strdup_printf("%s/fdinfo/%s", pid, fd), *text = NULL;
    g_auto(GStrv) lines = NULL;
    bool files = false;

    if (sysfs_read(walk->proc_fd, path, &text) < 0)
        return;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *colon = strchr(*line, ':');

        if (**line != ' ')
            files = g_str_has_prefix(*line, "UserFiles:");
        else if (files && colon && colon[1] == ' ')
            add_registered(walk, pid, colon + 2);
    }
}

/* Takes over LINK. */
static void add_file(const Walk *walk, const char *pid, const char *fd, const struct statx *st, char *link)
{
    bool is_device = S_ISBLK(st->stx_mode) || S_ISCHR(st->stx_mode);
    OpenFile *file = g_new0(OpenFile, 1);

    *file = (OpenFile){
        .pid = (pid_t) strtol(pid, NULL, 10),
        .is_device = is_device,
        .block = is_device && S_ISBLK(st->stx_mode),
        .number = is_device ? makedev(st->stx_rdev_major, st->stx_rdev_minor) : 0,
        .link = link,
    };
    if (link && !read_fdinfo(file, walk->proc_fd, pid, fd))
        open_file_free(file);
    else
        g_ptr_array_add(walk->files->files, file);
}

/* Returns -errno if the descriptors of this process cannot be read; one that is gone is no error. */
static int read_descriptor(const Walk *walk, int dir_fd, const char *pid, const char *fd)
{
    g_autofree char *link = NULL;
    struct statx st = {};
    bool is_device = false;

    if (statx(dir_fd, fd, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0) {
        if (errno == EACCES || errno == EPERM)
            return -errno;
        st = (struct statx){};
    } else {
        is_device = S_ISBLK(st.stx_mode) || S_ISCHR(st.stx_mode);
        if (!is_device && (st.stx_mode & S_IFMT) != 0) /* anonymous inodes have no type */
            return 0;
    }
    if (!is_device || !is_common_device(makedev(st.stx_rdev_major, st.stx_rdev_minor))) {
        link = read_link_text(dir_fd, fd);
        if (!is_device && g_strcmp0(link, RING_LINK) == 0)
            add_ring(walk, pid, fd);
        if (!is_device && (!link || !link_tells(link)))
            return 0;
    }
    add_file(walk, pid, fd, &st, g_steal_pointer(&link));
    return 0;
}

/* Reads the descriptors of PID ("812" or "812/task/813"). Returns 1 if it has any, 0 if not, or -errno. */
static int read_descriptors(const Walk *walk, const char *pid)
{
    g_autofree char *path = g_strdup_printf("%s/fd", pid);
    g_autoptr(DIR) dir = NULL;
    bool any = false;
    int fd, r;

    fd = sysfs_open_dir(walk->proc_fd, path);
    if (fd < 0)
        return fd;
    dir = fdopendir(fd);
    if (!dir) {
        r = -errno;
        safe_close(fd);
        return r;
    }
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return errno ? -errno : any;
        if (entry->d_name[0] == '.')
            continue;
        any = true;
        r = read_descriptor(walk, dirfd(dir), pid, entry->d_name);
        if (r < 0)
            return r;
    }
}

/* A process that shows nothing may have lost its first thread only. */
static int read_process(const Walk *walk, const char *pid)
{
    g_auto(GStrv) threads = NULL;
    int r;

    r = read_descriptors(walk, pid);
    if (r != 0)
        return r;
    r = process_other_threads(walk->proc_fd, pid, &threads);
    for (char **thread = threads; r >= 0 && *thread; thread++) {
        r = read_descriptors(walk, *thread);
        if (r > 0) /* the others share the table */
            return 0;
        if (process_has_ended(r))
            r = 0;
    }
    return r;
}

int open_files_read(int root_fd, OpenFiles **ret)
{
    g_autoptr(OpenFiles) files = g_new0(OpenFiles, 1);
    _cleanup_close_ int proc_fd = -EBADF;
    g_auto(GStrv) names = NULL;
    Walk walk = { .root_fd = root_fd, .files = files };
    int r;

    files->files = g_ptr_array_new_with_free_func((GDestroyNotify) open_file_free);
    proc_fd = sysfs_open_dir(root_fd, "proc");
    if (proc_fd < 0)
        return proc_fd;
    walk.proc_fd = proc_fd;
    r = process_names(proc_fd, &names);
    if (r < 0)
        return r;

    for (char **name = names; *name; name++) {
        r = read_process(&walk, *name);
        if (r < 0 && !process_has_ended(r)) {
            files->n_unreadable++;
            files->error = files->error ?: r;
        }
    }
    *ret = g_steal_pointer(&files);
    return 0;
}

void open_files_free(OpenFiles *files)
{
    if (!files)
        return;
    g_clear_pointer(&files->files, g_ptr_array_unref);
    g_free(files);
}

GArray *open_files_holders(const OpenFiles *files, dev_t number, bool block, pid_t except)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

    for (unsigned i = 0; i < files->files->len; i++) {
        const OpenFile *file = g_ptr_array_index(files->files, i);

        if (file->is_device && file->block == block && file->number == number && file->pid != except)
            process_list_add(pids, file->pid);
    }
    return pids;
}

GArray *open_files_lockers(const OpenFiles *files, dev_t number)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

    for (unsigned i = 0; i < files->files->len; i++) {
        const OpenFile *file = g_ptr_array_index(files->files, i);

        if (file->locks_shared && file->block && file->number == number)
            process_list_add(pids, file->pid);
    }
    return pids;
}
