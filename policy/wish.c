/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wish.h"

#include <string.h>

#define SWITCHABLE_TYPES                                                                                    \
    (DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA) | DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ) |                               \
     DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY))

static bool note_hit(const Rule *rule, Tristate match, void *userdata)
{
    Wish *wish = userdata;
    WishHit hit = {.rule = rule, .match = match};

    g_array_append_val(wish->hits, hit);
    wish->forbid |= rule->forbid;

    /* Unknown ends the search as yes does: were the fact known, the rules behind might not be asked. */
    if (rule->has_type && wish->can_wish && !wish->rule && !wish->undecided) {
        if (match == TRISTATE_YES)
            wish->rule = rule;
        else
            wish->undecided = true;
    }
    return true;
}

void wish_gather(Wish *wish, const RuleSet *rules, const HostFacts *host, const DecisionMember *member,
                 DomainType current)
{
    *wish = (Wish){
        .member = member,
        .hits = g_array_new(FALSE, FALSE, sizeof(WishHit)),
        .can_wish = !member->facts->bridge && !member->facts->manages_dma,
        .type = _DOMAIN_TYPE_INVALID,
    };
    rule_set_match(rules, member->facts, host, note_hit, wish);

    if (wish->rule && !wish->rule->keep)
        wish->type = wish->rule->type;
    else if (wish->rule && domain_type_is_switchable(current))
        wish->type = current;
}

void wish_done(Wish *wish)
{
    g_array_unref(wish->hits);
}

DomainTypeSet wish_outcome(DomainType type, const DecisionInput *input)
{
    if (type < 0)
        return 0;
    if (type != DOMAIN_TYPE_AUTO)
        return DOMAIN_TYPE_BIT(type);
    return input->auto_outcome ?: SWITCHABLE_TYPES;
}

bool wish_is_as_lax(DomainType type, DomainType wanted, const DecisionInput *input)
{
    DomainTypeSet outcome = wish_outcome(type, input);

    if (type < 0)
        return false;
    /* What is wanted may end in any of these; to want the same is to be content with it. */
    if (wanted == DOMAIN_TYPE_AUTO)
        return type == DOMAIN_TYPE_AUTO;
    for (int t = 0; t < _DOMAIN_TYPE_MAX; t++)
        if ((outcome & DOMAIN_TYPE_BIT(t)) && domain_type_strictness(t) > domain_type_strictness(wanted))
            return false;
    return true;
}

const DecisionMember *wish_find_untrusted(const DecisionInput *input)
{
    const DecisionMember *found = NULL;

    for (size_t i = 0; i < input->n_members; i++) {
        const DecisionMember *member = &input->members[i];

        if (member->facts->untrusted != TRISTATE_NO &&
            (!found || strcmp(member->facts->name, found->facts->name) < 0))
            found = member;
    }
    return found;
}

DomainTypeSet wish_not_given(const DecisionInput *input)
{
    DomainTypeSet set = input->not_given;

    for (size_t i = 0; i < input->n_members; i++)
        if (input->members[i].kernel_type >= 0)
            set |= ~DOMAIN_TYPE_BIT(input->members[i].kernel_type) & (DOMAIN_TYPE_BIT(_DOMAIN_TYPE_MAX) - 1);
    /* `auto` is out only as far as what it may end in is. */
    return set & ~DOMAIN_TYPE_BIT(DOMAIN_TYPE_AUTO);
}
