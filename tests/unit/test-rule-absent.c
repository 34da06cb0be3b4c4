/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-absent.h"
#include "rules-fixture.h"
#include "unit.h"

/* A machine with two drives of 144d:a808 at 0000:00:04.0 and 0000:00:05.0. EXPECTED: what is absent, in
 * order, with "?" behind what may be on other hosts. */
static const struct {
    const char *rule, *expected;
} rules[] = {
    { "Any=yes", "" },
    { "Class=gpu", "" },
    { "Address=0000:00:04.0", "" },
    { "Address=0000:3b:00.0", "Address=0000:3b:00.0" },
    { "Address=0000:00:04.0 0000:3b:00.0", "Address=0000:3b:00.0" },
    { "Address=0000:3b:00.0 | Address=0000:00:05.0", "Address=0000:3b:00.0" },
    { "Address=0000:3b:*", "" },
    { "Address=!0000:3b:00.0", "" },
    { "Path=pci0000:00/0000:00:04.0", "" },
    { "Path=pci0000:00/0000:00:09.0", "Path=pci0000:00/0000:00:09.0" },
    /* The slot has another device. */
    { "Path=pci0000:00/0000:00:04.0; Id=8086:10d3", "Path=pci0000:00/0000:00:04.0" },
    { "Address=0000:00:04.0; Id=144d:*", "" },
    { "Id=144d:a808", "" },
    { "Id=8086:10d3", "Id=8086:10d3?" },
    { "Id=8086:10d3 8086:10d4", "Id=8086:10d3 8086:10d4?" },
    { "Id=8086:10d3 144d:a808", "" },
    { "Id=8086:*", "" },
    { "Address=0000:3b:00.0; Architecture=arm64", "" },
    { "Address=0000:3b:00.0; Architecture=x86-64", "Address=0000:3b:00.0" },
    { "Address=0000:3b:00.0; KernelCommandLine=lab", "" },
};

START_TEST(what_no_device_has)
{
    g_autofree char *line = g_strdup_printf("%s > Type=DMA", rules[_i].rule), *text = rule_text(line);
    const char *texts[] = { text };
    g_autoptr(RuleSet) set = rules_from_texts(texts, 1);
    g_autoptr(DeviceFacts) first = nvme_facts("0000:00:04.0"), second = nvme_facts("0000:00:05.0");
    const DeviceFacts *devices[] = { first, second };
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet");
    g_autoptr(GPtrArray) absent = rule_absent(rule_set_rules(set)->pdata[0], host, devices, 2);
    g_autoptr(GString) found = g_string_new(NULL);

    for (guint i = 0; i < absent->len; i++) {
        const AbsentName *name = absent->pdata[i];

        g_string_append_printf(found, "%s%s%s", found->len > 0 ? ", " : "", name->text,
                               name->place ? "" : "?");
    }
    ck_assert_str_eq(found->str, rules[_i].expected);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("rule-absent");

    tcase_add_loop_test(cases, what_no_device_has, 0, G_N_ELEMENTS(rules));
    return unit_run("rule-absent", cases);
}
