/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the next boot makes of a group, from what the rules say today. */
#include "rules-fixture.h"

#include "decision.h"
#include "unit.h"

#define NONE _DOMAIN_TYPE_INVALID
#define DMA DOMAIN_TYPE_DMA
#define FQ DOMAIN_TYPE_DMA_FQ
#define ID DOMAIN_TYPE_IDENTITY
#define AUTO DOMAIN_TYPE_AUTO

typedef struct Case {
    const char *name;
    const char *rules[3];
    DomainType boot_default, type; /* TYPE: after the boot */
    DomainType current;            /* today */
    const char *members[2];        /* "a" alone if empty; all bound to nvme */
    const char *call;              /* that still lasts */
    bool untrusted, managed, frozen;
} Case;

static const Case cases[] = {
    { "Unbind=never does not matter", { "Class=nvme > Type=identity" }, FQ, ID, FQ },
    { "nor does an unbind that is allowed", { "Class=nvme > Type=identity; Unbind=idle" }, FQ, ID, FQ },
    { "the kernel does it by itself", { "Class=nvme > Type=DMA-FQ" }, FQ, FQ, ID },
    { "auto", { "Class=nvme > Type=auto" }, FQ, AUTO, DMA },
    { "the driver is not known so early", { "Driver=nvme > Type=identity" }, FQ, FQ, FQ },
    { "nor what udev knows", { "Serial=x > Type=identity" }, FQ, FQ, FQ },
    { "a late key of an earlier file hides it",
      { "Serial=x > Type=DMA", "Any=yes > Type=identity" }, FQ, FQ, FQ },
    { "a late key of a later file does not",
      { "Any=yes > Type=identity", "Serial=x > Type=DMA" }, FQ, ID, FQ },
    { "what may be forbidden is", { "Any=yes > Type=identity", "Serial=x > Forbid=identity" }, FQ, FQ, FQ },
    { "relaxing takes a wish of all", { "Address=a > Type=identity" }, FQ, NONE, FQ, { "a", "b" } },
    { "tightening does not", { "Address=a > Type=DMA" }, FQ, DMA, FQ, { "a", "b" } },
    { "a call ends with the boot", { "Class=nvme > Type=DMA" }, FQ, DMA, FQ, .call = "identity" },
    { "without a rule as the kernel likes it", { "Address=other > Type=DMA" }, FQ, FQ, ID },
    { "which may not be known", { "Address=other > Type=DMA" }, NONE, NONE, ID },
    { "a rule is, whatever the default", { "Class=nvme > Type=identity" }, NONE, ID, ID },
    { "a forbidden type is left", { "Any=yes > Forbid=identity" }, ID, FQ, ID },
    { "or never come to", { "Any=yes > Forbid=identity" }, FQ, FQ, ID },
    { "untrusted", { "Class=nvme > Type=identity" }, DMA, DMA, DMA, .untrusted = true },
    { "a driver that manages DMA is not there yet", { "Class=nvme > Type=identity" }, FQ, ID, FQ,
      .managed = true },
    { "frozen: nothing is relaxed", { "Class=nvme > Type=identity" }, FQ, NONE, FQ, .frozen = true },
    { "frozen: but tightened", { "Class=nvme > Type=DMA" }, FQ, DMA, FQ, .frozen = true },
};

static RuleSet *case_rules(const Case *c)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    for (size_t i = 0; i < G_N_ELEMENTS(c->rules) && c->rules[i]; i++) {
        g_autofree char *path = g_strdup_printf("etc/iommu-policy.d/%zu.conf", i);
        g_autofree char *text = rule_text(c->rules[i]);

        rule_tree_write(tree, path, text, -1);
    }
    if (c->frozen)
        rule_tree_write(tree, "etc/iommu-policy.d/9.conf", "nonsense\n", -1);
    return rule_tree_load(tree, NULL, c->frozen ? 1 : 0);
}

static DeviceFacts *member_facts(const Case *c, const char *name)
{
    DeviceFacts *facts = nvme_facts(name);

    facts->untrusted = c->untrusted ? TRISTATE_YES : TRISTATE_NO;
    facts->driver_known = facts->udev_known = true;
    facts->driver = g_strdup(c->managed ? "vfio-pci" : "nvme");
    facts->manages_dma = c->managed;
    facts->serials = g_strdupv((char *[]) { (char *) "x", NULL });
    return facts;
}

START_TEST(table)
{
    const Case *c = &cases[_i];
    g_autoptr(RuleSet) rules = case_rules(c);
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet");
    g_autoptr(GPtrArray) facts = g_ptr_array_new_with_free_func((GDestroyNotify) device_facts_free);
    DecisionMember members[G_N_ELEMENTS(c->members)] = { 0 };
    DecisionInput input = {
        .members = members,
        .current = c->current,
        .auto_outcome = c->boot_default < 0 ? 0 : DOMAIN_TYPE_BIT(c->boot_default),
        .call_type = c->call ? domain_type_from_string(c->call) : NONE,
        .call_origin = c->call ? "call:uid=0" : NULL,
    };
    DomainType type;

    for (size_t i = 0; i < G_N_ELEMENTS(members) && (i == 0 || c->members[i]); i++) {
        g_ptr_array_add(facts, member_facts(c, c->members[i] ?: "a"));
        members[i] = (DecisionMember) {
            .facts = facts->pdata[i],
            .kernel_type = c->untrusted ? DMA : NONE,
            .kernel_reason = c->untrusted ? "external" : NULL,
            .unbinds = !c->managed,
        };
        input.n_members++;
    }
    type = decision_type_at_boot(rules, host, &input, c->boot_default);
    ck_assert_msg(type == c->type, "%s: %s instead of %s", c->name, domain_type_to_string(type) ?: "nothing",
                  domain_type_to_string(c->type) ?: "nothing");
    /* What is borrowed stays whole. */
    ck_assert(((const DeviceFacts *) facts->pdata[0])->driver_known);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("decision-boot");

    tcase_add_loop_test(tcase, table, 0, G_N_ELEMENTS(cases));
    return unit_run("decision-boot", tcase);
}
