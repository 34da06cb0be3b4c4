/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule.h"

#include "decimal.h"
#include "rule-match.h"

static const char *const unbind_words[_UNBIND_POLICY_MAX] = {
    [UNBIND_NEVER] = "never",
    [UNBIND_IDLE] = "idle",
};

const char *unbind_policy_to_string(UnbindPolicy policy)
{
    return policy >= 0 && policy < _UNBIND_POLICY_MAX ? unbind_words[policy] : NULL;
}

UnbindPolicy unbind_policy_from_string(const char *word)
{
    for (int i = 0; i < _UNBIND_POLICY_MAX; i++)
        if (g_strcmp0(word, unbind_words[i]) == 0)
            return i;
    return _UNBIND_POLICY_INVALID;
}

void rule_free(Rule *rule)
{
    if (!rule)
        return;
    g_clear_pointer(&rule->matches, g_ptr_array_unref);
    g_free(rule->file);
    g_free(rule->reason);
    g_free(rule);
}

Tristate rule_match(const Rule *rule, const DeviceFacts *device, const HostFacts *host)
{
    Tristate any = TRISTATE_NO;

    for (unsigned i = 0; i < rule->matches->len; i++)
        switch (rule_match_evaluate(rule->matches->pdata[i], device, host)) {
        case TRISTATE_YES:
            return TRISTATE_YES;
        case TRISTATE_UNKNOWN:
            any = TRISTATE_UNKNOWN;
            break;
        case TRISTATE_NO:
            break;
        }
    return any;
}

/* The one term of MATCH that does not hold while all others do. A section of one key is near to nothing. */
static const MatchTerm *only_miss(const RuleMatch *match, const DeviceFacts *device, const HostFacts *host)
{
    const MatchTerm *miss = NULL;

    if (match->terms->len < 2)
        return NULL;
    for (unsigned i = 0; i < match->terms->len; i++) {
        const MatchTerm *term = match->terms->pdata[i];
        Tristate tristate = match_term_evaluate(term, device, host);

        if (tristate == TRISTATE_YES)
            continue;
        if (tristate == TRISTATE_UNKNOWN || miss)
            return NULL;
        miss = term;
    }
    return miss;
}

char *rule_nearly(const Rule *rule, const DeviceFacts *device, const HostFacts *host)
{
    if (rule_match(rule, device, host) != TRISTATE_NO)
        return NULL;

    for (unsigned i = 0; i < rule->matches->len; i++) {
        const MatchTerm *miss = only_miss(rule->matches->pdata[i], device, host);

        if (miss)
            return match_term_describe_miss(miss, device, host);
    }
    return NULL;
}

char *rule_origin(const Rule *rule, bool forbid)
{
    char line[DECIMAL_SIZE];

    (void) decimal_write(line, forbid ? rule->forbid_line : rule->type_line);
    return g_strconcat(rule->file, ":", line, NULL);
}
