/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "facts.h"
#include "rule.h"

/* The text of a rule file that names the members of one group, each by its Path and Id: what a call leaves
 * behind
 * (`persist`), and what iommuctl makes of the types that are set. */
typedef struct RuleFile {
    const char *comment; /* the first line, without "# " */
    DomainType type;
    UnbindPolicy unbind;
    FindingKindSet accept;
    const char *reason;  /* free text, or NULL */
} RuleFile;

/*
 * Returns the file's text; the caller frees it. MEMBERS are DeviceFacts, of which path, vendor, device and
 * bridge are asked: bridges are not named. Whatever stands in paths and texts, the file can be read again,
 * and its rule matches those members. Nothing but bridges make a file without a match, which no reader
 * takes: look before.
 */
char *rule_file_text(const RuleFile *rule, const DeviceFacts *const *members, size_t n_members);
