/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "rule.h"

/* The largest rule file that is read. */
#define RULE_FILE_MAX_SIZE (64 * 1024)

/*
 * Reads one rule from SIZE bytes at DATA. FILE is its name in diagnostics and in the rule. Errors and
 * warnings, each with its place, are added to DIAGNOSTICS.
 *
 * Returns the rule, owned by the caller, or NULL if there is any error: a rule that was meant to say more
 * than it says must not be in force.
 */
Rule *rule_parse(const char *data, size_t size, const char *file, GPtrArray *diagnostics);
