/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "diagnostic-print.h"
#include "group-state.h"
#include "iommu-policy-names.h"
#include "json.h"
#include "refusal.h"
#include "table.h"
#include "target.h"
#include "verb.h"

/* What changes something. */

static gboolean no_unbind, persist;
static char **allow;
static char *reason_text;

#define RESULT_TYPE G_VARIANT_TYPE("(tsss)") /* time in µs, type, error, text */

static GVariant *set_options(void)
{
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    if (no_unbind)
        g_variant_builder_add(&options, "{sv}", "unbind", g_variant_new_string("never"));
    if (allow)
        g_variant_builder_add(&options, "{sv}", "allow",
                              g_variant_new_strv((const char *const *) allow, -1));
    if (persist)
        g_variant_builder_add(&options, "{sv}", "persist", g_variant_new_boolean(TRUE));
    if (reason_text)
        g_variant_builder_add(&options, "{sv}", "reason", g_variant_new_string(reason_text));
    return g_variant_builder_end(&options);
}

static int set_type(Client *client, const char *group, const char *type, GVariant *options,
                    char **ret_effective)
{
    g_autoptr(GVariant) reply = NULL;
    int r;

    r = client_call_with_progress(client, group, IOMMU_POLICY_GROUP_INTERFACE, "SetType",
                                  g_variant_new("(s@a{sv})", type, options), &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(s)")))
        return -EBADMSG;

    g_variant_get(reply, "(s)", ret_effective);
    return 0;
}

/* What the group's last change left to see to: disks and interfaces with other names, addresses that are gone.
 * NULL if there is nothing, or this call changed nothing. The caller frees it. */
static char *left_to_see_to(GVariant *before, GVariant *after)
{
    g_autoptr(GVariant) old = g_variant_lookup_value(before, "LastResult", RESULT_TYPE);
    g_autoptr(GVariant) new = g_variant_lookup_value(after, "LastResult", RESULT_TYPE);
    const char *text;

    if (!old || !new || g_variant_equal(old, new))
        return NULL;
    g_variant_get_child(new, 3, "&s", &text);
    return *text ? g_strdup(text) : NULL;
}

static void print_type(Client *client, const char *target, const char *effective, const char *state,
                       const char *pending_reason, const char *note)
{
    if (client->json) {
        JsonObject *answer = json_object_new();

        json_object_set_string_member(answer, "type", effective);
        json_object_set_string_member(answer, "state", state);
        json_object_set_string_member(answer, "pending_reason", pending_reason);
        if (note)
            json_object_set_string_member(answer, "note", note);
        json_print_object(answer, false);
    } else if (strcmp(state, "pending") == 0)
        printf("%s: %s; pending: %s; see: iommuctl why %s\n", target, effective, pending_reason, target);
    else
        printf("%s: %s%s%s\n", target, effective, note ? "; " : "", note ?: "");
}

static int run_set_or_revert(Client *client, const char *target, const char *type, GVariant *options)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(options), before = NULL, properties = NULL;
    g_autofree char *group = NULL, *effective = NULL, *note = NULL;
    const char *state;
    int r;

    r = target_find_group(client, target, &group);
    if (r >= 0)
        r = client_properties(client, group, IOMMU_POLICY_GROUP_INTERFACE, &before);
    if (r >= 0)
        r = set_type(client, group, type, owned, &effective);
    if (r >= 0)
        r = client_properties(client, group, IOMMU_POLICY_GROUP_INTERFACE, &properties);
    if (r < 0)
        return r;

    state = property_string(properties, "State");
    note = left_to_see_to(before, properties);
    print_type(client, target, effective, state, property_string(properties, "PendingReason"), note);
    return strcmp(state, "pending") == 0 ? EXIT_CODE_PENDING : EXIT_CODE_DONE;
}

