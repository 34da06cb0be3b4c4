/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* units/iommu-policyd.service.in says what for. Audit records are no loss that a change would notice. */
static const struct {
    unsigned number;
    const char *name;
} needed[] = {
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
    {CAP_SYS_RAWIO, "CAP_SYS_RAWIO"},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
};

char *sandbox_missing_capabilities(const char *status)
{
    const char *line = strstr(status, "\nCapEff:");
    g_autoptr(GString) missing = g_string_new(NULL);
    unsigned long long effective;

    if (!line || sscanf(line, "\nCapEff: %llx", &effective) != 1)
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++)
        if (!(effective >> needed[i].number & 1))
            g_string_append_printf(missing, "%s%s", missing->len > 0 ? " " : "", needed[i].name);
    return missing->len > 0 ? g_string_free(g_steal_pointer(&missing), FALSE) : NULL;
}

static bool is_at_or_above(const char *mount_point, const char *path)
{
    size_t length = strlen(mount_point);

    if (g_str_equal(mount_point, "/"))
        return true;
    return strncmp(path, mount_point, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* A mount hides those before it at the same place, so the last one of the deepest counts. */
bool sandbox_is_read_only(const char *mounts, const char *path)
{
    g_auto(GStrv) lines = g_strsplit(mounts, "\n", -1);
    size_t deepest = 0;
    bool read_only = false;

    for (char **line = lines; *line; line++) {
        /* id, parent, device, root, mount point, options, ... */
        g_auto(GStrv) fields = g_strsplit(*line, " ", 7);

        if (g_strv_length(fields) < 7 || !is_at_or_above(fields[4], path) || strlen(fields[4]) < deepest)
            continue;
        deepest = strlen(fields[4]);
        read_only = g_str_equal(fields[5], "ro") || g_str_has_prefix(fields[5], "ro,");
    }
    return read_only;
}
