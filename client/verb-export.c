/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "domain-type.h"
#include "group-state.h"
#include "inventory.h"
#include "iommu-policy-names.h"
#include "json.h"
#include "metrics.h"
#include "refusal.h"
#include "verb.h"

/* What the daemon knows, for programs that gather it: Prometheus, and Node Feature Discovery of
 * Kubernetes. */

static gboolean for_prometheus, for_nfd;

/* The namespace whose labels NFD sets without further leave; new versions want it written, old ones would
 * add it. */
#define LABEL_PREFIX "feature.node.kubernetes.io/iommu-policy."

typedef struct Figures {
    GVariant *manager;
    guint types[_DOMAIN_TYPE_MAX], states[_GROUP_STATE_MAX], pending[_PENDING_REASON_MAX];
    guint groups, unread, conflicts, not_as_wanted, external_in_identity;
    GHashTable *families; /* set of borrowed words: "intel" */
} Figures;

static void figures_done(Figures *figures)
{
    g_clear_pointer(&figures->manager, g_variant_unref);
    g_clear_pointer(&figures->families, g_hash_table_unref);
}

static PendingReason reason_of(GVariant *group)
{
    for (PendingReason reason = 0; reason < _PENDING_REASON_MAX; reason++)
        if (strcmp(property_string(group, "PendingReason"), pending_reason_to_string(reason)) == 0)
            return reason;
    return PENDING_NONE;
}

static void count_members(const GPtrArray *members, bool identity, Figures *figures)
{
    bool external = false;

    for (guint i = 0; i < members->len; i++) {
        const char *family = property_string(members->pdata[i], "Iommu");

        external |= property_boolean(members->pdata[i], "Untrusted");
        if (*family)
            g_hash_table_add(figures->families, (char *) family);
    }
    figures->external_in_identity += identity && external;
}

static void count_group(GHashTable *objects, GVariant *group, Figures *figures)
{
    g_autoptr(GPtrArray) members = inventory_members(objects, group);
    const char *type = property_string(group, "Type"), *wanted = property_string(group, "WantedType");
    DomainType known = domain_type_from_string(type);
    GroupState state = group_state_from_string(property_string(group, "State"));

    figures->groups++;
    if (known >= 0)
        figures->types[known]++;
    else
        figures->unread++;
    if (state >= 0)
        figures->states[state]++;
    if (state == GROUP_PENDING)
        figures->pending[reason_of(group)]++;
    figures->conflicts += property_boolean(group, "Conflict");
    /* What `auto` ends in is the kernel's affair; its state says whether it is settled. */
    figures->not_as_wanted += *wanted && strcmp(wanted, "auto") != 0 && strcmp(wanted, type) != 0;
    count_members(members, known == DOMAIN_TYPE_IDENTITY, figures);
}

static int count_all(Client *client, GHashTable **ret_objects, Figures *figures)
{
    g_autoptr(GPtrArray) groups = NULL;
    int r;

    r = client_properties(client, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE, &figures->manager);
    if (r >= 0)
        r = client_objects(client, ret_objects);
    if (r < 0)
        return r;

    figures->families = g_hash_table_new(g_str_hash, g_str_equal);
    groups = inventory_groups(*ret_objects);
    for (guint i = 0; i < groups->len; i++)
        count_group(*ret_objects, groups->pdata[i], figures);
    return 0;
}

static void add_states(Metrics *metrics, const Figures *figures)
{
    static const char *const words[] = {"running", "frozen", "disabled"};
    const char *state = property_string(figures->manager, "State");

    metrics_begin(
        metrics, "iommu_policy_state", false,
        "1 for the state that the daemon is in: frozen with a refused rule file, disabled by the kernel "
        "command line.");
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        metrics_add(metrics, "state", words[i], strcmp(state, words[i]) == 0);

    metrics_begin(metrics, "iommu_policy_boot_default_info", false,
                  "The type that the kernel gives to groups by itself.");
    metrics_add(metrics, "type", property_string(figures->manager, "BootDefaultType"), 1);
}

