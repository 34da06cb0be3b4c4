/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

/* What the bus says, as JSON: keys are the property names in snake_case. */

/* Returns NAME in snake_case: "WantedType" is "wanted_type", "dirty-tracking" is "dirty_tracking". The
 * caller frees it. */
char *json_key(const char *name);

/*
 * Returns VALUE as JSON, owned by the caller: dictionaries of strings become objects, variants what they
 * hold, other arrays and tuples arrays, and numbers that JSON readers cannot hold (above 2^63 - 1) strings.
 */
JsonNode *json_from_variant(GVariant *value);

/* As json_from_variant() for the properties of an object (a{sv}): tuples get the names of their members. */
JsonObject *json_from_properties(GVariant *properties);

/* Prints NODE on standard output with a newline; indented, or in one line if COMPACT. Consumes NODE. */
void json_print(JsonNode *node, bool compact);

/* As json_print() for an object, which it consumes. */
void json_print_object(JsonObject *object, bool compact);
