/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include "cleanup.h"
#include "forced-type.h"
#include "group.h"
#include "udev-facts.h"

static void machine_group_free(MachineGroup *group)
{
    g_free(group->unsupported);
    g_ptr_array_unref(group->devices);
    g_free(group);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MachineGroup, machine_group_free)

static void take_udev(struct udev *udev, const char *syspath, Device *device)
{
    g_autofree char *absolute = g_strconcat("/", syspath, NULL);
    g_autoptr(UdevDevice) known = udev_device_new_from_syspath(udev, absolute);

    if (known && udev_device_get_is_initialized(known) > 0)
        udev_facts_take(known, true, device);
}

/* A type that cannot be read is another matter: who may not read it is told nothing of it. */
static char *explain_unsupported(int root_fd, const MachineGroup *group)
{
    const Device *first = group->devices->len > 0 ? group->devices->pdata[0] : NULL;
    g_autofree char *name = NULL;

    if (group->type < 0)
        return NULL;
    (void) group_read_name(root_fd, group->id, &name);
    return group_explain_unsupported(group->type, name, first ? first->facts->iommu : NULL);
}

static int read_group(int root_fd, struct udev *udev, unsigned id, MachineGroup **ret)
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

        if (device_read(root_fd, syspaths[i], NULL, &device) < 0)
            continue;
        if (udev)
            take_udev(udev, syspaths[i], device);
        g_ptr_array_add(group->devices, device);
    }

    group->unsupported = explain_unsupported(root_fd, group);
    *ret = g_steal_pointer(&group);
    return 0;
}

static int read_groups(int root_fd, struct udev *udev, GPtrArray *groups)
{
    g_autoptr(GArray) ids = NULL;
    int r;

    r = group_list(root_fd, &ids);
    if (r < 0)
        return r;

    for (size_t i = 0; i < ids->len; i++) {
        MachineGroup *group;

        r = read_group(root_fd, udev, g_array_index(ids, unsigned, i), &group);
        if (r >= 0)
            g_ptr_array_add(groups, group);
        else if (r != -ENOENT)
            return r;
    }
    return 0;
}

int machine_read(int root_fd, struct udev *udev, Machine **ret)
{
    g_autoptr(Machine) machine = g_new0(Machine, 1);
    int r;

    machine->groups = g_ptr_array_new_with_free_func((GDestroyNotify) machine_group_free);
    r = host_read(root_fd, &machine->host);
    if (r >= 0)
        r = read_groups(root_fd, udev, machine->groups);
    if (r < 0)
        return r;

    *ret = g_steal_pointer(&machine);
    return 0;
}

/* DMA-FQ is only asked for where the family of the IOMMU is known to have it. */
static DomainTypeSet types_not_given(const MachineGroup *group)
{
    for (size_t i = 0; i < group->devices->len; i++) {
        const Device *device = group->devices->pdata[i];

        if (device->facts->iommu && !iommu_family_has_dma_fq(device->facts->iommu))
            return DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
    }
    return 0;
}

Decision *machine_decide(const Machine *machine, const MachineGroup *group, const RuleSet *rules)
{
    /* Who has written it nobody has told us. */
    const ShownType shown = { .type = group->type };
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->devices->len, 1));
    DecisionInput input = {
        .members = members,
        .n_members = group->devices->len,
        .current = group->type,
        .unsupported = group->unsupported,
        .not_given = types_not_given(group),
        .call_type = _DOMAIN_TYPE_INVALID,
    };

    for (size_t i = 0; i < group->devices->len; i++)
        forced_type_member(machine->host, group->devices->pdata[i], &shown, &members[i]);
    input.auto_outcome = forced_type_outcome(machine->host, members, input.n_members);
    return decision_make(rules, machine->host->facts, &input);
}

void machine_free(Machine *machine)
{
    if (!machine)
        return;
    host_free(machine->host);
    g_ptr_array_unref(machine->groups);
    g_free(machine);
}
