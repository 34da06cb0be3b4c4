/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "mount-table.h"
#include "process.h"
#include "sysfs.h"

typedef struct libmnt_table LibmountTable;
typedef struct libmnt_iter LibmountIterator;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibmountTable, mnt_unref_table)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibmountIterator, mnt_free_iter)

static void mount_free(Mount *mount)
{
    g_free(mount->source);
    g_free(mount->target);
    g_free(mount->type);
    g_free(mount);
}

static void network_mount_free(NetworkMount *mount)
{
    g_free(mount->address);
    g_free(mount->target);
    g_free(mount);
}

/* libmount skips a line that it does not understand; a mount that we do not understand must not pass for
 * none. */
static int refuse_bad_line(LibmountTable *table, const char *name, int line)
{
    return -EBADMSG;
}

static void add_network_mount(MountTable *table, GHashTable *seen, struct libmnt_fs *fs)
{
    const char *target = mnt_fs_get_target(fs) ?: "";
    NetworkMount *mount;
    char *address, *key;
    size_t n;

    if (mnt_fs_get_option(fs, "addr", &address, &n) != 0 || !address)
        return;
    key = g_strdup_printf("addr=%.*s %s", (int) n, address, target);
    if (!g_hash_table_add(seen, key))
        return;
    mount = g_new0(NetworkMount, 1);
    *mount = (NetworkMount){ .address = g_strndup(address, n), .target = g_strdup(target) };
    g_ptr_array_add(table->network, mount);
}

static void add_mount(MountTable *table, GHashTable *seen, struct libmnt_fs *fs, pid_t pid)
{
    const char *source = mnt_fs_get_source(fs) ?: "", *target = mnt_fs_get_target(fs) ?: "";
    dev_t number = mnt_fs_get_devno(fs);
    Mount *mount;
    char *key;

    if (major(number) == 0 && !g_str_has_prefix(source, "/dev/"))
        return;
    key = g_strdup_printf("%u:%u %s\n%s", major(number), minor(number), source, target);
    if (!g_hash_table_add(seen, key))
        return;
    mount = g_new0(Mount, 1);
    *mount = (Mount){
        .number = number,
        .source = g_strdup(source),
        .target = g_strdup(target),
        .type = g_strdup(mnt_fs_get_fstype(fs) ?: ""),
        .pid = pid,
        .of_init = pid == 1,
    };
    g_ptr_array_add(table->mounts, mount);
}

static int read_mountinfo(MountTable *table, GHashTable *seen, int proc_fd, const char *pid)
{
    g_autofree char *path = g_strdup_printf("%s/mountinfo", pid);
    g_autoptr(LibmountTable) mounts = mnt_new_table();
    g_autoptr(LibmountIterator) iterator = mnt_new_iter(MNT_ITER_FORWARD);
    g_autoptr(FILE) file = NULL;
    struct libmnt_fs *fs;
    int fd, r;

    if (!mounts || !iterator)
        return -ENOMEM;
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    file = fdopen(fd, "re");
    if (!file) {
        r = -errno;
        safe_close(fd);
        return r;
    }
    (void) mnt_table_set_parser_errcb(mounts, refuse_bad_line);
    errno = 0;
    r = mnt_table_parse_stream(mounts, file, path);
    if (r != 0)
        return r < 0 ? r : -EBADMSG;
    if (ferror(file))
        return errno ? -errno : -EIO;
    while (mnt_table_next_fs(mounts, iterator, &fs) == 0) {
        add_network_mount(table, seen, fs);
        add_mount(table, seen, fs, (pid_t) strtol(pid, NULL, 10));
    }
    return 0;
}

/* A process's view of mounts: its namespace and its root directory. Returns -errno if it may not be known.
 */
