/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The order in which the devices of a group arrive is chance: whatever it is, rules that contradict each
 * other must come to one outcome, and both must be named. Every order of four members, with the other
 * members that a group can have among them.
 */
#include "rules-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "decision.h"
#include "unit.h"

#define MEMBERS 4
#define ORDERS 24

#define NONE _DOMAIN_TYPE_INVALID

typedef enum Kind {
    PLAIN,
    BOUND,     /* a change would unbind it */
    BRIDGE,    /* on pcieport */
    MANAGED,   /* by vfio-pci */
    UNTRUSTED,
    FORCED,    /* to DMA by the kernel */
    UNSEEN,    /* no late key is known of it yet */
} Kind;

static const struct {
    const char *name;
    const char *rules[4];
    Kind kinds[MEMBERS];
    DomainType current, wanted;
    const char *by;       /* file:line, or kernel */
    const char *names[2]; /* both places of the conflict */
} cases[] = {
    { "two and two", { "Address=a b > Type=identity", "Address=c d > Type=DMA" }, { 0 }, DOMAIN_TYPE_DMA_FQ,
      DOMAIN_TYPE_DMA, "20.conf:4", { "10.conf:4", "20.conf:4" } },
    { "one and one, the others have no rule", { "Address=b > Type=identity; Unbind=idle",
                                                "Address=c > Type=DMA; Unbind=idle" },
      { BOUND, BOUND, BOUND, BOUND }, DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_DMA, "20.conf:4",
      { "10.conf:4", "20.conf:4" } },
    { "the laxer file is first", { "Address=d > Type=DMA-FQ", "Any=yes > Type=identity" },
      { BOUND, BOUND, PLAIN, BOUND }, DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, "10.conf:4",
      { "10.conf:4", "20.conf:4" } },
    { "a bridge among them",
      { "Address=a > Type=identity", "Address=b > Type=DMA-FQ", "Address=c > Type=DMA" },
      { PLAIN, PLAIN, BRIDGE, PLAIN }, DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, "20.conf:4",
      { "10.conf:4", "20.conf:4" } },
    { "a bridge that forbids",
      { "Address=d > Forbid=identity", "Address=a > Type=DMA-FQ", "Address=b > Type=DMA" },
      { PLAIN, PLAIN, PLAIN, BRIDGE }, DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA, "30.conf:4",
      { "20.conf:4", "30.conf:4" } },
    { "one under vfio-pci",
      { "Address=a > Type=DMA", "Address=b > Type=DMA-FQ", "Address=c > Type=identity" },
      { MANAGED, PLAIN, PLAIN, PLAIN }, DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, "20.conf:4",
      { "20.conf:4", "30.conf:4" } },
    { "a bridge, and one under vfio-pci", { "Any=yes > Forbid=identity", "Address=b > Type=DMA-FQ",
                                            "Address=c > Type=DMA" },
      { BRIDGE, BOUND, BOUND, MANAGED }, DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA, "30.conf:4",
      { "20.conf:4", "30.conf:4" } },
    { "the kernel forces one", { "Address=a b > Type=identity", "Address=c > Type=DMA-FQ" },
      { PLAIN, PLAIN, PLAIN, FORCED }, DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA, "kernel",
      { "10.conf:4", "kernel" } },
    { "one is not trusted", { "Address=a > Type=DMA", "Address=b > Type=auto" },
      { PLAIN, PLAIN, PLAIN, UNTRUSTED }, DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA, "10.conf:4", { NULL } },
    { "keep is one of them", { "Address=a > Type=keep", "Address=d > Type=DMA" }, { 0 }, DOMAIN_TYPE_DMA_FQ,
      DOMAIN_TYPE_DMA, "20.conf:4", { "10.conf:4", "20.conf:4" } },
    { "auto is one of them", { "Address=a > Type=auto", "Address=d > Type=identity" }, { 0 },
      DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_IDENTITY, "20.conf:4", { "10.conf:4", "20.conf:4" } },
    { "one is not known yet",
      { "Driver=x > Type=DMA-FQ", "Address=a b > Type=identity", "Address=c > Type=DMA" },
      { PLAIN, PLAIN, PLAIN, UNSEEN }, DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA, "30.conf:4",
      { "20.conf:4", "30.conf:4" } },
};

static DeviceFacts *make_facts(const char *name, Kind kind)
{
    DeviceFacts *facts = nvme_facts(name);

    facts->bridge = kind == BRIDGE;
    facts->manages_dma = kind == BRIDGE || kind == MANAGED;
    facts->untrusted = kind == UNTRUSTED ? TRISTATE_YES : TRISTATE_NO;
    facts->driver_known = facts->udev_known = kind != UNSEEN;
    facts->driver = g_strdup("nvme");
    return facts;
}

