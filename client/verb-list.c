/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "device-tree.h"
#include "group-state.h"
#include "inventory.h"
#include "json.h"
#include "refusal.h"
#include "table.h"
#include "target.h"
#include "terminal.h"
#include "verb.h"

/* What there is: groups, one group. */

#define NO_GROUPS "No IOMMU groups; see: iommuctl doctor"

static gboolean as_tree;

static JsonObject *group_json(GHashTable *objects, GVariant *group)
{
    g_autoptr(GPtrArray) members = inventory_members(objects, group);
    JsonObject *object = json_from_properties(group);
    JsonArray *devices = json_array_new();

    for (size_t i = 0; i < members->len; i++)
        json_array_add_object_element(devices, json_from_properties(members->pdata[i]));
    json_object_set_array_member(object, "devices", devices);
    return object;
}

static void print_groups_json(GHashTable *objects, const GPtrArray *groups)
{
    JsonObject *answer = json_object_new();
    JsonArray *list = json_array_new();

    for (size_t i = 0; i < groups->len; i++)
        json_array_add_object_element(list, group_json(objects, groups->pdata[i]));
    json_object_set_array_member(answer, "groups", list);
    json_print_object(answer, false);
}

static void print_groups_table(GHashTable *objects, const GPtrArray *groups)
{
    static const char *const headers[] = {"GROUP", "TYPE", "WANTED", "STATE", "DEVICES", "DRIVERS", NULL};
    g_autoptr(Table) table = table_new(headers, false);

    for (size_t i = 0; i < groups->len; i++) {
        GVariant *group = groups->pdata[i];
        g_autoptr(GPtrArray) members = inventory_members(objects, group);
        g_autofree char *id = g_strdup_printf("%u", property_u32(group, "Id")),
                        *state = group_state_text(group), *names = inventory_join(members, "Name"),
                        *drivers = inventory_join(members, "Driver");
        const char *const cells[] = {
            id,
            or_dash(property_string(group, "Type")),
            or_dash(property_string(group, "WantedType")),
            state,
            names,
            drivers,
        };

        table_paint(table_add(table, NULL, cells), 3, group_state_colour(group));
    }
    table_print(table, NO_GROUPS);
}

static void print_tree(GHashTable *objects, const GPtrArray *groups)
{
    g_autoptr(Table) table = device_tree(objects, groups);

    table_print(table, NO_GROUPS);
}

static int run_list(Client *client, char **arguments)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    int r;

    r = client_objects(client, &objects);
    if (r < 0)
        return r;

    groups = inventory_groups(objects);
    if (client->json)
        print_groups_json(objects, groups);
    else if (as_tree)
        print_tree(objects, groups);
    else
        print_groups_table(objects, groups);
    return EXIT_CODE_DONE;
}

static const GOptionEntry list_options[] = {
    {"tree", 0, 0, G_OPTION_ARG_NONE, &as_tree, "show the devices as they are connected, and their groups",
     NULL},
    {NULL},
};

const Verb verb_list = {
    .name = "list",
    .summary = "List the IOMMU groups (default)",
    .description = "Shows for each group its type, the type that is wanted (- for none), its state, devices "
                   "and drivers.",
    .options = list_options,
    .run = run_list,
};

/* Prints "  LABEL  TEXT", nothing if TEXT is empty. */
static void print_field(const char *label, const char *text)
{
    g_autofree char *safe = printable(text);

    if (*safe)
        printf("  %-12s %s\n", label, safe);
}

static void print_list_field(const char *label, GVariant *properties, const char *name)
{
    g_autofree const char **words = property_strings(properties, name);
    g_autofree char *text = g_strjoinv(" ", (char **) words);

    print_field(label, text);
}

static void print_reserved_regions(GVariant *group)
{
    g_autoptr(GVariant) regions = g_variant_lookup_value(group, "ReservedRegions", G_VARIANT_TYPE("a(tts)"));

    for (size_t i = 0; regions && i < g_variant_n_children(regions); i++) {
        g_autofree char *text = NULL;
        guint64 start, end;
        const char *kind;

        g_variant_get_child(regions, i, "(tt&s)", &start, &end, &kind);
        text = g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %s", start, end, kind);
        print_field(i == 0 ? "Reserved" : "", text);
    }
}

static void print_last_result(GVariant *group)
{
    g_autofree char *line = NULL;
    const char *type, *error, *text;
    char when[64] = "";
    struct tm parts;
    guint64 usec;
    time_t seconds;

    if (!g_variant_lookup(group, "LastResult", "(t&s&s&s)", &usec, &type, &error, &text) || usec == 0)
        return;

    seconds = usec / G_USEC_PER_SEC;
    if (localtime_r(&seconds, &parts))
        (void) strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
    line = g_strdup_printf("%s %s: %s%s%s", when, type, *error ? text : "done", !*error && *text ? "; " : "",
                           *error ? "" : text);
    print_field("Last change", line);
}

