/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "facts.h"

/*
 * One [Match] section: terms that must all hold. A term is one key with its list of patterns, of which any
 * may match; `!` turns the whole list round. Inside policy/ only: rule-parse.c builds it, rule.c asks it,
 * rule-index.c looks for what it can be found by.
 */

typedef enum MatchKey {
    MATCH_ADDRESS,
    MATCH_PATH,
    MATCH_ID,
    MATCH_SUBSYSTEM_ID,
    MATCH_PHYSICAL_FUNCTION,
    MATCH_MODALIAS,
    MATCH_CLASS,
    MATCH_BUS,
    MATCH_REMOVABLE,
    MATCH_VIRTUAL_FUNCTION,
    MATCH_IOMMU,
    MATCH_RESERVED_DIRECT,
    MATCH_ARCHITECTURE,
    MATCH_KERNEL_COMMAND_LINE,
    MATCH_SERIAL,
    MATCH_MAC_ADDRESS,
    MATCH_DRIVER,
    MATCH_PROPERTY,
    MATCH_ANY,
    _MATCH_KEY_MAX,
    _MATCH_KEY_INVALID = -EINVAL,
} MatchKey;

/* Returns the key as it is written in a file: "Address", "Path", ... */
const char *match_key_to_string(MatchKey key);

/* True for the keys that are known only once udev has processed the device, or a driver has been bound. */
bool match_key_is_late(MatchKey key);

typedef struct MatchTerm {
    MatchKey key;
    bool negated;
    GPtrArray *patterns; /* char *: shell globs, in the spelling of the facts (lower-case ids, class codes
                            for words) */
    GString *text;       /* the values as written, for people */
} MatchTerm;

typedef struct RuleMatch {
    GPtrArray *terms; /* MatchTerm, each key once */
} RuleMatch;

RuleMatch *rule_match_new(void);
void rule_match_free(RuleMatch *match);

/* Returns the term of KEY, or NULL. */
MatchTerm *rule_match_find(const RuleMatch *match, MatchKey key);

/* Returns a new term without patterns, owned by MATCH. */
MatchTerm *rule_match_add(RuleMatch *match, MatchKey key, bool negated);

/*
 * What a device shows for a key: nothing yet (not known), or a list of values, which is empty if it is known
 * that there are none. The values are borrowed from the facts or stand in `buffer`.
 */
typedef struct FactValues {
    bool known;
    unsigned n;
    const char *one;           /* the value, if there is one at most */
    const char *const *many;   /* else the list */
    char buffer[sizeof "ffffffff:ffffffff"];
} FactValues;

/* Gathers the values of DEVICE for KEY. Not for MATCH_PROPERTY and the keys of the host. */
void fact_values_read(FactValues *values, MatchKey key, const DeviceFacts *device);
const char *fact_values_get(const FactValues *values, unsigned i);

/* Whether the term, or the whole section, holds. HOST may be NULL: its keys are then unknown. */
Tristate match_term_evaluate(const MatchTerm *term, const DeviceFacts *device, const HostFacts *host);
Tristate rule_match_evaluate(const RuleMatch *match, const DeviceFacts *device, const HostFacts *host);

/* Returns "Class=nvme does not match ethernet"; the caller frees it. */
char *match_term_describe_miss(const MatchTerm *term, const DeviceFacts *device, const HostFacts *host);