/* The N-th order of MEMBERS numbers. */
static void make_order(unsigned n, size_t order[static MEMBERS])
{
    size_t left[MEMBERS] = { 0, 1, 2, 3 };

    for (size_t i = 0; i < MEMBERS; i++) {
        size_t pick = n % (MEMBERS - i);

        n /= (unsigned) (MEMBERS - i);
        order[i] = left[pick];
        memmove(&left[pick], &left[pick + 1], (MEMBERS - i - pick - 1) * sizeof left[0]);
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What Explain says, sorted: it follows the order of the members. */
static char *trail_text(const Decision *decision)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < decision->trail->len; i++) {
        const TrailEntry *entry = decision->trail->pdata[i];

        g_ptr_array_add(lines, g_strdup_printf("%s %s %s %s", entry->member, entry->origin,
                                               wish_verdict_to_string(entry->verdict), entry->text));
    }
    qsort(lines->pdata, lines->len, sizeof(char *), compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **) lines->pdata);
}

static char *outcome(const Decision *d)
{
    g_autofree char *trail = trail_text(d);

    return g_strdup_printf("%d by %s, settled %d relax %d unbind %d accept %x out %x %s, %s: %s\n%s",
                           d->wanted, d->wanted_by, d->settled, d->may_relax, d->may_unbind, d->accept,
                           d->out, d->conflict_text, pending_reason_to_string(d->obstacle),
                           d->obstacle_text, trail);
}

static void check_outcome(int i, const Decision *decision)
{
    g_autofree char *trail = trail_text(decision);

    ck_assert_msg(decision->wanted == cases[i].wanted, "%s: %d", cases[i].name, decision->wanted);
    ck_assert_msg(g_str_has_suffix(decision->wanted_by, cases[i].by), "%s: by %s", cases[i].name,
                  decision->wanted_by);
    ck_assert_msg(decision->conflict == (cases[i].names[0] != NULL), "%s", cases[i].name);
    for (size_t n = 0; n < G_N_ELEMENTS(cases[i].names) && cases[i].names[n]; n++) {
        ck_assert_msg(strstr(decision->conflict_text, cases[i].names[n]), "%s: %s", cases[i].name,
                      decision->conflict_text);
        ck_assert_msg(strstr(trail, cases[i].names[n]), "%s: %s", cases[i].name, trail);
    }
}

static RuleSet *make_rules(int i)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (size_t n = 0; n < G_N_ELEMENTS(cases[i].rules) && cases[i].rules[n]; n++)
        g_ptr_array_add(texts, rule_text(cases[i].rules[n]));
    return rules_from_texts((const char *const *) texts->pdata, texts->len);
}

START_TEST(one_outcome)
{
    static const char *const names[MEMBERS] = { "a", "b", "c", "d" };
    g_autoptr(RuleSet) rules = make_rules(_i);
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "");
    g_autofree char *first = NULL;
    DeviceFacts *facts[MEMBERS];

    for (size_t i = 0; i < MEMBERS; i++)
        facts[i] = make_facts(names[i], cases[_i].kinds[i]);
    for (unsigned n = 0; n < ORDERS; n++) {
        DecisionMember members[MEMBERS];
        const DecisionInput input = {
            .members = members,
            .n_members = MEMBERS,
            .current = cases[_i].current,
            .auto_outcome = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA),
            .call_type = NONE,
        };
        g_autoptr(Decision) decision = NULL;
        g_autofree char *text = NULL;
        size_t order[MEMBERS];

        make_order(n, order);
        for (size_t i = 0; i < MEMBERS; i++)
            members[i] = (DecisionMember) {
                .facts = facts[order[i]],
                .kernel_type = cases[_i].kinds[order[i]] == FORCED ? DOMAIN_TYPE_DMA : NONE,
                .kernel_reason = "quirk",
                .unbinds = cases[_i].kinds[order[i]] == BOUND,
            };
        decision = decision_make(rules, host, &input);
        check_outcome(_i, decision);
        text = outcome(decision);
        if (!first)
            first = g_steal_pointer(&text);
        else
            ck_assert_msg(g_str_equal(text, first), "%s, order %u:\n%s\n\nfirst:\n%s", cases[_i].name, n,
                          text, first);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        device_facts_free(facts[i]);
}
END_TEST

/* So that the test above has really seen them all. */
START_TEST(orders_differ)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned n = 0; n < ORDERS; n++) {
        size_t order[MEMBERS];

        make_order(n, order);
        g_hash_table_add(seen, g_strdup_printf("%zu%zu%zu%zu", order[0], order[1], order[2], order[3]));
    }
    ck_assert_uint_eq(g_hash_table_size(seen), ORDERS);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("decision-order");

    tcase_add_loop_test(tests, one_outcome, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tests, orders_differ);
    return unit_run("decision-order", tests);
}
