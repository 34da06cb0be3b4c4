/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "sysfs.h"
#include "udev-data.h"

int udev_data_read(int root_fd, const char *id, GHashTable **ret)
{
    g_autoptr(GHashTable) properties = NULL;
    g_autofree char *path = NULL, *text = NULL;
    g_auto(GStrv) lines = NULL;
    int r;

    path = g_strconcat("run/udev/data/", id, NULL);
    r = sysfs_read(root_fd, path, &text);
    if (r < 0)
        return r;

    properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *equals = strchr(*line, '=');

        if (g_str_has_prefix(*line, "E:") && equals)
            g_hash_table_replace(properties, g_strndup(*line + 2, (size_t) (equals - *line - 2)),
                                 g_strdup(equals + 1));
    }
    *ret = g_steal_pointer(&properties);
    return 0;
}
