/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "early-wish.h"
#include "rules-fixture.h"
#include "unit.h"

/* A virtual function of an NVMe drive, before it is there. */
static DeviceFacts *foreseen(void)
{
    DeviceFacts *facts = device_facts_new("pci", "0000:01:00.0", "pci0000:00/0000:01:00.0");

    facts->foreseen = true;
    facts->vendor = facts->pf_vendor = 0x144d;
    facts->device = 0xa824;
    facts->pf_device = 0xa80a;
    facts->class_code = 0x010802;
    facts->untrusted = TRISTATE_NO;
    facts->virtual_function = TRISTATE_YES;
    facts->iommu = g_strdup("intel");
    return facts;
}

static const struct {
    const char *rules[2];
    DomainType boot_default;
    bool untrusted;
    bool possible;
} cases[] = {
    /* none, or not for it */
    { { "Any=yes > Type=keep" }, DOMAIN_TYPE_DMA_FQ, false, false },
    { { "VirtualFunction=no > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, false },
    { { "Class=ethernet > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, false },
    { { "PhysicalFunction=8086:* > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, false },
    /* what is known of it */
    { { "VirtualFunction=yes > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Class=nvme > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Id=144d:a824 > Type=DMA" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "PhysicalFunction=144d:a80a > Type=DMA" }, DOMAIN_TYPE_DMA_FQ, false, true },
    /* what is not: perhaps */
    { { "Address=0000:01:00.1 > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Address=0000:7f:00.1 > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Path=*/0000:01:00.1 > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "SubsystemId=1af4:1100 > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Modalias=pci:*sc08* > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Serial=X > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Driver=nvme > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    /* nothing is to be written, or it is reached live */
    { { "Any=yes > Type=DMA-FQ" }, DOMAIN_TYPE_DMA_FQ, false, false },
    { { "Any=yes > Type=auto" }, DOMAIN_TYPE_DMA_FQ, false, false },
    { { "Any=yes > Type=DMA-FQ" }, DOMAIN_TYPE_DMA, false, false },
    { { "Any=yes > Type=DMA-FQ" }, DOMAIN_TYPE_IDENTITY, false, true },
    { { "Any=yes > Type=DMA-FQ" }, _DOMAIN_TYPE_INVALID, false, true },
    /* the first that matches for certain gives the type */
    { { "Class=nvme > Type=keep", "Any=yes > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, false },
    { { "Serial=X > Type=keep", "Any=yes > Type=identity" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Class=nvme > Type=keep", "Any=yes > Forbid=DMA-FQ" }, DOMAIN_TYPE_DMA_FQ, false, true },
    /* a type that is forbidden is left before a driver binds */
    { { "Any=yes > Forbid=DMA-FQ" }, DOMAIN_TYPE_DMA_FQ, false, true },
    { { "Any=yes > Forbid=identity" }, DOMAIN_TYPE_DMA_FQ, false, false },
    /* untrusted: strict in any case */
    { { "Any=yes > Type=identity" }, DOMAIN_TYPE_DMA_FQ, true, false },
    { { "Any=yes > Type=DMA" }, DOMAIN_TYPE_DMA_FQ, true, false },
    { { "Any=yes > Forbid=DMA-FQ" }, DOMAIN_TYPE_DMA_FQ, true, false },
};

START_TEST(is_possible)
{
    g_autoptr(DeviceFacts) facts = foreseen();
    g_autofree char *first = rule_text(cases[_i].rules[0]);
    g_autofree char *second = cases[_i].rules[1] ? rule_text(cases[_i].rules[1]) : NULL;
    const char *texts[] = { first, second };
    g_autoptr(RuleSet) rules = rules_from_texts(texts, second ? 2 : 1);

    facts->untrusted = cases[_i].untrusted ? TRISTATE_YES : TRISTATE_NO;
    ck_assert_msg(early_wish_is_possible(rules, NULL, facts, cases[_i].boot_default) == cases[_i].possible,
                  "%s", first);
}
END_TEST

/* A file that cannot be read: nothing is relaxed, and nobody held for it; what is stricter still is
 * written. */
START_TEST(frozen_relaxes_nothing)
{
    static const struct {
        const char *rule;
        bool possible;
    } frozen[] = { { "Any=yes > Type=identity", false }, { "Any=yes > Type=DMA", true } };
    g_autoptr(DeviceFacts) facts = foreseen();

    for (size_t i = 0; i < G_N_ELEMENTS(frozen); i++) {
        g_autoptr(RuleTree) tree = rule_tree_new();
        g_autofree char *text = rule_text(frozen[i].rule);
        g_autoptr(RuleSet) rules = NULL;

        rule_tree_write(tree, "etc/iommu-policy.d/10.conf", text, -1);
        rule_tree_write(tree, "etc/iommu-policy.d/20.conf", "", -1);
        rules = rule_tree_load(tree, NULL, 1);
        ck_assert(rule_set_is_frozen(rules));
        ck_assert_int_eq(early_wish_is_possible(rules, NULL, facts, DOMAIN_TYPE_DMA_FQ), frozen[i].possible);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("early-wish");

    tcase_add_loop_test(tests, is_possible, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tests, frozen_relaxes_nothing);
    return unit_run("early-wish", tests);
}
