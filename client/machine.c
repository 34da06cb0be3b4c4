/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include "group.h"

static void machine_group_free(MachineGroup *group)
{
    g_ptr_array_unref(group->devices);
    g_free(group);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MachineGroup, machine_group_free)

static int read_group(int root_fd, unsigned id, MachineGroup **ret)
{
    g_autoptr(MachineGroup) group = g_new0(MachineGroup, 1);
    g_auto(GStrv) syspaths = NULL;
    int r;

    group->id = id;
    group->devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_free);
    if (group_read_type(root_fd, id, &group->type) < 0)
        group->type = _DOMAIN_TYPE_INVALID;
    r = group_list_members(root_fd, id, &syspaths);
    if (r < 0)
        return r;

    for (size_t i = 0; syspaths[i]; i++) {
        Device *device;

        if (device_read(root_fd, syspaths[i], NULL, &device) >= 0)
            g_ptr_array_add(group->devices, device);
    }

    *ret = g_steal_pointer(&group);
    return 0;
}
