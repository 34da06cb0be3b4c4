/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "cleanup.h"
#include "network-namespace.h"
#include "process.h"
#include "sysfs.h"

#define NAMES_MAX 8

static char *read_namespace(int proc_fd, const char *pid)
{
    g_autofree char *path = g_strdup_printf("%s/ns/net", pid);
    char *text;

    return sysfs_read_link(proc_fd, path, &text) < 0 ? NULL : text;
}

/* One process of each namespace but that of process 1. */
static GArray *find_processes(int root_fd)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    _cleanup_close_ int proc_fd = sysfs_open_dir(root_fd, "proc");
    g_auto(GStrv) names = NULL;
    char *own;

    if (proc_fd < 0 || process_names(proc_fd, &names) < 0)
        return pids;
    own = read_namespace(proc_fd, "1");
    if (!own)
        return pids;
    g_hash_table_add(seen, own);
    for (char **name = names; *name; name++) {
        char *namespace = read_namespace(proc_fd, *name);

        if (namespace && g_hash_table_add(seen, namespace))
            process_list_add(pids, (pid_t) strtol(*name, NULL, 10));
    }
    return pids;
}

char *network_namespaces_to_string(int root_fd)
{
    g_autoptr(GArray) pids = find_processes(root_fd);
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, "run/netns", &names) >= 0)
        for (unsigned i = 0; names[i] && i < NAMES_MAX; i++)
            g_string_append_printf(text, "%s/run/netns/%s", text->len > 0 ? ", " : "", names[i]);
    if (pids->len > 0) {
        g_autofree char *processes = process_list_to_string(root_fd, pids);

        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", processes);
    }
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}
