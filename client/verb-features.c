/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device-features.h"
#include "iommu-policy-names.h"
#include "json.h"
#include "refusal.h"
#include "table.h"
#include "target.h"
#include "terminal.h"
#include "verb.h"

/* In the order of the manual; docs/features.md says all of it. */
static const struct {
    const char *name, *meaning;
} meanings[] = {
#define FEATURE(name, meaning) {name, meaning},
#include "feature-meanings.h"
#undef FEATURE
};

/* What is asked of the daemon for one device. */
typedef struct Answer {
    GVariant *device, *group, *features, *trail; /* without a group: no `group`, and an empty trail */
} Answer;

static void answer_done(Answer *answer)
{
    g_clear_pointer(&answer->device, g_variant_unref);
    g_clear_pointer(&answer->group, g_variant_unref);
    g_clear_pointer(&answer->features, g_variant_unref);
    g_clear_pointer(&answer->trail, g_variant_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_done)

/* The member NUMBER of the reply of METHOD, which is of type TYPE. */
static int ask(Client *client, const char *path, const char *interface, const char *method, const char *type,
               size_t number, GVariant **ret)
{
    g_autoptr(GVariant) reply = NULL;
    int r;

    r = client_call(client, path, interface, method, NULL, &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE(type)))
        return -EBADMSG;
    *ret = g_variant_get_child_value(reply, number);
    return 0;
}

static int ask_all(Client *client, const char *path, Answer *answer)
{
    const char *group;
    int r;

    r = client_properties(client, path, IOMMU_POLICY_DEVICE_INTERFACE, &answer->device);
    if (r >= 0)
        r = ask(client, path, IOMMU_POLICY_DEVICE_INTERFACE, "GetFeatures", "(a{s(bb)})", 0,
                &answer->features);
    if (r < 0)
        return r;
    group = property_string(answer->device, "Group");
    if (strcmp(group, "/") == 0) {
        answer->trail = g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("a{sv}"), NULL, 0));
        return 0;
    }
    r = client_properties(client, group, IOMMU_POLICY_GROUP_INTERFACE, &answer->group);
    if (r >= 0)
        r = ask(client, group, IOMMU_POLICY_GROUP_INTERFACE, "Explain", "(saa{sv})", 1, &answer->trail);
    return r;
}

/* The texts of the notes in the trail that are about this device or its group; free with
 * g_ptr_array_unref(). */
static GPtrArray *notes(const Answer *answer)
{
    const char *name = property_string(answer->device, "Name");
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    for (size_t i = 0; i < g_variant_n_children(answer->trail); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(answer->trail, i);
        const char *member = property_string(entry, "member");

        if (strcmp(property_string(entry, "verdict"), "note") == 0 &&
            (!*member || strcmp(member, name) == 0))
            g_ptr_array_add(list, g_strdup(property_string(entry, "text")));
    }
    return list;
}

/* "yes", "no", or NULL where "no" would only mean that nothing tells. */
static const char *available_text(const Answer *answer, const char *name, bool available)
{
    if (available)
        return "yes";
    return feature_is_told(property_string(answer->device, "Iommu"), name) ? "no" : NULL;
}

static void print_features(const Answer *answer)
{
    static const char *const headers[] = {"FEATURE", "AVAILABLE", "ENABLED", "MEANING", NULL};
    g_autoptr(Table) table = table_new(headers, false);

    for (size_t i = 0; i < G_N_ELEMENTS(meanings); i++) {
        const char *name = meanings[i].name, *text;
        gboolean available, enabled;

        if (!g_variant_lookup(answer->features, name, "(bb)", &available, &enabled))
            continue;
        text = available_text(answer, name, available);
        (void) table_add(
            table, NULL,
            (const char *const[]){name, text ?: "not known", enabled ? "yes" : "no", meanings[i].meaning});
    }
    table_print(table, "");
}

static void print_regions(GVariant *group)
{
    g_autoptr(GVariant) regions = g_variant_lookup_value(group, "ReservedRegions", G_VARIANT_TYPE("a(tts)"));

    for (size_t i = 0; regions && i < g_variant_n_children(regions); i++) {
        guint64 start, end;
        const char *kind;

        g_variant_get_child(regions, i, "(tt&s)", &start, &end, &kind);
        printf("Reserved: %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %s\n", start, end, kind);
    }
}