static int run_set(Client *client, char **arguments)
{
    if (!*arguments[1])
        return client_refuse(client, REFUSAL_NO_TYPE, arguments[0], arguments[0], NULL);
    return run_set_or_revert(client, arguments[0], arguments[1], set_options());
}

static const GOptionEntry options_of_set[] = {
    {"no-unbind", 0, 0, G_OPTION_ARG_NONE, &no_unbind, "only without unbinding a driver", NULL},
    {"allow", 0, 0, G_OPTION_ARG_STRING_ARRAY, &allow, "go ahead in spite of this finding; may be repeated",
     "ID"},
    {"persist", 0, 0, G_OPTION_ARG_NONE, &persist, "also write a rule file, so that it holds after a reboot",
     NULL},
    {"reason", 0, 0, G_OPTION_ARG_STRING, &reason_text, "for the journal and the rule file", "TEXT"},
    {NULL},
};

const Verb verb_set = {
    .name = "set",
    .arguments = "TARGET TYPE",
    .summary = "Switch a group to another type",
    .description =
        "TYPE is DMA, DMA-FQ, identity or auto. Drivers are unbound and bound again if that is needed and\n"
        "nothing uses the devices. It outranks Type= of rules, never Forbid=, until the devices change, "
        "another\n"
        "call, `revert` or reboot.",
    .options = options_of_set,
    .min_arguments = 2,
    .max_arguments = 2,
    .authorises = true,
    .run = run_set,
};

