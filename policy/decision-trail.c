/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decision-trail.h"

static const char *const verdict_words[_WISH_VERDICT_MAX] = {
    [VERDICT_WANTED] = "wanted",
    [VERDICT_AGREES] = "agrees",
    [VERDICT_STRICTER_WINS] = "stricter-wins",
    [VERDICT_VOID] = "void",
    [VERDICT_KEEP] = "keep",
    [VERDICT_UNDECIDED] = "undecided",
    [VERDICT_FORBIDS] = "forbids",
    [VERDICT_NO_WISH] = "no-wish",
    [VERDICT_EARLIER_WINS] = "earlier-wins",
    [VERDICT_NEARLY] = "nearly",
    [VERDICT_OUTRANKED] = "outranked",
    [VERDICT_NOTE] = "note",
};

const char *wish_verdict_to_string(WishVerdict verdict)
{
    return (int) verdict >= 0 && verdict < _WISH_VERDICT_MAX ? verdict_words[verdict] : NULL;
}

static void trail_entry_free(void *p)
{
    TrailEntry *entry = p;

    g_free(entry->member);
    g_free(entry->origin);
    g_free(entry->text);
    g_free(entry);
}

GPtrArray *trail_new(void)
{
    return g_ptr_array_new_with_free_func(trail_entry_free);
}

void trail_add(GPtrArray *trail, const char *member, char *origin, WishVerdict verdict, char *text)
{
    TrailEntry *entry = g_new(TrailEntry, 1);

    *entry = (TrailEntry){
        .member = g_strdup(member ?: ""),
        .origin = origin ?: g_strdup(""),
        .verdict = verdict,
        .text = text ?: g_strdup(""),
    };
    g_ptr_array_add(trail, entry);
}

/* The member's wish stood; what became of it? */
static WishVerdict judge_wish(const Decision *decision, const DecisionInput *input, const Wish *wish,
                              bool is_winner)
{
    bool ranked_above =
        g_str_equal(decision->wanted_by, "kernel") || g_str_has_prefix(decision->wanted_by, "call:");

    if (wish->is_void)
        return VERDICT_VOID;
    if (wish->rule->keep && (is_winner || wish->type == decision->wanted))
        return VERDICT_KEEP;
    if (is_winner)
        return VERDICT_WANTED;
    if (decision->wanted >= 0 && wish_outcome(wish->type, input) == wish_outcome(decision->wanted, input))
        return VERDICT_AGREES;
    return ranked_above ? VERDICT_OUTRANKED : VERDICT_STRICTER_WINS;
}

static char *describe_wish(const Decision *decision, const DecisionInput *input, const Wish *wish,
                           WishVerdict verdict)
{
    const char *type = wish->rule->keep ? "keep" : domain_type_to_string(wish->rule->type);
    const char *wanted = decision->wanted >= 0 ? domain_type_to_string(decision->wanted) : "nothing";

    switch (verdict) {
    case VERDICT_VOID:
        if (decision->forbidden & wish_outcome(wish->type, input))
            return g_strdup_printf("wishes %s, which a rule forbids", type);
        return g_strdup_printf("wishes %s, which this group cannot have", type);
    case VERDICT_STRICTER_WINS:
        return g_strdup_printf("wishes %s; %s is stricter and wins", type, wanted);
    case VERDICT_OUTRANKED:
        return g_strdup_printf("wishes %s; %s is asked for by %s, which outranks rules", type, wanted,
                               decision->wanted_by);
    default:
        return g_strdup_printf("wishes %s", type);
    }
}

static char *describe_forbid(const WishHit *hit)
{
    GString *text = g_string_new("forbids");

    for (int type = 0; type < _DOMAIN_TYPE_MAX; type++)
        if (hit->rule->forbid & DOMAIN_TYPE_BIT(type))
            g_string_append_printf(text, " %s", domain_type_to_string(type));
    if (hit->match == TRISTATE_UNKNOWN)
        g_string_append(text, ", until it is known whether the rule is for this device");
    return g_string_free(text, FALSE);
}