char *next_boot_text(GVariant *group)
{
    const char *reason = property_string(group, "PendingReason");
    const char *type = property_string(group, "WantedType"), *by = property_string(group, "WantedBy");

    if (strcmp(reason, pending_reason_to_string(PENDING_NEXT_BOOT)) == 0)
        return g_strdup_printf("at the next boot: %s, before its driver, by %s", type, by);
    if (strcmp(reason, pending_reason_to_string(PENDING_INITRAMFS_STALE)) == 0)
        return g_strdup_printf(
            "at the next boot: %s, before its driver, by %s, once the initramfs has today's "
            "rules: 'iommuctl reload' names the command",
            type, by);
    return NULL;
}

static void print_group(GVariant *group)
{
    g_autofree char *state = group_state_text(group), *wanted = NULL, *conflict = NULL;
    g_autofree char *next_boot = next_boot_text(group);
    guint32 id = property_u32(group, "Id");

    if (property_boolean(group, "Conflict"))
        conflict = g_strdup_printf("yes, see: iommuctl why %u", id);
    if (*property_string(group, "WantedType"))
        wanted = g_strdup_printf("%s, by %s", property_string(group, "WantedType"),
                                 property_string(group, "WantedBy"));

    printf("Group %u\n", id);
    print_field("Type", property_string(group, "Type"));
    print_field("Wanted", wanted ?: "nothing");
    print_field("State", state);
    print_field("", next_boot ?: "");
    print_field("Conflict", conflict ?: "");
    print_list_field("Can be set", group, "SettableTypes");
    print_list_field("Live", group, "LiveTypes");
    print_reserved_regions(group);
    print_last_result(group);
}

/* Ids as rules write them: "144d:a808". */
static char *device_ids(GVariant *device)
{
    guint32 vendor = property_u32(device, "VendorId"), id = property_u32(device, "DeviceId");

    return vendor == G_MAXUINT32 ? g_strdup("") : g_strdup_printf("%04x:%04x", vendor, id);
}

static char *device_class(GVariant *device)
{
    guint32 code = property_u32(device, "Class");

    if (code == G_MAXUINT32)
        return g_strdup("");
    return g_strdup_printf("0x%06x %s", code, property_string(device, "ClassName"));
}

static void print_device(GVariant *device)
{
    g_autofree char *ids = device_ids(device), *class_text = device_class(device), *rule = NULL,
                    *mask = NULL;
    guint32 bits = property_u32(device, "DmaMaskBits");

    if (*property_string(device, "RuleType"))
        rule = g_strdup_printf("%s, by %s", property_string(device, "RuleType"),
                               property_string(device, "RuleOrigin"));
    if (bits > 0)
        mask = g_strdup_printf("%u bits", bits);

    printf("\nDevice %s:%s\n", property_string(device, "Bus"), property_string(device, "Name"));
    print_field("Model", property_string(device, "ModelName"));
    print_field("Id", ids);
    print_field("Class", class_text);
    print_field("Driver", property_string(device, "Driver"));
    print_field("IOMMU", property_string(device, "Iommu"));
    print_field("DMA mask", mask ?: "");
    print_field("Function of", property_string(device, "PhysicalFunction"));
    print_field("Untrusted", property_boolean(device, "Untrusted") ? "yes" : "");
    print_field("Manages DMA", property_boolean(device, "ManagesDma") ? "yes: rules leave it alone" : "");
    print_field("Rule", rule ?: "");
    print_field("Path", property_string(device, "SysfsPath"));
}

static int run_show(Client *client, char **arguments)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GPtrArray) members = NULL;
    g_autofree char *path = NULL;
    GVariant *group;
    int r;

    r = target_find_group(client, arguments[0], &path);
    if (r >= 0)
        r = client_objects(client, &objects);
    if (r < 0)
        return r;

    group = g_hash_table_lookup(objects, path);
    if (!group)
        return client_refuse(client, REFUSAL_NO_SUCH_GROUP, arguments[0], NULL, NULL);

    if (client->json) {
        json_print_object(group_json(objects, group), false);
        return EXIT_CODE_DONE;
    }

    members = inventory_members(objects, group);
    print_group(group);
    for (size_t i = 0; i < members->len; i++)
        print_device(members->pdata[i]);
    return EXIT_CODE_DONE;
}

const Verb verb_show = {
    .name = "show",
    .arguments = "TARGET",
    .summary = "Show one group and its devices",
    .description = "Shows everything that is known about a group and its devices.",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_show,
};