static int run_revert(Client *client, char **arguments)
{
    return run_set_or_revert(client, arguments[0], "", g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
}

const Verb verb_revert = {
    .name = "revert",
    .arguments = "TARGET",
    .summary = "Drop what `set` asked for, back to the rules",
    .description = "Without a rule for the group its type stays as it is.",
    .min_arguments = 1,
    .max_arguments = 1,
    .authorises = true,
    .run = run_revert,
};

/* What a group's STATE after Apply means for a script; the gravest of all groups counts. */
static ExitCode state_exit_code(const char *state)
{
    switch (group_state_from_string(state)) {
    case GROUP_STUCK:
        return EXIT_CODE_STUCK;
    case GROUP_FAILED:
    case GROUP_BROKEN:
        return EXIT_CODE_FAILED;
    case GROUP_PENDING:
    case GROUP_CHANGING:
        return EXIT_CODE_PENDING;
    default:
        return EXIT_CODE_DONE;
    }
}

static ExitCode graver(ExitCode a, ExitCode b)
{
    static const int order[] = {
        [EXIT_CODE_DONE] = 0,
        [EXIT_CODE_PENDING] = 1,
        [EXIT_CODE_STUCK] = 2,
        [EXIT_CODE_FAILED] = 3,
    };

    return order[a] >= order[b] ? a : b;
}

/* RESULTS: a(uss). */
static ExitCode print_apply_results(Client *client, GVariant *results)
{
    static const char *const headers[] = {"GROUP", "STATE", "REASON", NULL};
    g_autoptr(Table) table = table_new(headers, false);
    JsonArray *list = json_array_new();
    JsonObject *answer = json_object_new();
    ExitCode code = EXIT_CODE_DONE;
    const char *state, *reason;
    GVariantIter iterator;
    guint32 id;

    g_variant_iter_init(&iterator, results);
    while (g_variant_iter_next(&iterator, "(u&s&s)", &id, &state, &reason)) {
        g_autofree char *number = g_strdup_printf("%u", id);
        const char *const cells[] = {number, state, *reason ? reason : "-"};
        JsonObject *group = json_object_new();

        (void) table_add(table, NULL, cells);
        json_object_set_int_member(group, "id", id);
        json_object_set_string_member(group, "state", state);
        json_object_set_string_member(group, "reason", reason);
        json_array_add_object_element(list, group);
        code = graver(code, state_exit_code(state));
    }

    json_object_set_array_member(answer, "groups", list);
    if (client->json)
        json_print_object(json_object_ref(answer), false);
    else
        table_print(table, "Everything is settled.");
    json_object_unref(answer);
    return code;
}

static int run_apply(Client *client, char **arguments)
{
    g_autoptr(GVariant) reply = NULL, results = NULL;
    int r;

    r = client_call_with_progress(client, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE, "Apply",
                                  NULL, &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a(uss))")))
        return -EBADMSG;

    results = g_variant_get_child_value(reply, 0);
    return print_apply_results(client, results);
}

const Verb verb_apply = {
    .name = "apply",
    .summary = "Look at every group again and apply the rules",
    .description = "Also tries again what failed before. Ends with 0 if everything is settled, 6 if "
                   "something is pending,\n"
                   "7 if something is stuck, 1 if a change failed.",
    .authorises = true,
    .run = run_apply,
};

/* LIST: a(suuss), as Reload() gives it. */
static GPtrArray *diagnostics_from_variant(GVariant *list)
{
    GPtrArray *diagnostics = diagnostics_new();
    const char *file, *severity, *text;
    guint32 line, column;
    GVariantIter iterator;

    g_variant_iter_init(&iterator, list);
    while (g_variant_iter_next(&iterator, "(&suu&s&s)", &file, &line, &column, &severity, &text))
        diagnostics_add(diagnostics, strcmp(severity, "error") == 0 ? DIAGNOSTIC_ERROR : DIAGNOSTIC_WARNING,
                        file, line, column, "%s", text);
    return diagnostics;
}

static int run_reload(Client *client, char **arguments)
{
    g_autoptr(GVariant) reply = NULL, list = NULL;
    g_autoptr(GPtrArray) diagnostics = NULL;
    int r;

    r = client_call(client, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE, "Reload", NULL, &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a(suuss))")))
        return -EBADMSG;

    list = g_variant_get_child_value(reply, 0);
    diagnostics = diagnostics_from_variant(list);
    diagnostics_print(diagnostics, client->json);
    return diagnostics_count(diagnostics, DIAGNOSTIC_ERROR) > 0 ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
}

const Verb verb_reload = {
    .name = "reload",
    .summary = "Read the rule files again",
    .description = "Prints what is wrong in them as FILE:LINE:COLUMN: error: TEXT. With an error the rules "
                   "in force stay,\n"
                   "frozen, and the exit code is 1.",
    .authorises = true,
    .run = run_reload,
};

/* Runs COMMAND and returns its exit code; 128 and the number of the signal that ended it, as a shell does.
 */
static int run_command(Client *client, char **command)
{
    g_autoptr(GError) error = NULL;
    int status;

    if (!g_spawn_sync(NULL, command, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL,
                      NULL, NULL, &status, &error))
        return client_refuse(client, REFUSAL_NO_COMMAND, *command, NULL, error->message);

    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_inhibit(Client *client, char **arguments)
{
    g_autofree char *group = NULL, *line = NULL, *who = NULL;
    _cleanup_close_ int held = -EBADF;
    int r;

    r = target_find_group(client, arguments[0], &group);
    if (r < 0)
        return r;

    line = g_strjoinv(" ", arguments + 1);
    who = g_strdup_printf("iommuctl, uid %u", (unsigned) getuid());
    held = client_call_fd(client, group, IOMMU_POLICY_GROUP_INTERFACE, "Inhibit",
                          g_variant_new("(ss)", who, line));
    if (held < 0)
        return held;

    return run_command(client, arguments + 1);
}

const Verb verb_inhibit = {
    .name = "inhibit",
    .arguments = "TARGET COMMAND...",
    .summary = "Run a command while rules leave a group alone",
    .description =
        "Rules do not touch the group until the command has ended. Ends with the exit code of the command.",
    .min_arguments = 2,
    .max_arguments = G_MAXUINT,
    .authorises = true,
    .takes_command = true,
    .run = run_inhibit,
};
