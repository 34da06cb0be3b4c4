/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "json.h"

/*
 * Figures with names, and their text as the textfile collector of Prometheus' node_exporter reads it
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based format").
 */
typedef struct Metrics Metrics;

Metrics *metrics_new(void);
void metrics_free(Metrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Metrics, metrics_free)

/* Begins the metric NAME (borrowed, static, as HELP): its samples follow. A COUNTER only grows; its name
 * ends in
 * "_total". */
void metrics_begin(Metrics *metrics, const char *name, bool counter, const char *help);

/* Adds a sample to the metric begun last; LABEL is static, or NULL for one without. */
void metrics_add(Metrics *metrics, const char *label, const char *value, guint64 sample);

/* The whole as text; the caller frees it. */
char *metrics_to_text(const Metrics *metrics);

/* The same as JSON: an object with the member `metrics`. */
JsonObject *metrics_to_json(const Metrics *metrics);
