/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "iommu-policy-names.h"
#include "json.h"
#include "refusal.h"
#include "table.h"
#include "target.h"
#include "terminal.h"
#include "verb.h"

/* What the daemon knows and what it would do: nothing here changes anything. */

/* What Plan replies, borrowed from its reply. */
typedef struct PlanReply {
    GVariant *reply;
    const char *how, *refusal, *action;
    GVariant *steps, *findings;
} PlanReply;

static void plan_reply_done(PlanReply *plan)
{
    g_clear_pointer(&plan->steps, g_variant_unref);
    g_clear_pointer(&plan->findings, g_variant_unref);
    g_clear_pointer(&plan->reply, g_variant_unref);
}

static int ask_plan(Client *client, const char *group, const char *type, PlanReply *ret)
{
    GVariant *reply;
    int r;

    r = client_call(client, group, IOMMU_POLICY_GROUP_INTERFACE, "Plan",
                    g_variant_new("(s@a{sv})", type, g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0)),
                    &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(saa{sv}aa{sv}ss)"))) {
        g_variant_unref(reply);
        return -EBADMSG;
    }

    ret->reply = reply;
    g_variant_get(reply, "(&s@aa{sv}@aa{sv}&s&s)", &ret->how, &ret->steps, &ret->findings, &ret->refusal,
                  &ret->action);
    return 0;
}

/* A table of the dictionaries LIST (aa{sv}): one column for each of KEYS, headed by it. Prints nothing for
 * an empty list if TEXT_IF_EMPTY is NULL. */
static void print_dictionaries(GVariant *list, const char *const *headers, const char *const *keys,
                               const char *text_if_empty)
{
    g_autoptr(Table) table = table_new(headers, false);

    for (size_t i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        const char *cells[8];

        for (size_t j = 0; keys[j]; j++)
            cells[j] = property_string(entry, keys[j]);
        (void) table_add(table, NULL, cells);
    }
    if (text_if_empty || g_variant_n_children(list) > 0)
        table_print(table, text_if_empty);
}

static void print_findings(GVariant *findings, const char *text_if_empty)
{
    static const char *const headers[] = {"FINDING", "DEVICE", "SEVERITY", "WHAT IS IN USE", NULL};
    static const char *const keys[] = {"id", "member", "severity", "text", NULL};

    print_dictionaries(findings, headers, keys, text_if_empty);
}

static void print_plan(const PlanReply *plan)
{
    g_autofree char *refusal = printable(plan->refusal);

    printf("How: %s\n", plan->how);
    for (size_t i = 0; i < g_variant_n_children(plan->steps); i++) {
        g_autoptr(GVariant) step = g_variant_get_child_value(plan->steps, i);
        g_autofree char *text = printable(property_string(step, "text"));

        printf("  %zu. %s\n", i + 1, text);
    }
    if (*plan->action)
        printf("Authorisation: %s\n", plan->action);
    if (*refusal)
        printf("Refused: %s\n", refusal);
    print_findings(plan->findings, NULL);
}

static JsonObject *plan_json(const PlanReply *plan)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "how", plan->how);
    json_object_set_member(object, "steps", json_from_variant(plan->steps));
    json_object_set_member(object, "findings", json_from_variant(plan->findings));
    json_object_set_string_member(object, "refusal", plan->refusal);
    json_object_set_string_member(object, "action", plan->action);
    return object;
}

/* A plan that is refused is an answer, but a script wants to know it. Where there is a way and still a
 * refusal, findings stand in it. */
static int plan_exit_code(const PlanReply *plan)
{
    if (!*plan->refusal)
        return EXIT_CODE_DONE;
    return strcmp(plan->how, "refused") == 0 ? EXIT_CODE_FAILED : EXIT_CODE_IN_USE;
}

static int run_plan(Client *client, char **arguments)
{
    g_autofree char *group = NULL;
    PlanReply plan = {.reply = NULL};
    int r;

    r = target_find_group(client, arguments[0], &group);
    if (r >= 0)
        r = ask_plan(client, group, arguments[1], &plan);
    if (r < 0)
        return r;

    if (client->json)
        json_print_object(plan_json(&plan), false);
    else
        print_plan(&plan);
    r = plan_exit_code(&plan);
    plan_reply_done(&plan);
    return r;
}

const Verb verb_plan = {
    .name = "plan",
    .arguments = "TARGET TYPE",
    .summary = "Show what a change would do",
    .description =
        "Shows the steps, what stands in the way and what authorisation would be asked. Changes nothing.\n"
        "Ends with 0 if `set` would go ahead, 3 if something is in use, 1 if it is refused otherwise.",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_plan,
};

