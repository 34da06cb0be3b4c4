/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-threads.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfs.h"

/* "." and ".." and one thread (fs/proc/base.c, proc_task_getattr()). Nearly all that show nothing, kernel
 * threads and zombies, need not be listed. */
#define LINKS_OF_ONE_THREAD 3

int process_other_threads(int proc_fd, const char *pid, char ***ret)
{
    g_autofree char *path = g_strdup_printf("%s/task", pid);
    g_autoptr(GPtrArray) threads = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) names = NULL;
    struct stat st;
    int r;

    if (fstatat(proc_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (st.st_nlink != LINKS_OF_ONE_THREAD) {
        r = sysfs_list(proc_fd, path, &names);
        if (r < 0)
            return r;
    }
    for (char **name = names; name && *name; name++)
        if (strcmp(*name, pid) != 0)
            g_ptr_array_add(threads, g_strdup_printf("%s/%s", path, *name));
    g_ptr_array_add(threads, NULL);
    *ret = (char **) g_ptr_array_free(g_steal_pointer(&threads), FALSE);
    return 0;
}

bool process_has_ended(int error)
{
    return error == -ENOENT || error == -ESRCH;
}
