/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "function-types.h"

#include "device.h"
#include "early-pass.h"

static void write_type(int root_fd, const char *name, const RuleSet *rules, const Host *host)
{
    g_autoptr(EarlyNote) note = early_note_new();
    g_autofree char *syspath = NULL;
    g_autoptr(Device) device = NULL;

    /* What came of it is read by the next daemon; a driver does not wait for more. */
    if (device_find(root_fd, "pci", name, &syspath) >= 0 &&
        device_read(root_fd, syspath, NULL, &device) >= 0 && device->group >= 0)
        (void) early_pass_group(root_fd, rules, host, (unsigned) device->group, note);
}

int function_types_write(int root_fd, char **names)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    g_autoptr(Host) host = NULL;
    int r;

    r = host_read(root_fd, &host);
    if (r < 0 || host->disabled)
        return r;
    r = rule_set_load_once(root_fd, &rules, &diagnostics);
    if (r < 0)
        return r;
    for (char **name = names; *name; name++)
        write_type(root_fd, *name, rules, host);
    return 0;
}
