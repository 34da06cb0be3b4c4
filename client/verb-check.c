/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "cleanup.h"
#include "diagnostic-print.h"
#include "json.h"
#include "machine.h"
#include "refusal.h"
#include "rule-set.h"
#include "sysfs.h"
#include "table.h"
#include "verb.h"

/* Rules without the daemon: are they sound, and what would they decide here. */

static char *root_path;

static int open_root(Client *client)
{
    const char *path = root_path ?: "/";
    int fd = sysfs_open_root(path);

    if (fd < 0)
        (void) sd_bus_error_setf(&client->error, SD_BUS_ERROR_FILE_NOT_FOUND, "%s: %s", path,
                                 g_strerror(-fd));
    return fd;
}

/* Loads FILES, or what the daemon would load if there are none. */
static int load_rules(Client *client, int root_fd, char **files, RuleSet **ret_set,
                      GPtrArray **ret_diagnostics)
{
    int r;

    if (*files)
        r = rule_set_load_files(root_fd, files, ret_set, ret_diagnostics);
    else
        r = rule_set_load_once(root_fd, ret_set, ret_diagnostics);
    if (r < 0)
        return sd_bus_error_set_errnof(&client->error, r, "the rule files cannot be read: %s",
                                       g_strerror(-r));
    return 0;
}

static int run_check(Client *client, char **arguments)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    _cleanup_close_ int root_fd = -EBADF;
    unsigned errors;
    int r;

    root_fd = open_root(client);
    if (root_fd < 0)
        return root_fd;
    r = load_rules(client, root_fd, arguments, &rules, &diagnostics);
    if (r < 0)
        return r;

    errors = diagnostics_count(diagnostics, DIAGNOSTIC_ERROR);
    diagnostics_print(diagnostics, client->json);
    if (!client->json)
        printf("rules: %u, errors: %u, warnings: %u\n", rule_set_rules(rules)->len, errors,
               diagnostics_count(diagnostics, DIAGNOSTIC_WARNING));
    return errors > 0 ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
}

static const GOptionEntry root_options[] = {
    {"root", 0, 0, G_OPTION_ARG_FILENAME, &root_path,
     "take this directory for /, also in front of FILE if that starts with a slash", "DIR"},
    {NULL},
};

const Verb verb_check = {
    .name = "check",
    .arguments = "[FILE...]",
    .summary = "Check rule files, without the daemon",
    .description = "Checks the given files, or all that the daemon would read, and prints what is wrong as\n"
                   "FILE:LINE:COLUMN: error: TEXT. Ends with 1 if there are errors.",
    .options = root_options,
    .max_arguments = G_MAXUINT,
    .offline = true,
    .run = run_check,
};

static const char *type_text(DomainType type)
{
    return type < 0 ? "-" : domain_type_to_string(type);
}

static const char *outcome_text(const Decision *decision)
{
    if (decision->obstacle_text)
        return decision->obstacle_text;
    if (decision->conflict)
        return decision->conflict_text;
    if (decision->wanted < 0)
        return "";
    return decision->settled ? "settled" : "would be changed";
}

static char *member_names(const MachineGroup *group)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (size_t i = 0; i < group->devices->len; i++)
        g_ptr_array_add(names, ((const Device *) group->devices->pdata[i])->facts->name);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **) names->pdata);
}

static JsonObject *decision_json(const MachineGroup *group, const Decision *decision)
{
    JsonObject *object = json_object_new();
    JsonArray *devices = json_array_new();

    for (size_t i = 0; i < group->devices->len; i++)
        json_array_add_string_element(devices, ((const Device *) group->devices->pdata[i])->facts->name);
    json_object_set_int_member(object, "id", group->id);
    json_object_set_string_member(object, "type", group->type < 0 ? "" : domain_type_to_string(group->type));
    json_object_set_string_member(object, "wanted_type",
                                  decision->wanted < 0 ? "" : domain_type_to_string(decision->wanted));
    json_object_set_string_member(object, "wanted_by", decision->wanted_by);
    json_object_set_boolean_member(object, "conflict", decision->conflict);
    json_object_set_boolean_member(object, "settled", decision->settled);
    json_object_set_string_member(object, "pending_reason", pending_reason_to_string(decision->obstacle));
    json_object_set_string_member(object, "text", outcome_text(decision));
    json_object_set_array_member(object, "devices", devices);
    return object;
}

static void add_decision(Table *table, const MachineGroup *group, const Decision *decision)
{
    g_autofree char *id = g_strdup_printf("%u", group->id), *names = member_names(group);
    const char *const cells[] = {
        id,    type_text(group->type), type_text(decision->wanted), decision->wanted_by,
        names, outcome_text(decision),
    };

    (void) table_add(table, NULL, cells);
}

static void print_decisions(Client *client, const Machine *machine, const RuleSet *rules)
{
    static const char *const headers[] = {"GROUP", "TYPE", "WANTED", "BY", "DEVICES", "OUTCOME", NULL};
    g_autoptr(Table) table = table_new(headers, false);
    g_autoptr(JsonObject) answer = json_object_new();
    JsonArray *list = json_array_new();

    for (size_t i = 0; i < machine->groups->len; i++) {
        const MachineGroup *group = machine->groups->pdata[i];
        g_autoptr(Decision) decision = machine_decide(machine, group, rules);

        add_decision(table, group, decision);
        json_array_add_object_element(list, decision_json(group, decision));
    }

    json_object_set_array_member(answer, "groups", list);
    if (client->json)
        json_print_object(g_steal_pointer(&answer), false);
    else
        table_print(table, "No IOMMU groups: the IOMMU is off, or there is none.");
}

/* Standard output may be JSON: what is wrong with the files goes beside it. */
static void report_diagnostics(const GPtrArray *diagnostics)
{
    for (size_t i = 0; i < diagnostics->len; i++) {
        g_autofree char *line = diagnostic_to_string(diagnostics->pdata[i]);

        fprintf(stderr, "%s\n", line);
    }
}

static int run_test(Client *client, char **arguments)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(Machine) machine = NULL;
    g_autoptr(UdevContext) udev = NULL;
    g_autoptr(RuleSet) rules = NULL;
    _cleanup_close_ int root_fd = -EBADF;
    int r;

    root_fd = open_root(client);
    if (root_fd < 0)
        return root_fd;
    r = load_rules(client, root_fd, arguments, &rules, &diagnostics);
    if (r < 0)
        return r;
    if (!root_path)
        udev = udev_new();
    r = machine_read(root_fd, udev, &machine);
    if (r < 0)
        return sd_bus_error_set_errnof(&client->error, r, "the devices cannot be read: %s", g_strerror(-r));

    report_diagnostics(diagnostics);
    print_decisions(client, machine, rules);
    return diagnostics_count(diagnostics, DIAGNOSTIC_ERROR) > 0 ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
}

const Verb verb_test = {
    .name = "test",
    .arguments = "FILE...",
    .summary = "Show what rule files would decide here",
    .description = "Shows for each group of this machine which type the given files alone would want, "
                   "without the daemon\n"
                   "and without changing anything. Ends with 1 if a file has errors.",
    .options = root_options,
    .min_arguments = 1,
    .max_arguments = G_MAXUINT,
    .offline = true,
    .run = run_test,
};
