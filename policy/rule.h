/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "domain-type.h"
#include "facts.h"
#include "finding-kind.h"

/* One rule, which is one file: blocks of matches, of which any may match, and a policy. */

typedef enum UnbindPolicy {
    UNBIND_NEVER,
    UNBIND_IDLE,
    _UNBIND_POLICY_MAX,
    _UNBIND_POLICY_INVALID = -EINVAL,
} UnbindPolicy;

/* Returns "never" or "idle". */
const char *unbind_policy_to_string(UnbindPolicy policy);
UnbindPolicy unbind_policy_from_string(const char *word);

typedef struct RuleMatch RuleMatch; /* one [Match] section, see rule-match.h; inside policy/ only */

typedef struct Rule {
    char *file;            /* "/etc/iommu-policy.d/30-nvme-lazy.conf" */
    GPtrArray *matches;    /* RuleMatch */

    bool has_type;         /* Type= is given */
    bool keep;             /* Type=keep; then `type` is not used */
    DomainType type;
    unsigned type_line;    /* where Type= stands, 0 if nowhere */
    DomainTypeSet forbid;
    unsigned forbid_line;
    UnbindPolicy unbind;
    FindingKindSet accept;
    char *reason;          /* free text, or NULL */
    bool late; /* some [Match] uses a late key: before a driver binds this rule may be undecided */
} Rule;

void rule_free(Rule *rule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rule, rule_free)

/* Whether RULE governs DEVICE on HOST; unknown if that hangs on a fact that is not known yet. */
Tristate rule_match(const Rule *rule, const DeviceFacts *device, const HostFacts *host);

/* For Explain and `iommuctl why`: if all keys but one of some [Match] of RULE match DEVICE, says which one
 * keeps it out ("Class=nvme does not match ethernet"). NULL if the rule matches, or was not that near, as is
 * every [Match] of one key alone. The caller frees it. */
char *rule_nearly(const Rule *rule, const DeviceFacts *device, const HostFacts *host);

/* Returns "file:line" of the line that gives TYPE (forbid false) or Forbid (forbid true); the caller frees
 * it. */
char *rule_origin(const Rule *rule, bool forbid);
