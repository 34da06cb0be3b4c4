/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decision.h"

#include <string.h>

#include "decision-trail.h"
#include "wish.h"

/*
 * The steps, which the tests name by their numbers:
 *
 * 1. Per member, the first matching file with Type= gives wish, Unbind= and Accept=; Forbid= is gathered
 *    from all matching files. `keep` wishes today's type and never unbinds.
 * 2. Bridges, and members under a driver that manages DMA itself, have no wish; their Forbid= counts. A
 *    member without a match has no opinion.
 * 3. Out are: what any member forbids; what the kernel will not give; identity and DMA-FQ for a group with
 *    an untrusted member.
 * 4. A wish that is out is void. Among the others the strictest wins; differing ones are a conflict. `auto`
 *    loses to any named type and is void where what it may end in is out.
 * 5. If today's type is forbidden and no wish is left, the least strict type that is stricter and not out is
 *    wanted; the files that forbid say whether drivers may be unbound for it, the strictest of them for all.
 * 6. To relax a group takes a wish at least as lax from every member that could have one; to unbind,
 *    Unbind=idle from every member that would be unbound, and only what all of them accept is accepted.
 * 7. Where nothing matches, nothing is wanted.
 * 8. A type that the kernel forces is the wanted one; a rule that named another is a conflict.
 *
 * Unknown is read the safe way throughout: it forbids, it ends the search, it allows nothing.
 */

/* What is being decided, while it is. The members stand in the order of their names, so that the order in
 * which they were found cannot show in the outcome. */
typedef struct Deciding {
    const RuleSet *rules;
    const DecisionInput *input;
    Decision *decision;
    Wish *wishes;          /* n_members, in input order */
    const Wish **sorted;   /* the same, by bus and name */
    size_t n;

    /* By the kernel; _DOMAIN_TYPE_INVALID: nothing, or different types for different members. */
    DomainType forced;
    const DecisionMember *forced_member; /* NULL: nothing is forced */
    bool any_hit;          /* some rule speaks of some member */
    const Wish *undecided; /* the first such member */
    const Wish *winner;    /* whose wish is the outcome */
    bool by_forbid;        /* step 5: the outcome is what forbidding leaves */
    const Wish *unnamed;   /* the first member that keeps the group from being relaxed, or unbound */
    const Wish *never;     /* the first member whose rule says Unbind=never */
} Deciding;

static int compare_wishes(gconstpointer a, gconstpointer b)
{
    const DeviceFacts *x = (*(const Wish *const *) a)->member->facts,
                      *y = (*(const Wish *const *) b)->member->facts;
    int r = strcmp(x->name, y->name);

    return r != 0 ? r : strcmp(x->bus, y->bus);
}

static void gather(Deciding *d, const HostFacts *host)
{
    d->wishes = g_new(Wish, d->n);
    d->sorted = g_new(const Wish *, d->n);
    for (size_t i = 0; i < d->n; i++) {
        wish_gather(&d->wishes[i], d->rules, host, &d->input->members[i], d->input->current);
        d->sorted[i] = &d->wishes[i];
    }
    if (d->n > 1)
        qsort(d->sorted, d->n, sizeof *d->sorted, compare_wishes);

    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = d->sorted[i];

        d->decision->forbidden |= wish->forbid;
        d->any_hit |= wish->hits->len > 0;
        if (wish->undecided && !d->undecided)
            d->undecided = wish;
    }
}

/* Finds what the kernel forces. */
static void find_forced(Deciding *d)
{
    d->forced = _DOMAIN_TYPE_INVALID;
    for (size_t i = 0; i < d->n; i++) {
        const DecisionMember *member = d->sorted[i]->member;

        if (member->kernel_type < 0)
            continue;
        if (!d->forced_member) {
            d->forced_member = member;
            d->forced = member->kernel_type;
        } else if (d->forced != member->kernel_type)
            d->forced = _DOMAIN_TYPE_INVALID;
    }
}

/* Step 3. */
static void find_out(Deciding *d)
{
    Decision *decision = d->decision;

    decision->out = decision->forbidden | wish_not_given(d->input);
    if (wish_find_untrusted(d->input))
        decision->out |= UNTRUSTED_OUT;
    decision->type_forbidden =
        d->input->current >= 0 && (decision->forbidden & DOMAIN_TYPE_BIT(d->input->current)) != 0;

    for (size_t i = 0; i < d->n; i++)
        d->wishes[i].is_void = (wish_outcome(d->wishes[i].type, d->input) & decision->out) != 0;
}

