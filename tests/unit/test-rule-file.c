/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "diagnostic.h"
#include "rule-file.h"
#include "rule-parse.h"
#include "unit.h"

START_TEST(text_as_people_read_it)
{
    g_autoptr(DeviceFacts) bridge = device_facts_new("pci", "0000:00:05.0", "pci0000:00/0000:00:05.0");
    g_autoptr(DeviceFacts) drive =
        device_facts_new("pci", "0000:01:00.0", "pci0000:00/0000:00:05.0/0000:01:00.0");
    g_autoptr(DeviceFacts) platform = device_facts_new("platform", "x.0", "platform/x.0");
    const DeviceFacts *members[] = { bridge, drive, platform };
    const RuleFile file = {
        .comment = "Group 7",
        .type = DOMAIN_TYPE_DMA_FQ,
        .unbind = UNBIND_IDLE,
        .accept = FINDING_KIND_BIT(FINDING_SIGNATURE),
        .reason = "why\nnot",
    };
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = NULL;

    bridge->bridge = true;
    drive->vendor = 0x144d;
    drive->device = 0xa808;
    text = rule_file_text(&file, members, G_N_ELEMENTS(members));
    ck_assert_str_eq(text, "# Group 7\n\n"
                           "[Match]\nPath=pci0000:00/0000:00:05.0/0000:01:00.0\nId=144d:a808\n\n"
                           "[Match]\nPath=platform/x.0\n\n"
                           "[Policy]\nType=DMA-FQ\nUnbind=idle\nAccept=signature\nReason=why not\n");

    rule = rule_parse(text, strlen(text), "x.conf", diagnostics);
    ck_assert_ptr_nonnull(rule);
    ck_assert_uint_eq(diagnostics->len, 0);
    ck_assert_int_eq(rule_match(rule, drive, NULL), TRISTATE_YES);
    ck_assert_int_eq(rule_match(rule, platform, NULL), TRISTATE_YES);
    ck_assert_int_eq(rule_match(rule, bridge, NULL), TRISTATE_NO);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("rule-file");

    tcase_add_test(cases, text_as_people_read_it);
    return unit_run("rule-file", cases);
}
