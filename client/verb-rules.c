/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "full-io.h"
#include "inventory.h"
#include "iommu-policy-names.h"
#include "json.h"
#include "refusal.h"
#include "rule-file.h"
#include "table.h"
#include "target.h"
#include "verb.h"

/* The rules in force, and rules made of what is set now. */

static char *directory;

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

static int list_rules(Client *client)
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

/* A rule file that asks for the type that a group has. */
typedef struct Generated {
    guint32 group;
    char *name; /* "50-pci-0000:00:04.0.conf" */
    char *text; /* NULL: there is none */
    const char *why_not;
} Generated;

static void generated_free(void *p)
{
    Generated *file = p;

    g_free(file->name);
    g_free(file->text);
    g_free(file);
}

static GPtrArray *facts_of(const GPtrArray *members)
{
    GPtrArray *facts = g_ptr_array_new_with_free_func((GDestroyNotify) device_facts_free);

    for (guint i = 0; i < members->len; i++)
        g_ptr_array_add(facts, inventory_facts(members->pdata[i]));
    return facts;
}

static const DeviceFacts *first_to_name(const GPtrArray *facts)
{
    for (guint i = 0; i < facts->len; i++)
        if (!((const DeviceFacts *) facts->pdata[i])->bridge)
            return facts->pdata[i];
    return NULL;
}

/* "Group 6 as it is set now: 0000:00:06.0 82574L Gigabit Network Connection" */
static char *comment_on(GVariant *group, const GPtrArray *members)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "Group %u as it is set now:", property_u32(group, "Id"));
    for (guint i = 0; i < members->len; i++) {
        const char *model = property_string(members->pdata[i], "ModelName");

        g_string_append_printf(text, "%s %s%s%s", i > 0 ? "," : "",
                               property_string(members->pdata[i], "Name"), *model ? " " : "", model);
    }
    return g_string_free(text, FALSE);
}

static Generated *generate(GHashTable *objects, GVariant *group)
{
    g_autoptr(GPtrArray) members = inventory_members(objects, group), facts = facts_of(members);
    const DeviceFacts *first = first_to_name(facts);
    g_autofree char *comment = comment_on(group, members);
    const RuleFile rule = {
        .comment = comment,
        .type = domain_type_from_string(property_string(group, "Type")),
        .unbind = UNBIND_NEVER,
    };
    Generated *file = g_new0(Generated, 1);

    file->group = property_u32(group, "Id");
    if (!first)
        file->why_not = "has nothing but bridges, which rules do not name";
    else if (!domain_type_is_switchable(rule.type))
        file->why_not = "has a type that cannot be asked for";
    else {
        file->name = g_strdup_printf("50-%s-%s.conf", first->bus, first->name);
        g_strdelimit(file->name, "/ ", '_');
        file->text = rule_file_text(&rule, (const DeviceFacts *const *) facts->pdata, facts->len);
    }
    return file;
}

static int generate_for_targets(Client *client, GHashTable *objects, char **targets, GPtrArray *files)
{
    for (; *targets; targets++) {
        g_autofree char *path = NULL;
        GVariant *group;
        int r;

        r = target_find_group(client, *targets, &path);
        if (r < 0)
            return r;
        group = g_hash_table_lookup(objects, path);
        if (!group)
            return client_refuse(client, REFUSAL_NO_SUCH_GROUP, *targets, NULL, NULL);
        g_ptr_array_add(files, generate(objects, group));
    }
    return 0;
}

static void print_files_json(const GPtrArray *files)
{
    JsonObject *answer = json_object_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; i < files->len; i++) {
        const Generated *file = files->pdata[i];
        JsonObject *object = json_object_new();

        json_object_set_int_member(object, "group", file->group);
        json_object_set_string_member(object, "name", file->name ?: "");
        json_object_set_string_member(object, "text", file->text ?: "");
        json_array_add_object_element(list, object);
    }
    json_object_set_array_member(answer, "files", list);
    json_print_object(answer, false);
}

static void print_file(const Generated *file, bool first)
{
    if (!first)
        puts("");
    if (file->text)
        printf("# %s\n%s", file->name, file->text);
    else
        printf("# Group %u %s.\n", file->group, file->why_not);
}

/* A file of that name is somebody's work: it stays. */
static int write_file(Client *client, const Generated *file)
{
    g_autofree char *path = g_build_filename(directory, file->name, NULL);
    _cleanup_close_ int fd = -EBADF;
    int r;

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return client_refuse(client, REFUSAL_FILE_NOT_WRITTEN, path, NULL, g_strerror(errno));
    r = write_full(fd, file->text, strlen(file->text));
    if (r >= 0 && fsync(fd) < 0)
        r = -errno;
    if (r < 0) {
        (void) unlink(path);
        return client_refuse(client, REFUSAL_FILE_NOT_WRITTEN, path, NULL, g_strerror(-r));
    }
    puts(path);
    return 0;
}

static int put_out(Client *client, const GPtrArray *files)
{
    int r = 0;

    if (client->json && !directory) {
        print_files_json(files);
        return 0;
    }
    for (guint i = 0; r >= 0 && i < files->len; i++) {
        const Generated *file = files->pdata[i];

        if (!directory)
            print_file(file, i == 0);
        else if (file->text)
            r = write_file(client, file);
    }
    return r;
}

static int generate_rules(Client *client, char **targets)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(generated_free);
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    int r;

    r = client_objects(client, &objects);
    if (r < 0)
        return r;

    groups = inventory_groups(objects);
    for (guint i = 0; !*targets && i < groups->len; i++)
        g_ptr_array_add(files, generate(objects, groups->pdata[i]));
    r = generate_for_targets(client, objects, targets, files);
    if (r >= 0)
        r = put_out(client, files);
    return r < 0 ? r : EXIT_CODE_DONE;
}

static int run_rules(Client *client, char **arguments)
{
    if (!*arguments && !directory)
        return list_rules(client);
    if (!*arguments || strcmp(*arguments, "generate") != 0)
        return client_refuse(client, REFUSAL_USAGE, "rules", "rules", "'rules', or 'rules generate'");
    return generate_rules(client, arguments + 1);
}

static const GOptionEntry rules_options[] = {
    {"directory", 0, 0, G_OPTION_ARG_FILENAME, &directory,
     "write the files there, without writing over one, and print their names", "DIR"},
    {NULL},
};

const Verb verb_rules = {
    .name = "rules",
    .arguments = "[generate [TARGET...]]",
    .summary = "List the rule files in force, or write some",
    .description =
        "Shows the rule files in force in their order, and how many devices each gives their type.\n"
        "`rules generate` prints a rule file for each group, or for those of the TARGETs, which asks for "
        "the type\n"
        "that the group has now and names its devices by Path and Id.",
    .options = rules_options,
    .max_arguments = G_MAXUINT,
    .run = run_rules,
};
