/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "json.h"
#include "unit.h"

static const struct {
    const char *name, *key;
} keys[] = {
    {"Id", "id"},
    {"WantedType", "wanted_type"},
    {"DmaMaskBits", "dma_mask_bits"},
    {"RulesChangedOnDisk", "rules_changed_on_disk"},
    {"dirty-tracking", "dirty_tracking"},
    {"member", "member"},
};

START_TEST(key_is_snake_case)
{
    g_autofree char *key = json_key(keys[_i].name);

    ck_assert_str_eq(key, keys[_i].key);
}
END_TEST

static const struct {
    const char *value, *json;
} values[] = {
    {"true", "true"},
    {"'DMA-FQ'", "\"DMA-FQ\""},
    {"uint32 4294967295", "4294967295"},
    {"uint64 9223372036854775807", "9223372036854775807"},
    {"uint64 18446744073709551615", "\"18446744073709551615\""},
    {"@as []", "[]"},
    {"['DMA', 'identity']", "[\"DMA\",\"identity\"]"},
    {"objectpath '/a'", "\"/a\""},
    {"<<'x'>>", "\"x\""},
    {"@a{sv} {}", "{}"},
    {"[{'Id': <uint32 7>, 'text': <'a \"b\"'>}]", "[{\"id\":7,\"text\":\"a \\\"b\\\"\"}]"},
    {"(uint32 1, 'a')", "[1,\"a\"]"},
};

START_TEST(value_as_json)
{
    g_autoptr(GVariant) value = g_variant_parse(NULL, values[_i].value, NULL, NULL, NULL);
    g_autoptr(JsonNode) node = NULL;
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(value);
    node = json_from_variant(value);
    text = json_to_string(node, FALSE);
    ck_assert_str_eq(text, values[_i].json);
}
END_TEST

START_TEST(properties_name_their_tuples)
{
    g_autoptr(GVariant) properties =
        g_variant_parse(G_VARIANT_TYPE_VARDICT,
                        "{'ReservedRegions': <[(uint64 1, uint64 2, 'msi')]>,"
                        " 'LastResult': <(uint64 5, 'DMA', 'org.iommupolicy1.Error.InUse', 'group 7')>}",
                        NULL, NULL, NULL);
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(properties);
    json_node_take_object(node, json_from_properties(properties));
    text = json_to_string(node, FALSE);
    ck_assert_str_eq(
        text, "{\"reserved_regions\":[{\"start\":1,\"end\":2,\"type\":\"msi\"}],"
              "\"last_result\":{\"time\":5,\"type\":\"DMA\",\"error\":\"org.iommupolicy1.Error.InUse\","
              "\"text\":\"group 7\"}}");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("shape");

    tcase_add_loop_test(tests, key_is_snake_case, 0, G_N_ELEMENTS(keys));
    tcase_add_loop_test(tests, value_as_json, 0, G_N_ELEMENTS(values));
    tcase_add_test(tests, properties_name_their_tuples);
    return unit_run("json", tests);
}
