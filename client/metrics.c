/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

typedef struct Sample {
    const char *label; /* NULL: none */
    char *value;
    guint64 sample;
} Sample;

typedef struct Metric {
    const char *name, *help;
    bool counter;
    GPtrArray *samples;
} Metric;

struct Metrics {
    GPtrArray *list;
};

static void sample_free(void *p)
{
    Sample *sample = p;

    g_free(sample->value);
    g_free(sample);
}

static void metric_free(void *p)
{
    Metric *metric = p;

    g_ptr_array_unref(metric->samples);
    g_free(metric);
}

Metrics *metrics_new(void)
{
    Metrics *metrics = g_new(Metrics, 1);

    metrics->list = g_ptr_array_new_with_free_func(metric_free);
    return metrics;
}

void metrics_free(Metrics *metrics)
{
    if (!metrics)
        return;
    g_ptr_array_unref(metrics->list);
    g_free(metrics);
}

void metrics_begin(Metrics *metrics, const char *name, bool counter, const char *help)
{
    Metric *metric = g_new(Metric, 1);

    *metric = (Metric) {
        .name = name,
        .help = help,
        .counter = counter,
        .samples = g_ptr_array_new_with_free_func(sample_free),
    };
    g_ptr_array_add(metrics->list, metric);
}

void metrics_add(Metrics *metrics, const char *label, const char *value, guint64 sample)
{
    Metric *metric = metrics->list->pdata[metrics->list->len - 1];
    Sample *added = g_new(Sample, 1);

    *added = (Sample) {.label = label, .value = g_strdup(value), .sample = sample};
    g_ptr_array_add(metric->samples, added);
}

/* In the value of a label, these three are escaped, and nothing else is. */
static void append_label(GString *text, const Sample *sample)
{
    g_string_append_printf(text, "{%s=\"", sample->label);
    for (const char *c = sample->value; *c; c++) {
        if (*c == '\n') {
            g_string_append(text, "\\n");
            continue;
        }
        if (*c == '\\' || *c == '"')
            g_string_append_c(text, '\\');
        g_string_append_c(text, *c);
    }
    g_string_append(text, "\"}");
}

static const char *kind(const Metric *metric)
{
    return metric->counter ? "counter" : "gauge";
}

char *metrics_to_text(const Metrics *metrics)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < metrics->list->len; i++) {
        const Metric *metric = metrics->list->pdata[i];

        g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                               metric->name, kind(metric));
        for (guint j = 0; j < metric->samples->len; j++) {
            const Sample *sample = metric->samples->pdata[j];

            g_string_append(text, metric->name);
            if (sample->label)
                append_label(text, sample);
            g_string_append_printf(text, " %" G_GUINT64_FORMAT "\n", sample->sample);
        }
    }
    return g_string_free(text, FALSE);
}

static JsonArray *samples_to_json(const Metric *metric)
{
    JsonArray *samples = json_array_new();

    for (guint i = 0; i < metric->samples->len; i++) {
        const Sample *sample = metric->samples->pdata[i];
        JsonObject *object = json_object_new(), *labels = json_object_new();

        if (sample->label)
            json_object_set_string_member(labels, sample->label, sample->value);
        json_object_set_object_member(object, "labels", labels);
        json_object_set_int_member(object, "value", (gint64) sample->sample);
        json_array_add_object_element(samples, object);
    }
    return samples;
}

JsonObject *metrics_to_json(const Metrics *metrics)
{
    JsonObject *answer = json_object_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; i < metrics->list->len; i++) {
        const Metric *metric = metrics->list->pdata[i];
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "name", metric->name);
        json_object_set_string_member(object, "type", kind(metric));
        json_object_set_string_member(object, "help", metric->help);
        json_object_set_array_member(object, "samples", samples_to_json(metric));
        json_array_add_object_element(list, object);
    }
    json_object_set_array_member(answer, "metrics", list);
    return answer;
}