static bool stands(const Wish *wish)
{
    return wish->type >= 0 && !wish->is_void;
}

static char *wish_origin(const Wish *wish)
{
    return wish->rule ? rule_origin(wish->rule, false) : g_strdup("");
}

static void set_conflict(Deciding *d, char *text)
{
    d->decision->conflict = true;
    g_free(d->decision->conflict_text);
    d->decision->conflict_text = text;
}

static void set_wanted(Deciding *d, DomainType type, char *by)
{
    d->decision->wanted = type;
    g_free(d->decision->wanted_by);
    d->decision->wanted_by = by;
}

/* `auto` has no strictness, -1: it loses to any named type. */
static void find_winner(Deciding *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = d->sorted[i];

        if (stands(wish) &&
            (!d->winner || domain_type_strictness(wish->type) > domain_type_strictness(d->winner->type)))
            d->winner = wish;
    }
}

/* Step 4. */
static void decide_by_wishes(Deciding *d)
{
    find_winner(d);
    if (!d->winner)
        return;
    set_wanted(d, d->winner->type, wish_origin(d->winner));

    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = d->sorted[i];
        g_autofree char *origin = NULL;

        if (!stands(wish) || wish_outcome(wish->type, d->input) == wish_outcome(d->winner->type, d->input))
            continue;
        origin = wish_origin(wish);
        set_conflict(d,
                     g_strdup_printf("%s asks for %s (%s), %s for %s (%s): the stricter wins",
                                     d->winner->member->facts->name, domain_type_to_string(d->winner->type),
                                     d->decision->wanted_by, wish->member->facts->name,
                                     domain_type_to_string(wish->type), origin));
        return;
    }
}

/* The first rule that forbids today's type. */
static const Rule *find_forbidding(const Deciding *d, DomainType type)
{
    for (size_t i = 0; i < d->n; i++)
        for (unsigned j = 0; j < d->sorted[i]->hits->len; j++) {
            const Rule *rule = g_array_index(d->sorted[i]->hits, WishHit, j).rule;

            if (rule->forbid & DOMAIN_TYPE_BIT(type))
                return rule;
        }
    return NULL;
}

/* Step 5: the least strict type that is not out and stricter than today's. */
static void decide_by_forbid(Deciding *d)
{
    static const DomainType by_laxness[] = {DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_DMA};
    DomainType current = d->input->current;

    if (d->winner || !d->decision->type_forbidden)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(by_laxness); i++) {
        DomainType type = by_laxness[i];

        if ((d->decision->out & DOMAIN_TYPE_BIT(type)) ||
            domain_type_strictness(type) <= domain_type_strictness(current))
            continue;
        d->by_forbid = true;
        set_wanted(d, type, rule_origin(find_forbidding(d, current), true));
        return;
    }
}

/* A call outranks Type=, never what put a type out. */
static void decide_by_call(Deciding *d)
{
    DomainType type = d->input->call_type;
    const char *origin = d->input->call_origin ?: "call:";

    if (type < 0)
        return;
    if (wish_outcome(type, d->input) & d->decision->out) {
        trail_add(
            d->decision->trail, NULL, g_strdup(origin), VERDICT_VOID,
            g_strdup_printf("asked for %s, which this group cannot have now", domain_type_to_string(type)));
        return;
    }
    set_wanted(d, type, g_strdup(origin));
    d->winner = NULL;
    d->by_forbid = false;
    d->decision->conflict = false;
    g_clear_pointer(&d->decision->conflict_text, g_free);
    trail_add(d->decision->trail, NULL, g_strdup(origin), VERDICT_WANTED,
              g_strdup_printf("asked for %s", domain_type_to_string(type)));
}