static int ask_findings(Client *client, const char *group, GVariant **ret)
{
    g_autoptr(GVariant) reply = NULL;
    int r;

    r = client_call(client, group, IOMMU_POLICY_GROUP_INTERFACE, "GetFindings", NULL, &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(aa{sv})")))
        return -EBADMSG;

    *ret = g_variant_get_child_value(reply, 0);
    return 0;
}

static int run_usage(Client *client, char **arguments)
{
    g_autoptr(GVariant) findings = NULL;
    g_autofree char *group = NULL;
    int r;

    r = target_find_group(client, arguments[0], &group);
    if (r >= 0)
        r = ask_findings(client, group, &findings);
    if (r < 0)
        return r;

    if (client->json) {
        JsonObject *answer = json_object_new();

        json_object_set_member(answer, "findings", json_from_variant(findings));
        json_print_object(answer, false);
    } else
        print_findings(findings, "Nothing is seen to use it.");
    return EXIT_CODE_DONE;
}

const Verb verb_usage = {
    .name = "usage",
    .arguments = "TARGET",
    .summary = "Show what uses the devices of a group",
    .description =
        "Shows the evidence that devices of the group are in use, with the ids that `set --allow` takes.\n"
        "Nobody passes an absolute finding; a fatal one takes an authorisation of its own.",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_usage,
};

/* What `why` shows; parts that were not asked for are NULL. */
typedef struct Explanation {
    GVariant *properties, *trail, *findings;
    const char *wanted; /* borrowed from the reply */
    GVariant *reply;
    PlanReply plan;
    bool with_plan;
} Explanation;

static void explanation_done(Explanation *why)
{
    plan_reply_done(&why->plan);
    g_clear_pointer(&why->properties, g_variant_unref);
    g_clear_pointer(&why->trail, g_variant_unref);
    g_clear_pointer(&why->findings, g_variant_unref);
    g_clear_pointer(&why->reply, g_variant_unref);
}

static int ask_explanation(Client *client, const char *group, const char *type, Explanation *why)
{
    int r;

    r = client_properties(client, group, IOMMU_POLICY_GROUP_INTERFACE, &why->properties);
    if (r >= 0)
        r = client_call(client, group, IOMMU_POLICY_GROUP_INTERFACE, "Explain", NULL, &why->reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(why->reply, G_VARIANT_TYPE("(saa{sv})")))
        return -EBADMSG;
    g_variant_get(why->reply, "(&s@aa{sv})", &why->wanted, &why->trail);

    if (type) {
        why->with_plan = true;
        return ask_plan(client, group, type, &why->plan);
    }
    if (strcmp(property_string(why->properties, "PendingReason"), "in-use") == 0)
        return ask_findings(client, group, &why->findings);
    return 0;
}

static void print_explanation(const Explanation *why, const char *type)
{
    static const char *const headers[] = {"DEVICE", "VERDICT", "WHERE", "WHY", NULL};
    static const char *const keys[] = {"member", "verdict", "origin", "text", NULL};
    const char *reason = property_string(why->properties, "PendingReason");
    g_autofree char *next_boot = next_boot_text(why->properties);

    printf("Group %u is %s", property_u32(why->properties, "Id"), property_string(why->properties, "Type"));
    if (*why->wanted)
        printf(", wanted is %s, by %s", why->wanted, property_string(why->properties, "WantedBy"));
    else
        printf(", no other type is wanted");
    printf("; %s%s%s\n", property_string(why->properties, "State"), *reason ? ": " : "", reason);
    if (next_boot) {
        g_autofree char *text = printable(next_boot);

        puts(text);
    }

    print_dictionaries(why->trail, headers, keys, "No rule, call or force of the kernel concerns it.");
    if (why->findings) {
        puts("");
        print_findings(why->findings, NULL);
    }
    if (why->with_plan) {
        printf("\nTo %s:\n", type);
        print_plan(&why->plan);
    }
}

static void print_explanation_json(const Explanation *why)
{
    JsonObject *answer = json_object_new();

    json_object_set_string_member(answer, "wanted", why->wanted);
    json_object_set_string_member(answer, "wanted_by", property_string(why->properties, "WantedBy"));
    json_object_set_string_member(answer, "state", property_string(why->properties, "State"));
    json_object_set_string_member(answer, "pending_reason",
                                  property_string(why->properties, "PendingReason"));
    json_object_set_member(answer, "trail", json_from_variant(why->trail));
    if (why->findings)
        json_object_set_member(answer, "findings", json_from_variant(why->findings));
    if (why->with_plan)
        json_object_set_object_member(answer, "plan", plan_json(&why->plan));
    json_print_object(answer, false);
}

static int run_why(Client *client, char **arguments)
{
    Explanation why = {.properties = NULL};
    g_autofree char *group = NULL;
    int r;

    r = target_find_group(client, arguments[0], &group);
    if (r >= 0)
        r = ask_explanation(client, group, arguments[1], &why);
    if (r >= 0) {
        if (client->json)
            print_explanation_json(&why);
        else
            print_explanation(&why, arguments[1]);
    }
    explanation_done(&why);
    return r < 0 ? r : EXIT_CODE_DONE;
}

const Verb verb_why = {
    .name = "why",
    .arguments = "TARGET [TYPE]",
    .summary = "Explain the type of a group",
    .description =
        "Shows every rule that matched, or nearly matched, a device of the group, and what became of it.\n"
        "With TYPE, also whether and how the group could be switched to it.",
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_why,
};