static void print_answer(const Answer *answer)
{
    const char *iommu = property_string(answer->device, "Iommu");
    guint32 bits = property_u32(answer->device, "DmaMaskBits");
    g_autoptr(GPtrArray) list = notes(answer);

    printf("%s:%s", property_string(answer->device, "Bus"), property_string(answer->device, "Name"));
    if (answer->group)
        printf(" in group %u", property_u32(answer->group, "Id"));
    if (*iommu)
        printf(" behind %s\n", iommu);
    else
        printf(", not behind an IOMMU\n");
    print_features(answer);
    if (bits > 0)
        printf("DMA mask: %u bits\n", bits);
    if (answer->group)
        print_regions(answer->group);
    for (guint i = 0; i < list->len; i++) {
        g_autofree char *text = printable(list->pdata[i]);

        printf("Note: %s\n", text);
    }
}

static JsonObject *features_json(const Answer *answer)
{
    JsonObject *object = json_object_new();
    gboolean available, enabled;
    GVariantIter iterator;
    const char *name;

    g_variant_iter_init(&iterator, answer->features);
    while (g_variant_iter_next(&iterator, "{&s(bb)}", &name, &available, &enabled)) {
        g_autofree char *key = json_key(name);
        JsonObject *feature = json_object_new();

        if (available_text(answer, name, available))
            json_object_set_boolean_member(feature, "available", available);
        else
            json_object_set_null_member(feature, "available");
        json_object_set_boolean_member(feature, "enabled", enabled);
        json_object_set_object_member(object, key, feature);
    }
    return object;
}

static JsonObject *answer_json(const Answer *answer)
{
    g_autoptr(GPtrArray) list = notes(answer);
    JsonObject *object = json_object_new();
    JsonArray *texts = json_array_new();

    for (guint i = 0; i < list->len; i++)
        json_array_add_string_element(texts, list->pdata[i]);
    json_object_set_string_member(object, "bus", property_string(answer->device, "Bus"));
    json_object_set_string_member(object, "iommu", property_string(answer->device, "Iommu"));
    if (answer->group) {
        g_autoptr(JsonObject) properties = json_from_properties(answer->group);

        json_object_set_int_member(object, "group", property_u32(answer->group, "Id"));
        json_object_set_member(object, "reserved_regions",
                               json_node_copy(json_object_get_member(properties, "reserved_regions")));
    }
    json_object_set_int_member(object, "dma_mask_bits", property_u32(answer->device, "DmaMaskBits"));
    json_object_set_object_member(object, "features", features_json(answer));
    json_object_set_array_member(object, "notes", texts);
    return object;
}

static int run_features(Client *client, char **arguments)
{
    g_autoptr(JsonObject) object = json_object_new();
    g_auto(GStrv) devices = NULL;
    int r;

    r = target_find_devices(client, arguments[0], &devices);
    for (size_t i = 0; r >= 0 && devices[i]; i++) {
        g_auto(Answer) answer = {};

        r = ask_all(client, devices[i], &answer);
        if (r < 0)
            break;
        if (client->json) {
            json_object_set_object_member(object, property_string(answer.device, "Name"),
                                          answer_json(&answer));
            continue;
        }
        if (i > 0)
            puts("");
        print_answer(&answer);
    }
    if (r < 0)
        return r;
    if (client->json)
        json_print_object(g_steal_pointer(&object), false);
    return EXIT_CODE_DONE;
}

const Verb verb_features = {
    .name = "features",
    .arguments = "TARGET",
    .summary = "Show what devices and their IOMMU can do",
    .description =
        "Shows for each device of the group, or for the one device, what it and its IOMMU have together\n"
        "and what is enabled now, how far it can address, and what the firmware or the kernel has\n"
        "reserved. \"not known\" (null in JSON): this kind of IOMMU does not show its registers.\n"
        "This may wake the device.",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_features,
};
