/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "facts.h"
#include "rule.h"

/*
 * Finds the [Match] sections that a device could match, so that most rules are never looked at. Each section
 * is filed under its most telling key, by the literal text its patterns start with: the whole of
 * "144d:a808", the "8086:" of "8086:*", the "0x0108" of a class. A section without such a key is a candidate
 * for every device, and one filed under a late key for every device on which that key is not known yet.
 */
typedef struct RuleIndex RuleIndex;

/* A section: its place in the order of rules, and in its rule. */
typedef struct IndexedMatch {
    unsigned rule;
    unsigned match;
} IndexedMatch;

/* RULES (array of Rule) is borrowed for the life of the index. */
RuleIndex *rule_index_new(const GPtrArray *rules);
void rule_index_free(RuleIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleIndex, rule_index_free)

/* Returns the candidates for DEVICE, numbers for rule_index_get(), ascending and each once: array of
 * guint32, which the caller frees. Ascending numbers are in the order of the rules. */
GArray *rule_index_candidates(const RuleIndex *index, const DeviceFacts *device);

const IndexedMatch *rule_index_get(const RuleIndex *index, guint32 number);
