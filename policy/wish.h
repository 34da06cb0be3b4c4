/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "decision.h"

/*
 * What the rules ask of one member, before anything is weighed against the other members. Inside policy/
 * only.
 */

typedef struct WishHit {
    const Rule *rule;
    Tristate match; /* yes or unknown */
} WishHit;

typedef struct Wish {
    const DecisionMember *member;
    GArray *hits;      /* WishHit: every rule that matches or may, in order */
    bool can_wish;     /* neither a bridge nor under a driver that manages DMA itself */
    bool undecided;    /* the first rule with Type= may match or not: the search ended there */
    const Rule *rule;  /* the one that gives the wish; NULL without */
    DomainType type; /* of the wish; `keep` is today's type; _DOMAIN_TYPE_INVALID without, or if today's has
                        no place */
    bool is_void;      /* the type is out */
    DomainTypeSet forbid; /* forbidden by any of the hits */
} Wish;

/* Fills WISH for MEMBER: the first rule with Type= gives the wish, Forbid= is gathered from all. */
void wish_gather(Wish *wish, const RuleSet *rules, const HostFacts *host, const DecisionMember *member,
                 DomainType current);
void wish_done(Wish *wish);

/* The types a wish for TYPE may end in: TYPE alone, but for `auto`, where it is what the caller predicts, or
 * anything. */
DomainTypeSet wish_outcome(DomainType type, const DecisionInput *input);

/* True if a wish for TYPE is content with a group of WANTED: whatever it may end in is as lax as that, or
 * laxer. */
bool wish_is_as_lax(DomainType type, DomainType wanted, const DecisionInput *input);

/* Returns the first untrusted member by name, or NULL. One that is not known to be trusted counts: unknown
 * is read the safe way. */
const DecisionMember *wish_find_untrusted(const DecisionInput *input);

/* What is out for a group with an untrusted member. */
#define UNTRUSTED_OUT (DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ) | DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY))

/* Returns the types the kernel will not give the group: it forces another for a member, or cannot. */
DomainTypeSet wish_not_given(const DecisionInput *input);