/* The first wish, void or not, for something else than the kernel forces; as a conflict. */
static void find_conflict_with_kernel(Deciding *d, DomainType forced)
{
    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = d->sorted[i];
        g_autofree char *origin = NULL;

        if (wish->type < 0 || wish_outcome(wish->type, d->input) == DOMAIN_TYPE_BIT(forced))
            continue;
        origin = wish_origin(wish);
        set_conflict(
            d, g_strdup_printf("the kernel forces %s (%s), %s asks for %s (%s)",
                               domain_type_to_string(forced), d->forced_member->kernel_reason ?: "kernel",
                               wish->member->facts->name, domain_type_to_string(wish->type), origin));
        return;
    }
    if (d->decision->forbidden & DOMAIN_TYPE_BIT(forced)) {
        g_autofree char *origin = rule_origin(find_forbidding(d, forced), true);

        set_conflict(d, g_strdup_printf("the kernel forces %s (%s), %s forbids it",
                                        domain_type_to_string(forced),
                                        d->forced_member->kernel_reason ?: "kernel", origin));
    }
}

static char *describe_forced(const Deciding *d, DomainType forced)
{
    return g_strdup_printf("the kernel forces %s: %s", domain_type_to_string(forced),
                           d->forced_member->kernel_reason ?: "no reason is known");
}

/* Step 8. Where nothing matches, nothing is wanted either (step 7). */
static void decide_by_kernel(Deciding *d)
{
    /* Members forced to different types: the kernel has settled that already, and no write will be taken. */
    DomainType forced = d->forced >= 0 ? d->forced : d->input->current;

    if (!d->forced_member || forced < 0)
        return;
    if (!d->any_hit) {
        trail_add(d->decision->trail, d->forced_member->facts->name, g_strdup("kernel"), VERDICT_NOTE,
                  describe_forced(d, forced));
        return;
    }
    d->winner = NULL;
    d->by_forbid = false;
    set_wanted(d, forced, g_strdup("kernel"));
    find_conflict_with_kernel(d, forced);
    trail_add(d->decision->trail, d->forced_member->facts->name, g_strdup("kernel"), VERDICT_WANTED,
              describe_forced(d, forced));
}

static bool is_by_call(const Deciding *d)
{
    return d->input->call_type >= 0 && !g_str_equal(d->decision->wanted_by, "kernel") && !d->winner &&
           !d->by_forbid && d->decision->wanted == d->input->call_type;
}

static bool relaxes(const Deciding *d)
{
    DomainTypeSet outcome = wish_outcome(d->decision->wanted, d->input);

    for (int type = 0; type < _DOMAIN_TYPE_MAX; type++)
        if ((outcome & DOMAIN_TYPE_BIT(type)) && domain_type_relaxes(d->input->current, type))
            return true;
    return false;
}

/* Step 6, first half. Returns the member that does not ask for it, or NULL. */
static const Wish *find_unwilling(const Deciding *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = d->sorted[i];

        if (wish->can_wish && (!stands(wish) || !wish_is_as_lax(wish->type, d->decision->wanted, d->input)))
            return wish;
    }
    return NULL;
}

/* What the rules for one member say about unbinding it. */
typedef struct UnbindLeave {
    bool named;           /* some rule speaks for it */
    UnbindPolicy unbind;
    FindingKindSet accept;
} UnbindLeave;

/* Step 5: the files that forbid today's type speak, and the strictest of them. One that may not be for this
 * device allows nothing. */
static UnbindLeave leave_by_forbid(const Wish *wish, DomainType current)
{
    UnbindLeave leave = {.unbind = UNBIND_IDLE, .accept = ~0u};

    for (unsigned i = 0; i < wish->hits->len; i++) {
        const WishHit *hit = &g_array_index(wish->hits, WishHit, i);

        if (!(hit->rule->forbid & DOMAIN_TYPE_BIT(current)))
            continue;
        leave.named = true;
        if (hit->match != TRISTATE_YES || hit->rule->unbind == UNBIND_NEVER)
            leave.unbind = UNBIND_NEVER;
        leave.accept &= hit->rule->accept;
    }
    return leave;
}

static UnbindLeave leave_by_wish(const Wish *wish)
{
    if (!wish->rule)
        return (UnbindLeave){.named = false};
    return (UnbindLeave){.named = true, .unbind = wish->rule->unbind, .accept = wish->rule->accept};
}

