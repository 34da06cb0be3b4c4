/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "decision-trail.h"
#include "group-notes.h"
#include "group.h"
#include "unit.h"

#define MEMORY_BITS 34

/* A group of one member without any rule. */
static const struct {
    const char *regions;
    unsigned class_code, mask;
    DomainType type;
    const char *wish;          /* what a rule asks for the member, or NULL */
    const char *notes[3];      /* what is said, in this order */
} table[] = {
    {"0x00000000fee00000 0x00000000feefffff msi", 0x010802, 64, DOMAIN_TYPE_DMA, NULL, {}},
    {"0x000000fd00000000 0x000000ffffffffff reserved", 0x010802, 64, DOMAIN_TYPE_DMA, NULL, {}},
    {"0x000000007b800000 0x000000007fffffff direct",
     0x030000,
     64,
     DOMAIN_TYPE_DMA,
     NULL,
     {"7b800000-7fffffff is reserved as direct: the firmware demands it"}},
    {"0x000000007b800000 0x000000007fffffff direct-relaxable",
     0x030000,
     64,
     DOMAIN_TYPE_DMA,
     NULL,
     {"7b800000-7fffffff is reserved as direct-relaxable: mapped one to one for the kernel's own"}},
    {"0x0000000000000000 0x0000000000ffffff direct-relaxable\n"
     "0x00000000fee00000 0x00000000feefffff msi",
     0x060100,
     64,
     DOMAIN_TYPE_DMA,
     NULL,
     {"0-ffffff is reserved as direct-relaxable for the ISA bridge a"}},
    {"0x0000000000000000 0x0000000000ffffff direct-relaxable",
     0x0c0320,
     64,
     DOMAIN_TYPE_DMA,
     NULL,
     {"0-ffffff is reserved as direct-relaxable: mapped one to one for the kernel's own"}},
    {"0x0000000000001000 0x0000000000001fff direct\n"
     "0x0000000000003000 0x0000000000003fff direct-relaxable",
     0x0c0320,
     32,
     DOMAIN_TYPE_IDENTITY,
     NULL,
     {"1000-1fff is reserved as direct:", "3000-3fff is reserved as direct-relaxable:",
      "addresses 32 bits and RAM needs 34: in identity its data goes through bounce buffers"}},
    {"", 0x0c0320, 32, DOMAIN_TYPE_DMA, NULL, {"in identity its data would go through bounce buffers"}},
    {"", 0x0c0320, 32, DOMAIN_TYPE_DMA, "DMA-FQ", {"in identity its data would go"}},
    {"", 0x0c0320, 32, DOMAIN_TYPE_DMA, "identity", {}}, /* the rule's own entry has told it */
    {"", 0x0c0320, 34, DOMAIN_TYPE_IDENTITY, NULL, {}},
    {"", 0x0c0320, 0, DOMAIN_TYPE_IDENTITY, NULL, {}}, /* no driver has said how far it can address */
};

START_TEST(notes_of_a_group)
{
    DeviceFacts facts = { .name = (char *) "a",
                          .class_code = table[_i].class_code,
                          .dma_mask_bits = table[_i].mask };
    Device device = { .facts = &facts };
    ManagedDevice managed = { .device = &device };
    MemberWish wish = { .has_wish = table[_i].wish != NULL, .type = _DOMAIN_TYPE_INVALID };
    HostFacts host = { .memory_bits = MEMORY_BITS };
    ManagedGroup group = { .type_known = true, .type = table[_i].type };
    Decision decision = {};
    guint n = 0;

    if (table[_i].wish)
        wish.type = domain_type_from_string(table[_i].wish);
    group.members = g_ptr_array_new();
    g_ptr_array_add(group.members, &managed);
    decision.member_wishes = g_ptr_array_new();
    g_ptr_array_add(decision.member_wishes, &wish);
    decision.trail = trail_new();
    if (*table[_i].regions)
        ck_assert_int_eq(group_parse_reserved_regions(table[_i].regions, &group.reserved), 0);

    group_notes_add(&decision, &group, &host);
    for (; n < G_N_ELEMENTS(table[_i].notes) && table[_i].notes[n]; n++) {
        const TrailEntry *entry;

        ck_assert_uint_gt(decision.trail->len, n);
        entry = decision.trail->pdata[n];
        ck_assert_int_eq(entry->verdict, VERDICT_NOTE);
        ck_assert_msg(strstr(entry->text, table[_i].notes[n]), "\"%s\"", entry->text);
        ck_assert_str_eq(entry->member, strstr(entry->text, "RAM") ? "a" : "");
    }
    ck_assert_uint_eq(decision.trail->len, n);

    g_ptr_array_unref(decision.trail);
    g_ptr_array_unref(decision.member_wishes);
    g_ptr_array_unref(group.members);
    if (group.reserved)
        g_array_unref(group.reserved);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("group-notes");

    tcase_add_loop_test(cases, notes_of_a_group, 0, G_N_ELEMENTS(table));
    return unit_run("group-notes", cases);
}
