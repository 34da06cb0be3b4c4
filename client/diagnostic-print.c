/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diagnostic-print.h"

#include <stdio.h>

#include "json.h"

static JsonObject *diagnostic_json(const Diagnostic *diagnostic)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "file", diagnostic->file);
    json_object_set_int_member(object, "line", diagnostic->line);
    json_object_set_int_member(object, "column", diagnostic->column);
    json_object_set_string_member(object, "severity",
                                  diagnostic->severity == DIAGNOSTIC_ERROR ? "error" : "warning");
    json_object_set_string_member(object, "text", diagnostic->text);
    return object;
}

static void print_json(const GPtrArray *diagnostics)
{
    JsonObject *answer = json_object_new();
    JsonArray *list = json_array_new();

    for (size_t i = 0; i < diagnostics->len; i++)
        json_array_add_object_element(list, diagnostic_json(diagnostics->pdata[i]));
    json_object_set_array_member(answer, "diagnostics", list);
    json_print_object(answer, false);
}

void diagnostics_print(const GPtrArray *diagnostics, bool json)
{
    if (json) {
        print_json(diagnostics);
        return;
    }

    for (size_t i = 0; i < diagnostics->len; i++) {
        g_autofree char *line = diagnostic_to_string(diagnostics->pdata[i]);

        puts(line);
    }
}