/* Step 6, second half: fills may_unbind and accept, and who stands against it. */
static void judge_unbind(Deciding *d)
{
    FindingKindSet accept = ~0u;
    bool any = false;

    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = d->sorted[i];
        UnbindLeave leave = {.named = false};

        if (d->by_forbid)
            leave = leave_by_forbid(wish, d->input->current);
        /* In step 5 a file that forbids speaks for the group, even for a member that stays bound. */
        if (d->by_forbid && leave.named && leave.unbind == UNBIND_NEVER && !d->never)
            d->never = wish;
        if (!wish->member->unbinds)
            continue;
        if (!leave.named)
            leave = leave_by_wish(wish);

        any = true;
        accept &= leave.accept;
        if (!leave.named && !d->unnamed)
            d->unnamed = wish;
        if (leave.named && leave.unbind == UNBIND_NEVER && !d->never)
            d->never = wish;
    }
    d->decision->may_unbind = !d->unnamed && !d->never;
    d->decision->accept = any && d->decision->may_unbind ? accept : 0;
}

static bool would_unbind(const Deciding *d)
{
    /* The one switch that the kernel makes with drivers bound. */
    if (d->input->current == DOMAIN_TYPE_DMA && d->decision->wanted == DOMAIN_TYPE_DMA_FQ)
        return false;
    for (size_t i = 0; i < d->n; i++)
        if (d->wishes[i].member->unbinds)
            return true;
    return false;
}

static void set_obstacle(Deciding *d, PendingReason reason, char *text)
{
    d->decision->obstacle = reason;
    d->decision->obstacle_text = text;
}

static void obstruct_unbind(Deciding *d)
{
    if (d->decision->type_forbidden) {
        g_autofree char *origin = rule_origin(find_forbidding(d, d->input->current), true);

        set_obstacle(d, PENDING_FORBIDDEN_TYPE,
                     g_strdup_printf("today's type %s is forbidden (%s), but no rule allows unbinding %s",
                                     domain_type_to_string(d->input->current), origin,
                                     (d->never ?: d->unnamed)->member->facts->name));
    } else if (d->never)
        set_obstacle(d, PENDING_UNBIND_NOT_ALLOWED,
                     g_strdup_printf("%s would have to be unbound, and its rule does not say Unbind=idle",
                                     d->never->member->facts->name));
    else
        set_obstacle(d, PENDING_UNNAMED_MEMBER,
                     g_strdup_printf("%s would have to be unbound, and no rule names it",
                                     d->unnamed->member->facts->name));
}

static void obstruct_call(Deciding *d, bool unbinds)
{
    d->decision->may_relax = true;
    d->decision->may_unbind = !unbinds;
    d->decision->accept = 0;
    if (unbinds)
        set_obstacle(d, PENDING_UNBIND_NOT_ALLOWED,
                     g_strdup_printf("%s asked for it once; to unbind again takes another call",
                                     d->decision->wanted_by));
}

/* What stands between today's type and the wanted one. */
static void find_obstacle(Deciding *d, bool relaxing, bool unbinds)
{
    Decision *decision = d->decision;
    const Wish *unwilling = relaxing ? find_unwilling(d) : NULL;
    const char *verb = relaxing ? "relaxed" : "unbound";

    if (rule_set_is_frozen(d->rules) && (relaxing || unbinds))
        set_obstacle(
            d, PENDING_FROZEN,
            g_strdup_printf("a rule file is refused: until it is mended, nothing is %s for a rule", verb));
    else if (d->undecided && (relaxing || unbinds))
        set_obstacle(d, PENDING_UNDECIDED,
                     g_strdup_printf("what the rules ask for %s hangs on a late key that is not known yet",
                                     d->undecided->member->facts->name));
    else if ((relaxing || unbinds) && g_str_equal(decision->wanted_by, "kernel") && decision->conflict)
        set_obstacle(d, PENDING_CONFLICT, g_strdup(decision->conflict_text));
    else if (unwilling)
        set_obstacle(d, PENDING_UNNAMED_MEMBER,
                     g_strdup_printf("no rule that counts asks for %s, or a laxer type, for %s",
                                     domain_type_to_string(decision->wanted),
                                     unwilling->member->facts->name));
    else if (unbinds && !decision->may_unbind)
        obstruct_unbind(d);
}