static void add_groups(Metrics *metrics, const Figures *figures)
{
    metrics_begin(metrics, "iommu_policy_groups", false, "IOMMU groups by their type.");
    for (DomainType type = 0; type < _DOMAIN_TYPE_MAX; type++)
        if (type != DOMAIN_TYPE_AUTO)
            metrics_add(metrics, "type", domain_type_to_string(type), figures->types[type]);
    metrics_add(metrics, "type", "", figures->unread);

    metrics_begin(metrics, "iommu_policy_groups_by_state", false, "IOMMU groups by their state.");
    for (GroupState state = 0; state < _GROUP_STATE_MAX; state++)
        metrics_add(metrics, "state", group_state_to_string(state), figures->states[state]);

    metrics_begin(metrics, "iommu_policy_pending_groups", false,
                  "IOMMU groups that wait for their wanted type, by the reason.");
    for (PendingReason reason = PENDING_NONE + 1; reason < _PENDING_REASON_MAX; reason++)
        metrics_add(metrics, "reason", pending_reason_to_string(reason), figures->pending[reason]);
}

static void add_one(Metrics *metrics, const char *name, const char *help, guint64 sample)
{
    metrics_begin(metrics, name, g_str_has_suffix(name, "_total"), help);
    metrics_add(metrics, NULL, NULL, sample);
}

static void add_manager(Metrics *metrics, const Figures *figures)
{
    g_autofree const char **files = property_strings(figures->manager, "RuleFiles");

    add_one(metrics, "iommu_policy_not_as_wanted_groups", "IOMMU groups whose type is not the wanted one.",
            figures->not_as_wanted);
    add_one(metrics, "iommu_policy_conflict_groups", "IOMMU groups for which rules want different types.",
            figures->conflicts);
    add_one(metrics, "iommu_policy_forbidden_groups", "IOMMU groups with a type that a rule forbids.",
            property_u32(figures->manager, "Forbidden"));
    add_one(metrics, "iommu_policy_external_identity_groups",
            "IOMMU groups in identity with an external device: it can read and write all memory.",
            figures->external_in_identity);
    add_one(metrics, "iommu_policy_untranslated_devices",
            "Devices without an IOMMU group although a rule asks for protection.",
            property_u32(figures->manager, "Untranslated"));
    add_one(metrics, "iommu_policy_rule_files", "Rule files in force.", g_strv_length((char **) files));
    add_one(metrics, "iommu_policy_rules_changed_on_disk",
            "1 if the rule files are not those that the daemon has read.",
            property_boolean(figures->manager, "RulesChangedOnDisk"));
    add_one(metrics, "iommu_policy_initramfs_stale", "1 if the next boot begins with other rules.",
            property_boolean(figures->manager, "InitramfsStale"));
    add_one(metrics, "iommu_policy_adds_before_driver_total",
            "Added devices that had the type of their rule before their driver was bound.",
            property_u32(figures->manager, "AddsBeforeDriver"));
    add_one(metrics, "iommu_policy_adds_after_driver_total",
            "Added devices whose driver was bound before their rule could be applied.",
            property_u32(figures->manager, "AddsAfterDriver"));
}

/* FIGURES is NULL if the daemon did not answer. */
static void print_metrics(const Client *client, const Figures *figures)
{
    g_autoptr(Metrics) metrics = metrics_new();
    g_autofree char *text = NULL;

    add_one(metrics, "iommu_policy_up", "1 if the daemon answers.", figures != NULL);
    if (figures) {
        add_states(metrics, figures);
        add_groups(metrics, figures);
        add_manager(metrics, figures);
    }

    if (client->json) {
        json_print_object(metrics_to_json(metrics), false);
        return;
    }
    text = metrics_to_text(metrics);
    fputs(text, stdout);
}

/* The value of a label is a word, or nothing is said. */
static void set_label(JsonObject *labels, const char *name, const char *value)
{
    g_autofree char *key = g_strconcat(LABEL_PREFIX, name, NULL);

    if (*value)
        json_object_set_string_member(labels, key, value);
}

static void set_flag(JsonObject *labels, const char *name, bool flag)
{
    set_label(labels, name, flag ? "true" : "false");
}

static void set_count(JsonObject *labels, const char *name, guint count)
{
    g_autofree char *text = g_strdup_printf("%u", count);

    set_label(labels, name, text);
}

