/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two smaller questions to the rules: may a call ask for this type, and is a device without a group one that
 * some rule wanted translated? */
#include "decision.h"

#include "wish.h"

typedef struct Untranslated {
    const Rule *rule;
    bool forbid;
    bool searching; /* for Type= */
} Untranslated;

static bool visit_untranslated(const Rule *rule, Tristate match, void *userdata)
{
    Untranslated *found = userdata;

    if (rule->forbid != 0) {
        found->rule = rule;
        found->forbid = true;
        return false;
    }
    if (rule->has_type && found->searching) {
        found->searching = false;
        if (match == TRISTATE_YES && !rule->keep && domain_type_strictness(rule->type) > 0) {
            found->rule = rule;
            return false;
        }
    }
    return true;
}

bool decision_untranslated(const RuleSet *rules, const HostFacts *host, const DeviceFacts *device,
                           char **ret_origin)
{
    Untranslated found = {.searching = true};

    rule_set_match(rules, device, host, visit_untranslated, &found);
    if (!found.rule)
        return false;
    if (ret_origin)
        *ret_origin = rule_origin(found.rule, found.forbid);
    return true;
}

typedef struct Forbidding {
    DomainTypeSet types;
    const Rule *rule;
} Forbidding;

static bool visit_forbidding(const Rule *rule, Tristate match, void *userdata)
{
    Forbidding *forbidding = userdata;

    if (!(rule->forbid & forbidding->types))
        return true;
    forbidding->rule = rule;
    return false;
}

static const DecisionMember *find_forced_member(const DecisionInput *input, DomainTypeSet types)
{
    for (size_t i = 0; i < input->n_members; i++) {
        DomainType forced = input->members[i].kernel_type;

        if (forced >= 0 && (types & ~DOMAIN_TYPE_BIT(forced)))
            return &input->members[i];
    }
    return NULL;
}

static char *describe_not_given(const DecisionInput *input, DomainType type)
{
    const DecisionMember *forced = find_forced_member(input, wish_outcome(type, input));

    if (forced)
        return g_strdup_printf("the kernel forces %s for %s: %s", domain_type_to_string(forced->kernel_type),
                               forced->facts->name, forced->kernel_reason ?: "no reason is known");
    if (type == DOMAIN_TYPE_AUTO)
        return g_strdup("auto may end in a type that this group cannot have");
    return g_strdup_printf("this kernel and IOMMU do not give %s",
                           domain_type_to_string(type) ?: "that type");
}

/* ret_* may be NULL. */
static void give(char **ret, char *text)
{
    if (ret)
        *ret = text;
    else
        g_free(text);
}

int decision_judge_call(const RuleSet *rules, const HostFacts *host, const DecisionInput *input,
                        DomainType type, char **ret_text, char **ret_origin)
{
    DomainTypeSet outcome = wish_outcome(type, input);
    const DecisionMember *untrusted = wish_find_untrusted(input);

    if (type != DOMAIN_TYPE_AUTO && !domain_type_is_switchable(type)) {
        give(ret_text, g_strdup_printf("%s cannot be written", domain_type_to_string(type) ?: "that type"));
        return -EINVAL;
    }
    if (untrusted && (outcome & UNTRUSTED_OUT)) {
        give(ret_text,
             g_strdup_printf("%s is untrusted: its group can only have DMA", untrusted->facts->name));
        return -EACCES;
    }
    for (size_t i = 0; i < input->n_members; i++) {
        Forbidding forbidding = {.types = outcome};

        rule_set_match(rules, input->members[i].facts, host, visit_forbidding, &forbidding);
        if (!forbidding.rule)
            continue;
        give(ret_text, g_strdup_printf("%s is forbidden for %s", domain_type_to_string(type),
                                       input->members[i].facts->name));
        give(ret_origin, rule_origin(forbidding.rule, true));
        return -EPERM;
    }
    if (outcome & wish_not_given(input)) {
        give(ret_text, describe_not_given(input, type));
        return -EINVAL;
    }
    return 0;
}