static int read_view(int proc_fd, const char *pid, char **ret)
{
    g_autofree char *ns_path = g_strdup_printf("%s/ns/mnt", pid),
                    *root_path = g_strdup_printf("%s/root", pid);
    g_autofree char *ns = NULL, *root = NULL;
    int r;

    r = sysfs_read_link(proc_fd, ns_path, &ns);
    if (r < 0)
        return r;
    r = sysfs_read_link(proc_fd, root_path, &root);
    if (r < 0)
        return r;
    *ret = g_strdup_printf("%s %s", ns, root);
    return 0;
}

/* A process that is about to end leaves its namespaces first; reading its mounts then fails in several ways
 * (fs/proc_namespace.c, mounts_open_common(): EINVAL), and the namespace has no name any more. */
static bool has_left(int proc_fd, const char *pid)
{
    g_autofree char *view = NULL;

    return process_has_ended(read_view(proc_fd, pid, &view));
}

/* Reads what PID ("812" or "812/task/813") sees, unless it is known. Returns 1 if PID has ended. */
static int read_thread(MountTable *table, GHashTable *views, GHashTable *seen, int proc_fd, const char *pid)
{
    g_autofree char *view = NULL;
    int r;

    r = read_view(proc_fd, pid, &view);
    if (r < 0)
        return process_has_ended(r) ? 1 : r;
    if (g_hash_table_contains(views, view))
        return 0;
    r = read_mountinfo(table, seen, proc_fd, pid);
    if (r < 0)
        return has_left(proc_fd, pid) ? 1 : r;
    g_hash_table_add(views, g_steal_pointer(&view));
    return 0;
}

static int read_process(MountTable *table, GHashTable *views, GHashTable *seen, int proc_fd, const char *pid)
{
    g_auto(GStrv) threads = NULL;
    int r;

    r = read_thread(table, views, seen, proc_fd, pid);
    if (r <= 0)
        return r;
    r = process_other_threads(proc_fd, pid, &threads);
    if (r < 0)
        return process_has_ended(r) ? 0 : r;
    for (char **thread = threads; *thread; thread++) {
        r = read_thread(table, views, seen, proc_fd, *thread);
        if (r <= 0) /* the others share the view */
            return r;
    }
    return 0;
}

static int read_init(MountTable *table, GHashTable *views, GHashTable *seen, int proc_fd)
{
    g_autofree char *view = NULL;
    int r;

    r = read_mountinfo(table, seen, proc_fd, "1");
    if (r < 0)
        return r;
    if (read_view(proc_fd, "1", &view) >= 0)
        g_hash_table_add(views, g_steal_pointer(&view));
    return 0;
}

int mount_table_read(int root_fd, MountTable **ret)
{
    g_autoptr(GHashTable) views = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(MountTable) table = g_new0(MountTable, 1);
    g_autoptr(GPtrArray) failed = g_ptr_array_new(); /* of names */
    _cleanup_close_ int proc_fd = -EBADF;
    g_auto(GStrv) names = NULL;
    int r;

    table->mounts = g_ptr_array_new_with_free_func((GDestroyNotify) mount_free);
    table->network = g_ptr_array_new_with_free_func((GDestroyNotify) network_mount_free);
    proc_fd = sysfs_open_dir(root_fd, "proc");
    if (proc_fd < 0)
        return proc_fd;
    r = process_names(proc_fd, &names);
    if (r < 0)
        return r;
    r = read_init(table, views, seen, proc_fd);
    if (r < 0)
        return r;

    for (char **name = names; *name; name++)
        if (read_process(table, views, seen, proc_fd, *name) < 0)
            g_ptr_array_add(failed, *name);
    /* One that was just ending has left by now, and what cannot be read at all fails again. */
    for (guint i = 0; i < failed->len; i++) {
        r = read_process(table, views, seen, proc_fd, failed->pdata[i]);
        if (r < 0) {
            table->n_unreadable++;
            table->error = table->error ?: r;
        }
    }
    *ret = g_steal_pointer(&table);
    return 0;
}

void mount_table_free(MountTable *table)
{
    if (!table)
        return;
    g_clear_pointer(&table->mounts, g_ptr_array_unref);
    g_clear_pointer(&table->network, g_ptr_array_unref);
    g_free(table);
}
