/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"
#include "unit.h"

static Metrics *example(void)
{
    Metrics *metrics = metrics_new();

    metrics_begin(metrics, "a_groups", false, "Groups.");
    metrics_add(metrics, "type", "DMA-FQ", 3);
    metrics_add(metrics, "type", "a\\b\"c\nd", 0);
    metrics_begin(metrics, "a_adds_total", true, "Adds.");
    metrics_add(metrics, NULL, NULL, G_GUINT64_CONSTANT(5000000000));
    return metrics;
}

START_TEST(as_prometheus_reads_it)
{
    g_autoptr(Metrics) metrics = example();
    g_autofree char *text = metrics_to_text(metrics);

    ck_assert_str_eq(text, "# HELP a_groups Groups.\n# TYPE a_groups gauge\n"
                           "a_groups{type=\"DMA-FQ\"} 3\n"
                           "a_groups{type=\"a\\\\b\\\"c\\nd\"} 0\n"
                           "# HELP a_adds_total Adds.\n# TYPE a_adds_total counter\n"
                           "a_adds_total 5000000000\n");
}
END_TEST

START_TEST(as_json)
{
    g_autoptr(Metrics) metrics = example();
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_take_object(node, metrics_to_json(metrics));
    text = json_to_string(node, FALSE);
    ck_assert_str_eq(
        text, "{\"metrics\":[{\"name\":\"a_groups\",\"type\":\"gauge\",\"help\":\"Groups.\",\"samples\":["
              "{\"labels\":{\"type\":\"DMA-FQ\"},\"value\":3},"
              "{\"labels\":{\"type\":\"a\\\\b\\\"c\\nd\"},\"value\":0}]},"
              "{\"name\":\"a_adds_total\",\"type\":\"counter\",\"help\":\"Adds.\",\"samples\":["
              "{\"labels\":{},\"value\":5000000000}]}]}");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("metrics");

    tcase_add_test(cases, as_prometheus_reads_it);
    tcase_add_test(cases, as_json);
    return unit_run("metrics", cases);
}