static JsonObject *labels_of(const Figures *figures)
{
    g_autofree const char **features = property_strings(figures->manager, "KernelFeatures");
    JsonObject *labels = json_object_new();
    GHashTableIter iterator;
    gpointer family;

    set_label(labels, "state", property_string(figures->manager, "State"));
    set_label(labels, "boot-default", property_string(figures->manager, "BootDefaultType"));
    set_flag(labels, "settled", figures->states[GROUP_SETTLED] == figures->groups);
    set_flag(labels, "translated", figures->groups > 0 && figures->types[DOMAIN_TYPE_IDENTITY] == 0 &&
                                       property_u32(figures->manager, "Untranslated") == 0);
    set_flag(labels, "external-identity", figures->external_in_identity > 0);
    set_count(labels, "groups", figures->groups);
    set_count(labels, "groups.DMA", figures->types[DOMAIN_TYPE_DMA]);
    set_count(labels, "groups.DMA-FQ", figures->types[DOMAIN_TYPE_DMA_FQ]);
    set_count(labels, "groups.identity", figures->types[DOMAIN_TYPE_IDENTITY]);
    set_count(labels, "forbidden", property_u32(figures->manager, "Forbidden"));
    for (size_t i = 0; features[i]; i++) {
        g_autofree char *name = g_strconcat("kernel.", features[i], NULL);

        set_flag(labels, name, true);
    }
    g_hash_table_iter_init(&iterator, figures->families);
    while (g_hash_table_iter_next(&iterator, &family, NULL)) {
        g_autofree char *name = g_strconcat("iommu.", family, NULL);

        /* A family that we have no word for has the kernel's, which may hold anything. */
        g_strcanon(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.", '_');
        set_flag(labels, name, true);
    }
    return labels;
}

static void print_label(JsonObject *labels, const char *name, JsonNode *value, void *userdata)
{
    printf("%s=%s\n", name, json_node_get_string(value));
}

/* The local source of NFD: a line KEY=VALUE for each label, "#" before comments
 * (https://kubernetes-sigs.github.io/node-feature-discovery/, "Customization guide"). */
static void print_labels(const Client *client, const Figures *figures)
{
    JsonObject *labels = labels_of(figures), *answer;

    if (client->json) {
        answer = json_object_new();
        json_object_set_object_member(answer, "labels", labels);
        json_print_object(answer, false);
        return;
    }
    puts("# Written by iommuctl export --nfd");
    json_object_foreach_member(labels, print_label, NULL);
    json_object_unref(labels);
}

static int run_export(Client *client, char **arguments)
{
    g_autoptr(GHashTable) objects = NULL;
    Figures figures = {.groups = 0};
    int r;

    if (!for_prometheus == !for_nfd)
        return client_refuse(client, REFUSAL_USAGE, "export", "export", "one of --prometheus and --nfd");

    r = client_connect(client);
    if (r >= 0)
        r = count_all(client, &objects, &figures);
    if (for_prometheus)
        print_metrics(client, r < 0 ? NULL : &figures);
    else if (r >= 0)
        print_labels(client, &figures);
    figures_done(&figures);
    return r < 0 ? r : EXIT_CODE_DONE;
}

static const GOptionEntry export_options[] = {
    {"prometheus", 0, 0, G_OPTION_ARG_NONE, &for_prometheus,
     "figures, for the textfile collector of Prometheus' node_exporter", NULL},
    {"nfd", 0, 0, G_OPTION_ARG_NONE, &for_nfd,
     "labels, for the local source of Kubernetes' Node Feature Discovery", NULL},
    {NULL},
};

const Verb verb_export = {
    .name = "export",
    .arguments = "--prometheus|--nfd",
    .summary = "Print figures for monitoring, or labels for Kubernetes",
    .description = "Prints what the daemon knows in a format that another program gathers. Without a daemon "
                   "--prometheus says\n"
                   "so in iommu_policy_up, and --nfd prints nothing; both end with 1.",
    .options = export_options,
    .offline = true, /* that the daemon is not there is a figure, too */
    .run = run_export,
};
