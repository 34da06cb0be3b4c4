/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "group-state.h"
#include "iommu-policy-names.h"
#include "json.h"
#include "refusal.h"
#include "table.h"
#include "target.h"
#include "terminal.h"
#include "verb.h"

/* What there is: groups, one group, the rules. */

static gboolean as_tree;

static int compare_by_id(const void *a, const void *b)
{
    guint32 first = property_u32(*(GVariant *const *) a, "Id"),
            second = property_u32(*(GVariant *const *) b, "Id");

    return (first > second) - (first < second);
}

/* The groups of OBJECTS by number: array of borrowed a{sv}. */
static GPtrArray *sorted_groups(GHashTable *objects)
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

/* The members of GROUP: array of borrowed a{sv}. */
static GPtrArray *group_members(GHashTable *objects, GVariant *group)
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

/* One property of all MEMBERS, those without it left out: "nvme, e1000e"; "-" if none has it. */
static char *join_property(const GPtrArray *members, const char *name)
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

/* "settled", "pending (in-use)", "changing (write type)" */
static char *state_text(GVariant *group)
{
    const char *state = property_string(group, "State"), *reason = property_string(group, "PendingReason");

    if (!*reason)
        reason = property_string(group, "Step");
    return *reason ? g_strdup_printf("%s (%s)", state, reason) : g_strdup(state);
}

static const char *state_colour(GVariant *group)
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

static const char *or_dash(const char *text)
{
    return *text ? text : "-";
}

static JsonObject *group_json(GHashTable *objects, GVariant *group)
{
    g_autoptr(GPtrArray) members = group_members(objects, group);
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
        g_autoptr(GPtrArray) members = group_members(objects, group);
        g_autofree char *id = g_strdup_printf("%u", property_u32(group, "Id")), *state = state_text(group),
                        *names = join_property(members, "Name"), *drivers = join_property(members, "Driver");
        const char *const cells[] = {
            id,
            or_dash(property_string(group, "Type")),
            or_dash(property_string(group, "WantedType")),
            state,
            names,
            drivers,
        };

        table_paint(table_add(table, NULL, cells), 3, state_colour(group));
    }
    table_print(table, "No IOMMU groups: the IOMMU is off, or there is none.");
}

static void add_members(Table *table, TableRow *row, const GPtrArray *members)
{
    for (size_t i = 0; i < members->len; i++) {
        GVariant *device = members->pdata[i];
        const char *const cells[] = {
            property_string(device, "Name"),
            "",
            property_string(device, "RuleType"),
            "",
            or_dash(property_string(device, "Driver")),
            property_string(device, "ModelName"),
        };

        (void) table_add(table, row, cells);
    }
}

static void print_groups_tree(GHashTable *objects, const GPtrArray *groups)
{
    static const char *const headers[] = {"GROUP", "TYPE", "WANTED", "STATE", "DRIVER", "MODEL", NULL};
    g_autoptr(Table) table = table_new(headers, true);

    for (size_t i = 0; i < groups->len; i++) {
        GVariant *group = groups->pdata[i];
        g_autoptr(GPtrArray) members = group_members(objects, group);
        g_autofree char *id = g_strdup_printf("%u", property_u32(group, "Id")), *state = state_text(group);
        const char *const cells[] = {
            id,
            or_dash(property_string(group, "Type")),
            or_dash(property_string(group, "WantedType")),
            state,
            "",
            "",
        };
        TableRow *row = table_add(table, NULL, cells);

        table_paint(row, 3, state_colour(group));
        add_members(table, row, members);
    }
    table_print(table, "No IOMMU groups: the IOMMU is off, or there is none.");
}

static int run_list(Client *client, char **arguments)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    int r;

    r = client_objects(client, &objects);
    if (r < 0)
        return r;

    groups = sorted_groups(objects);
    if (client->json)
        print_groups_json(objects, groups);
    else if (as_tree)
        print_groups_tree(objects, groups);
    else
        print_groups_table(objects, groups);
    return EXIT_CODE_DONE;
}

static const GOptionEntry list_options[] = {
    {"tree", 0, 0, G_OPTION_ARG_NONE, &as_tree, "show the devices below their groups", NULL},
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
        return g_strdup_printf("at the next boot: %s, before its driver, by %s, once the initramfs has today's "
                               "rules: 'iommuctl reload' names the command", type, by);
    return NULL;
}

static void print_group(GVariant *group)
{
    g_autofree char *state = state_text(group), *wanted = NULL, *conflict = NULL;
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

    members = group_members(objects, group);
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

/* How many devices FILE gives their type. */
static unsigned count_governed(GHashTable *objects, const char *file)
{
    g_autofree char *prefix = g_strconcat(file, ":", NULL);
    GHashTableIter iterator;
    gpointer properties;
    unsigned count = 0;

    g_hash_table_iter_init(&iterator, objects);
    while (g_hash_table_iter_next(&iterator, NULL, &properties))
        count += g_str_has_prefix(property_string(properties, "RuleOrigin"), prefix);
    return count;
}

static void print_rules(GVariant *manager, GHashTable *objects)
{
    static const char *const headers[] = {"FILE", "DEVICES", NULL};
    g_autofree const char **files = property_strings(manager, "RuleFiles");
    g_autoptr(Table) table = table_new(headers, false);

    for (size_t i = 0; files[i]; i++) {
        g_autofree char *devices = g_strdup_printf("%u", count_governed(objects, files[i]));
        const char *const cells[] = {files[i], devices};

        (void) table_add(table, NULL, cells);
    }
    table_print(table, "No rules: nothing is changed by itself.");

    if (strcmp(property_string(manager, "State"), "frozen") == 0)
        puts("\nFrozen: a rule file is refused. Nothing is relaxed or unbound; see: iommuctl check");
    if (strcmp(property_string(manager, "State"), "disabled") == 0)
        puts("\nDisabled: this is a kdump kernel, or iommu_policy=off is on the kernel command line.");
    if (property_boolean(manager, "RulesChangedOnDisk"))
        puts("\nThe files have changed since they were read; see: iommuctl reload");
}

static void print_rules_json(GVariant *manager, GHashTable *objects)
{
    g_autofree const char **files = property_strings(manager, "RuleFiles");
    JsonObject *answer = json_object_new();
    JsonArray *rules = json_array_new();

    for (size_t i = 0; files[i]; i++) {
        JsonObject *rule = json_object_new();

        json_object_set_string_member(rule, "file", files[i]);
        json_object_set_int_member(rule, "devices", count_governed(objects, files[i]));
        json_array_add_object_element(rules, rule);
    }
    json_object_set_string_member(answer, "state", property_string(manager, "State"));
    json_object_set_boolean_member(answer, "rules_changed_on_disk",
                                   property_boolean(manager, "RulesChangedOnDisk"));
    json_object_set_array_member(answer, "rule_files", rules);
    json_print_object(answer, false);
}

static int run_rules(Client *client, char **arguments)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GVariant) manager = NULL;
    int r;

    r = client_properties(client, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE, &manager);
    if (r >= 0)
        r = client_objects(client, &objects);
    if (r < 0)
        return r;

    if (client->json)
        print_rules_json(manager, objects);
    else
        print_rules(manager, objects);
    return EXIT_CODE_DONE;
}

const Verb verb_rules = {
    .name = "rules",
    .summary = "List the rule files in force",
    .description =
        "Shows the rule files in force in their order, and how many devices each gives their type.",
    .run = run_rules,
};
