/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <stdio.h>

/* The properties that are tuples, and what their members are called. */
static const struct {
    const char *property;
    const char *members[5];
} named_tuples[] = {
    {"ReservedRegions", {"start", "end", "type"}},
    {"LastResult", {"time", "type", "error", "text"}},
};

char *json_key(const char *name)
{
    GString *key = g_string_new(NULL);

    for (const char *c = name; *c; c++) {
        if (g_ascii_isupper(*c) && c > name && !g_ascii_isupper(c[-1]))
            g_string_append_c(key, '_');
        g_string_append_c(key, *c == '-' ? '_' : g_ascii_tolower(*c));
    }
    return g_string_free(key, FALSE);
}

static JsonNode *number_node(guint64 number)
{
    if (number <= G_MAXINT64)
        return json_node_init_int(json_node_alloc(), number);

    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    return json_node_init_string(json_node_alloc(), text);
}

static JsonNode *array_node(GVariant *container)
{
    JsonArray *array = json_array_new();
    JsonNode *node;

    for (size_t i = 0; i < g_variant_n_children(container); i++) {
        g_autoptr(GVariant) member = g_variant_get_child_value(container, i);

        json_array_add_element(array, json_from_variant(member));
    }
    node = json_node_init_array(json_node_alloc(), array);
    json_array_unref(array);
    return node;
}

static JsonNode *object_node(JsonObject *object)
{
    JsonNode *node = json_node_init_object(json_node_alloc(), object);

    json_object_unref(object);
    return node;
}

static JsonNode *dictionary_node(GVariant *dictionary)
{
    JsonObject *object = json_object_new();

    for (size_t i = 0; i < g_variant_n_children(dictionary); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(dictionary, i);
        g_autoptr(GVariant) name = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) value = g_variant_get_child_value(entry, 1);
        g_autofree char *key = json_key(g_variant_get_string(name, NULL));

        json_object_set_member(object, key, json_from_variant(value));
    }
    return object_node(object);
}

JsonNode *json_from_variant(GVariant *value)
{
    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_BOOLEAN:
        return json_node_init_boolean(json_node_alloc(), g_variant_get_boolean(value));
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
        return json_node_init_string(json_node_alloc(), g_variant_get_string(value, NULL));
    case G_VARIANT_CLASS_UINT32:
        return number_node(g_variant_get_uint32(value));
    case G_VARIANT_CLASS_UINT64:
        return number_node(g_variant_get_uint64(value));
    case G_VARIANT_CLASS_INT32:
        return json_node_init_int(json_node_alloc(), g_variant_get_int32(value));
    case G_VARIANT_CLASS_VARIANT: {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);

        return json_from_variant(inner);
    }
    case G_VARIANT_CLASS_ARRAY:
        return g_variant_type_is_subtype_of(g_variant_get_type(value), G_VARIANT_TYPE("a{s*}"))
                   ? dictionary_node(value)
                   : array_node(value);
    case G_VARIANT_CLASS_TUPLE:
        return array_node(value);
    default:
        return json_node_new(JSON_NODE_NULL);
    }
}

static JsonNode *named_tuple(GVariant *tuple, const char *const *members)
{
    JsonObject *object = json_object_new();

    for (size_t i = 0; i < g_variant_n_children(tuple) && members[i]; i++) {
        g_autoptr(GVariant) member = g_variant_get_child_value(tuple, i);

        json_object_set_member(object, members[i], json_from_variant(member));
    }
    return object_node(object);
}

/* VALUE is a tuple, or an array of tuples. */
static JsonNode *named_value(GVariant *value, const char *const *members)
{
    JsonArray *array;
    JsonNode *node;

    if (g_variant_classify(value) == G_VARIANT_CLASS_TUPLE)
        return named_tuple(value, members);

    array = json_array_new();
    for (size_t i = 0; i < g_variant_n_children(value); i++) {
        g_autoptr(GVariant) tuple = g_variant_get_child_value(value, i);

        json_array_add_element(array, named_tuple(tuple, members));
    }
    node = json_node_init_array(json_node_alloc(), array);
    json_array_unref(array);
    return node;
}

JsonObject *json_from_properties(GVariant *properties)
{
    JsonObject *object = json_object_new();
    GVariantIter iterator;
    GVariant *value;
    const char *name;

    g_variant_iter_init(&iterator, properties);
    while (g_variant_iter_loop(&iterator, "{&sv}", &name, &value)) {
        g_autofree char *key = json_key(name);
        const char *const *members = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(named_tuples); i++)
            if (g_str_equal(named_tuples[i].property, name))
                members = named_tuples[i].members;
        json_object_set_member(object, key,
                               members ? named_value(value, members) : json_from_variant(value));
    }
    return object;
}

void json_print(JsonNode *node, bool compact)
{
    g_autofree char *text = json_to_string(node, !compact);

    puts(text);
    if (compact)
        fflush(stdout);
    json_node_unref(node);
}

void json_print_object(JsonObject *object, bool compact)
{
    json_print(object_node(object), compact);
}