static void judge_way(Deciding *d)
{
    Decision *decision = d->decision;
    bool relaxing = relaxes(d), unbinds = would_unbind(d);
    bool cautious = rule_set_is_frozen(d->rules) || d->undecided;

    if (is_by_call(d)) {
        obstruct_call(d, unbinds);
        return;
    }
    decision->may_relax = !find_unwilling(d) && !cautious;
    judge_unbind(d);
    if (cautious) {
        decision->may_unbind = false;
        decision->accept = 0;
    }
    find_obstacle(d, relaxing, unbinds);
}

static bool is_settled(const Deciding *d)
{
    const Decision *decision = d->decision;

    /* A group in a forbidden type is never at rest, even where nothing better can be had. */
    if (decision->type_forbidden)
        return false;
    if (decision->wanted < 0 || decision->wanted == d->input->current)
        return true;
    return decision->wanted == DOMAIN_TYPE_AUTO && d->input->auto_settled;
}

static void judge(Deciding *d)
{
    Decision *decision = d->decision;

    decision->settled = is_settled(d);
    if (decision->settled)
        return;
    if (decision->wanted >= 0 && decision->wanted != d->input->current)
        judge_way(d);
    else {
        g_autofree char *origin = rule_origin(find_forbidding(d, d->input->current), true);

        set_obstacle(
            d, PENDING_FORBIDDEN_TYPE,
            g_strdup_printf("today's type %s is forbidden (%s), and the group cannot have a stricter one",
                            domain_type_to_string(d->input->current), origin));
    }
}

static void member_wish_free(void *p)
{
    MemberWish *wish = p;

    g_free(wish->origin);
    g_free(wish);
}

static void tell(Deciding *d, const HostFacts *host)
{
    for (size_t i = 0; i < d->n; i++) {
        const Wish *wish = &d->wishes[i];
        MemberWish *member_wish = g_new(MemberWish, 1);

        *member_wish = (MemberWish){
            .has_wish = wish->rule != NULL,
            .keep = wish->rule && wish->rule->keep,
            .type = wish->type,
            .origin = wish_origin(wish),
        };
        g_ptr_array_add(d->decision->member_wishes, member_wish);
        trail_add_member(d->decision->trail, d->decision, d->input, host, wish, wish == d->winner);
    }
    if (d->input->unsupported)
        trail_add(d->decision->trail, NULL, g_strdup("kernel"), VERDICT_NOTE,
                  g_strdup_printf("no rule and no call can change its type: %s", d->input->unsupported));
}

static Decision *decision_new(void)
{
    Decision *decision = g_new(Decision, 1);

    *decision = (Decision){
        .wanted = _DOMAIN_TYPE_INVALID,
        .wanted_by = g_strdup(""),
        .trail = trail_new(),
        .member_wishes = g_ptr_array_new_with_free_func(member_wish_free),
    };
    return decision;
}

Decision *decision_make(const RuleSet *rules, const HostFacts *host, const DecisionInput *input)
{
    Deciding d = {
        .rules = rules,
        .input = input,
        .decision = decision_new(),
        .n = input->n_members,
    };

    gather(&d, host);
    find_forced(&d);
    find_out(&d);
    decide_by_wishes(&d);
    decide_by_forbid(&d);
    decide_by_call(&d);
    decide_by_kernel(&d);
    judge(&d);
    tell(&d, host);

    for (size_t i = 0; i < d.n; i++)
        wish_done(&d.wishes[i]);
    g_free(d.wishes);
    g_free(d.sorted);
    return d.decision;
}

void decision_free(Decision *decision)
{
    if (!decision)
        return;
    g_free(decision->wanted_by);
    g_free(decision->conflict_text);
    g_free(decision->obstacle_text);
    g_ptr_array_unref(decision->trail);
    g_ptr_array_unref(decision->member_wishes);
    g_free(decision);
}

void decision_explain(Decision *decision, const RuleSet *rules, const HostFacts *host,
                      const DecisionInput *input)
{
    const GPtrArray *all = rule_set_rules(rules);

    for (size_t i = 0; i < input->n_members; i++)
        for (unsigned j = 0; j < all->len; j++) {
            const Rule *rule = all->pdata[j];
            char *text = rule_nearly(rule, input->members[i].facts, host);

            if (text)
                trail_add(decision->trail, input->members[i].facts->name, rule_origin(rule, !rule->has_type),
                          VERDICT_NEARLY, text);
        }
}