static void add_type(GPtrArray *trail, const Decision *decision, const DecisionInput *input,
                     const Wish *wish, const WishHit *hit, bool is_winner, bool is_first)
{
    const char *name = wish->member->facts->name, *reason = hit->rule->reason;
    const char *type = hit->rule->keep ? "keep" : domain_type_to_string(hit->rule->type);
    WishVerdict verdict;
    char *text;

    if (!wish->can_wish) {
        verdict = VERDICT_NO_WISH;
        text = g_strdup_printf("Type=%s does not count: %s", type,
                               wish->member->facts->bridge ? "a bridge" : "its driver manages DMA itself");
    } else if (hit->rule == wish->rule) {
        verdict = judge_wish(decision, input, wish, is_winner);
        text = describe_wish(decision, input, wish, verdict);
    } else if (is_first && wish->undecided) {
        verdict = VERDICT_UNDECIDED;
        text = g_strdup_printf("Type=%s, if the rule is for this device: a late key is not known yet", type);
    } else {
        verdict = VERDICT_EARLIER_WINS;
        text = g_strdup_printf("Type=%s comes after the file that decides", type);
    }

    if (reason) {
        char *with_reason = g_strdup_printf("%s (%s)", text, reason);

        g_free(text);
        text = with_reason;
    }
    trail_add(trail, name, rule_origin(hit->rule, false), verdict, text);
}

/* In identity a device whose mask does not reach all of RAM is served through bounce buffers
 * (kernel/dma/direct.c). */
static void add_mask_note(GPtrArray *trail, const HostFacts *host, const Wish *wish)
{
    unsigned bits = wish->member->facts->dma_mask_bits;

    if (!wish->rule || wish->rule->keep || wish->rule->type != DOMAIN_TYPE_IDENTITY || bits == 0 ||
        bits >= host->memory_bits)
        return;
    trail_add(trail, wish->member->facts->name, rule_origin(wish->rule, false), VERDICT_NOTE,
              g_strdup_printf("addresses %u bits and RAM needs %u: in identity its data goes through bounce "
                              "buffers, which is slower than DMA-FQ", bits, host->memory_bits));
}

static void add_maybe_forced(GPtrArray *trail, const DecisionMember *member)
{
    if (member->maybe_reason)
        trail_add(trail, member->facts->name, g_strdup("kernel"), VERDICT_NOTE,
                  g_strdup_printf("the kernel may force %s, which only shows when another type is tried: %s",
                                  domain_type_to_string(member->maybe_type), member->maybe_reason));
}

static void add_notes(GPtrArray *trail, const HostFacts *host, const Wish *wish)
{
    const char *name = wish->member->facts->name;

    add_maybe_forced(trail, wish->member);

    add_mask_note(trail, host, wish);

    if (wish->rule && wish->rule->late && !wish->rule->keep)
        trail_add(
            trail, name, rule_origin(wish->rule, false), VERDICT_NOTE,
            g_strdup("uses a key that is known late: the rule acts live or by unbinding, never before the "
                     "driver binds"));
    if (wish->hits->len > 0 && wish->member->facts->untrusted != TRISTATE_NO)
        trail_add(trail, name, NULL, VERDICT_NOTE,
                  g_strdup("is not trusted (external): its group can have DMA alone"));
}

void trail_add_member(GPtrArray *trail, const Decision *decision, const DecisionInput *input,
                      const HostFacts *host, const Wish *wish, bool is_winner)
{
    bool is_first = true;

    for (unsigned i = 0; i < wish->hits->len; i++) {
        const WishHit *hit = &g_array_index(wish->hits, WishHit, i);

        if (hit->rule->forbid != 0)
            trail_add(trail, wish->member->facts->name, rule_origin(hit->rule, true), VERDICT_FORBIDS,
                      describe_forbid(hit));
        if (hit->rule->has_type) {
            add_type(trail, decision, input, wish, hit, is_winner, is_first);
            is_first = false;
        }
    }
    add_notes(trail, host, wish);
}
