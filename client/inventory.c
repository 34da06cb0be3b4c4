/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"

#include <string.h>

#include "device.h"
#include "group-state.h"
#include "iommu-policy-names.h"
#include "terminal.h"

static int compare_by_id(const void *a, const void *b)
{
    guint32 first = property_u32(*(GVariant *const *) a, "Id"),
            second = property_u32(*(GVariant *const *) b, "Id");

    return (first > second) - (first < second);
}

GPtrArray *inventory_groups(GHashTable *objects)
{
    GPtrArray *groups = g_ptr_array_new();
    GHashTableIter iterator;
    gpointer path, properties;

    g_hash_table_iter_init(&iterator, objects);
    while (g_hash_table_iter_next(&iterator, &path, &properties))
        if (g_str_has_prefix(path, IOMMU_POLICY_GROUP_PREFIX "/"))
            g_ptr_array_add(groups, properties);
    g_ptr_array_sort(groups, compare_by_id);
    return groups;
}

GPtrArray *inventory_members(GHashTable *objects, GVariant *group)
{
    g_autofree const char **paths = property_strings(group, "Devices");
    GPtrArray *members = g_ptr_array_new();

    for (size_t i = 0; paths[i]; i++) {
        GVariant *device = g_hash_table_lookup(objects, paths[i]);

        if (device)
            g_ptr_array_add(members, device);
    }
    return members;
}

char *inventory_join(const GPtrArray *members, const char *name)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (size_t i = 0; i < members->len; i++) {
        const char *word = property_string(members->pdata[i], name);

        if (*word)
            g_ptr_array_add(words, (char *) word);
    }
    if (words->len == 0)
        return g_strdup("-");
    g_ptr_array_add(words, NULL);
    return g_strjoinv(", ", (char **) words->pdata);
}

char *group_state_text(GVariant *group)
{
    const char *state = property_string(group, "State"), *reason = property_string(group, "PendingReason");

    if (!*reason)
        reason = property_string(group, "Step");
    return *reason ? g_strdup_printf("%s (%s)", state, reason) : g_strdup(state);
}

const char *group_state_colour(GVariant *group)
{
    switch (group_state_from_string(property_string(group, "State"))) {
    case GROUP_PENDING:
    case GROUP_CHANGING:
        return COLOUR_WAITING;
    case GROUP_FAILED:
    case GROUP_BROKEN:
    case GROUP_STUCK:
        return COLOUR_BAD;
    default:
        return NULL;
    }
}

const char *or_dash(const char *text)
{
    return *text ? text : "-";
}

const char *inventory_path(GVariant *device)
{
    const char *path = property_string(device, "SysfsPath");

    return g_str_has_prefix(path, "/sys/devices/") ? path + strlen("/sys/devices/") : path;
}

DeviceFacts *inventory_facts(GVariant *device)
{
    DeviceFacts *facts = device_facts_new(property_string(device, "Bus"), property_string(device, "Name"),
                                          inventory_path(device));

    facts->vendor = property_u32(device, "VendorId");
    facts->device = property_u32(device, "DeviceId");
    facts->class_code = property_u32(device, "Class");
    facts->bridge = class_is_bridge(facts->class_code);
    return facts;
}
