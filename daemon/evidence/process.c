/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "escape.h"
#include "sysfs.h"

/* "." and ".." and one thread (fs/proc/base.c, proc_task_getattr()). Nearly all that show nothing, kernel
 * threads and zombies, need not be listed. */
#define LINKS_OF_ONE_THREAD 3

#define PROCESSES_NAMED_MAX 8

int process_names(int proc_fd, char ***ret)
{
    g_autoptr(GPtrArray) pids = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(proc_fd, ".", &names);
    if (r < 0)
        return r;
    for (char **name = names; *name; name++)
        if (g_ascii_isdigit(**name))
            g_ptr_array_add(pids, g_strdup(*name));
    g_ptr_array_add(pids, NULL);
    *ret = (char **) g_ptr_array_free(g_steal_pointer(&pids), FALSE);
    return 0;
}

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

pid_t process_parent(int root_fd, pid_t pid)
{
    static const char key[] = "\nPPid:";
    g_autofree char *path = g_strdup_printf("proc/%d/status", (int) pid), *text = NULL;
    const char *parent;

    if (sysfs_read(root_fd, path, &text) < 0)
        return 0;
    parent = strstr(text, key);
    return parent ? (pid_t) strtol(parent + strlen(key), NULL, 10) : 0;
}

void process_list_add(GArray *pids, pid_t pid)
{
    for (unsigned i = 0; i < pids->len; i++)
        if (g_array_index(pids, pid_t, i) == pid)
            return;
    g_array_append_val(pids, pid);
}

char *process_list_to_string(int root_fd, const GArray *pids)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < MIN(pids->len, PROCESSES_NAMED_MAX); i++) {
        pid_t pid = g_array_index(pids, pid_t, i);
        g_autofree char *path = g_strdup_printf("proc/%d/comm", (int) pid), *command = NULL,
                        *printable = NULL;

        if (sysfs_read(root_fd, path, &command) >= 0)
            printable = printable_text(command);
        g_string_append_printf(text, "%spid %d (%s)", i > 0 ? ", " : "", (int) pid, printable ?: "ended");
    }
    if (pids->len > PROCESSES_NAMED_MAX)
        g_string_append_printf(text, " and %u more", pids->len - PROCESSES_NAMED_MAX);
    return g_string_free(text, FALSE);
}
