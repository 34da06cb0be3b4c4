/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "group.h"
#include "iommu-policy-names.h"

char *bus_group_path(unsigned id)
{
    return g_strdup_printf(IOMMU_POLICY_GROUP_PREFIX "/%u", id);
}

/* --- properties */

#define GETTER(name, type, expression)                                                                      \
    static int name(sd_bus *bus, const char *path, const char *interface, const char *property,             \
                    sd_bus_message *reply, void *userdata, sd_bus_error *error)                             \
    {                                                                                                       \
        const ManagedGroup *group = userdata;                                                               \
                                                                                                            \
        return sd_bus_message_append(reply, type, expression);                                              \
    }

GETTER(get_id, "u", group->id)
GETTER(get_type, "s", group->type < 0 ? NULL : domain_type_to_string(group->type))
GETTER(get_wanted_type, "s", group->wanted < 0 ? NULL : domain_type_to_string(group->wanted))
GETTER(get_wanted_by, "s", group->wanted_by)
GETTER(get_state, "s", group_state_to_string(group->state))
GETTER(get_pending_reason, "s", pending_reason_to_string(group->reason))
GETTER(get_conflict, "b", group->conflict)
GETTER(get_step, "s", group->step)

static int get_devices(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const ManagedGroup *group = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "o");

    for (guint i = 0; r >= 0 && i < group->members->len; i++) {
        char *device = bus_device_path(group->members->pdata[i]);

        r = device ? sd_bus_message_append(reply, "o", device) : -ENOMEM;
        free(device);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_types(sd_bus_message *reply, DomainTypeSet types)
{
    int r = sd_bus_message_open_container(reply, 'a', "s");

    for (DomainType type = 0; r >= 0 && type < _DOMAIN_TYPE_MAX; type++)
        if (types & DOMAIN_TYPE_BIT(type))
            r = sd_bus_message_append(reply, "s", domain_type_to_string(type));
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_settable_types(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return append_types(reply, managed_group_settable_types(userdata));
}

static int get_live_types(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return append_types(reply, managed_group_live_types(userdata));
}

static int get_reserved_regions(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const ManagedGroup *group = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "(tts)");

    for (guint i = 0; r >= 0 && group->reserved && i < group->reserved->len; i++) {
        const ReservedRegion *region = &g_array_index(group->reserved, ReservedRegion, i);

        r = sd_bus_message_append(reply, "(tts)", region->start, region->end, region->type);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_last_result(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const LastResult *result = &((const ManagedGroup *) userdata)->last_result;

    return sd_bus_message_append(reply, "(tsss)", result->realtime_usec,
                                 result->type < 0 ? NULL : domain_type_to_string(result->type),
                                 result->error, result->text);
}

#define SET_TYPE_ARGS SD_BUS_ARGS("s", type, "a{sv}", options)
#define PLAN_RESULT SD_BUS_RESULT("s", how, "aa{sv}", steps, "aa{sv}", findings, "s", refusal, "s", action)
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable group_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("SetType", SET_TYPE_ARGS, SD_BUS_RESULT("s", effective), bus_group_set_type,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Plan", SET_TYPE_ARGS, PLAN_RESULT, bus_group_plan, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", wanted, "aa{sv}", trail),
                            bus_group_explain, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetFindings", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", findings),
                            bus_group_get_findings, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Refresh", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_group_refresh,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Inhibit", SD_BUS_ARGS("s", who, "s", why), SD_BUS_RESULT("h", fd),
                            bus_group_inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Id", "u", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Type", "s", get_type, 0, CHANGES),
    SD_BUS_PROPERTY("WantedType", "s", get_wanted_type, 0, CHANGES),
    SD_BUS_PROPERTY("WantedBy", "s", get_wanted_by, 0, CHANGES),
    SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
    SD_BUS_PROPERTY("PendingReason", "s", get_pending_reason, 0, CHANGES),
    SD_BUS_PROPERTY("Conflict", "b", get_conflict, 0, CHANGES),
    SD_BUS_PROPERTY("Step", "s", get_step, 0, CHANGES),
    SD_BUS_PROPERTY("Devices", "ao", get_devices, 0, CHANGES),
    SD_BUS_PROPERTY("SettableTypes", "as", get_settable_types, 0, CHANGES),
    SD_BUS_PROPERTY("LiveTypes", "as", get_live_types, 0, CHANGES),
    SD_BUS_PROPERTY("ReservedRegions", "a(tts)", get_reserved_regions, 0, CHANGES),
    SD_BUS_PROPERTY("LastResult", "(tsss)", get_last_result, 0, CHANGES),
    SD_BUS_VTABLE_END,
};

/* --- objects */

static int find_group(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                      sd_bus_error *error)
{
    const char *number = path + strlen(IOMMU_POLICY_GROUP_PREFIX "/");
    ManagedGroup *group;
    guint64 id;

    if (!g_str_has_prefix(path, IOMMU_POLICY_GROUP_PREFIX "/") || (number[0] == '0' && number[1]) ||
        !g_ascii_string_to_unsigned(number, 10, 0, UINT_MAX, &id, NULL))
        return 0;
    group = manager_group(userdata, (unsigned) id);
    /* What has not been announced is not there: nobody would be told of its changes. */
    if (!group || !group->announced)
        return 0;
    *ret_found = group;
    return 1;
}

static int enumerate_groups(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                            sd_bus_error *error)
{
    g_autoptr(GArray) ids = manager_group_ids(userdata);
    char **nodes = calloc(ids->len + 1, sizeof(char *));

    if (!nodes)
        return -ENOMEM;
    for (guint i = 0; i < ids->len; i++)
        nodes[i] = bus_group_path(g_array_index(ids, unsigned, i));
    *ret_nodes = nodes;
    return 0;
}

int bus_attach_groups(sd_bus *bus, Manager *manager)
{
    int r = sd_bus_add_fallback_vtable(bus, NULL, IOMMU_POLICY_GROUP_PREFIX, IOMMU_POLICY_GROUP_INTERFACE,
                                       group_vtable, find_group, manager);

    return r < 0
               ? r
               : sd_bus_add_node_enumerator(bus, NULL, IOMMU_POLICY_GROUP_PREFIX, enumerate_groups, manager);
}

/* --- signals */

void notify_group_changed(Manager *manager, const ManagedGroup *group, unsigned properties)
{
    static const char *const names[] = {
        "Type", "WantedType", "WantedBy",      "State",     "PendingReason",   "Conflict",
        "Step", "Devices",    "SettableTypes", "LiveTypes", "ReservedRegions", "LastResult"};
    g_autofree char **changed = bus_property_names(names, G_N_ELEMENTS(names), properties);
    g_autofree char *path = bus_group_path(group->id);

    if (bus_may_signal(manager))
        (void) sd_bus_emit_properties_changed_strv(manager->bus, path, IOMMU_POLICY_GROUP_INTERFACE,
                                                   changed);
}

void notify_group(Manager *manager, const ManagedGroup *group, bool added)
{
    g_autofree char *path = bus_group_path(group->id);

    if (!bus_may_signal(manager))
        return;
    if (added)
        (void) sd_bus_emit_object_added(manager->bus, path);
    else
        (void) sd_bus_emit_object_removed(manager->bus, path);
}
