/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "early-wish.h"

typedef struct EarlyWish {
    DomainType without; /* the type without us */
    bool untrusted, frozen;
    bool has_wish;      /* a rule that matches gives the type: later ones only forbid */
    bool possible;
} EarlyWish;

/* Whether TYPE, wished by a rule, has to be written before a driver binds. */
static bool is_early(const EarlyWish *wish, DomainType type)
{
    if (type == DOMAIN_TYPE_AUTO || type == wish->without)
        return false;
    if (wish->untrusted && type != DOMAIN_TYPE_DMA)
        return false;
    if (wish->without < 0)
        return true;
    if (wish->without == DOMAIN_TYPE_DMA && type == DOMAIN_TYPE_DMA_FQ)
        return false;
    return !wish->frozen || !domain_type_relaxes(wish->without, type);
}

static bool visit(const Rule *rule, Tristate match, void *userdata)
{
    EarlyWish *wish = userdata;

    if (wish->without < 0 ? rule->forbid != 0 : (rule->forbid & DOMAIN_TYPE_BIT(wish->without)) != 0)
        wish->possible = true;
    if (rule->has_type && !wish->has_wish) {
        if (!rule->keep && is_early(wish, rule->type))
            wish->possible = true;
        wish->has_wish = match == TRISTATE_YES;
    }
    return !wish->possible;
}

bool early_wish_is_possible(const RuleSet *rules, const HostFacts *host, const DeviceFacts *device,
                            DomainType boot_default)
{
    EarlyWish wish = {
        .without = device->untrusted == TRISTATE_YES ? DOMAIN_TYPE_DMA : boot_default,
        .untrusted = device->untrusted == TRISTATE_YES,
        .frozen = rule_set_is_frozen(rules),
    };

    rule_set_match(rules, device, host, visit, &wish);
    return wish.possible;
}
