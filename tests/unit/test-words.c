/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "class-words.h"
#include "decision.h"
#include "facts.h"
#include "plain-text.h"
#include "unit.h"

START_TEST(test_domain_type)
{
    for (int type = 0; type < _DOMAIN_TYPE_MAX; type++)
        ck_assert_int_eq(domain_type_from_string(domain_type_to_string(type)), type);
    ck_assert_int_eq(domain_type_from_string("dma"), _DOMAIN_TYPE_INVALID);
    ck_assert_int_eq(domain_type_from_string(""), _DOMAIN_TYPE_INVALID);
    ck_assert_int_eq(domain_type_from_string(NULL), _DOMAIN_TYPE_INVALID);
    ck_assert_ptr_null(domain_type_to_string(_DOMAIN_TYPE_INVALID));
    ck_assert_ptr_null(domain_type_to_string(_DOMAIN_TYPE_MAX));
}
END_TEST

START_TEST(test_strictness)
{
    static const struct {
        DomainType from, to;
        bool relaxes;
    } cases[] = {
        {DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA, false},
        {DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, true},
        {DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY, true},
        {DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_DMA, false},
        {DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_IDENTITY, true},
        {DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA, false},
        {DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA_FQ, false},
        {DOMAIN_TYPE_DMA, DOMAIN_TYPE_AUTO, true},
        {DOMAIN_TYPE_BLOCKED, DOMAIN_TYPE_DMA, true},
        {DOMAIN_TYPE_UNKNOWN, DOMAIN_TYPE_UNKNOWN, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        ck_assert_int_eq(domain_type_relaxes(cases[i].from, cases[i].to), cases[i].relaxes);
    ck_assert(domain_type_tightens(DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA_FQ));
    ck_assert(!domain_type_tightens(DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA));
    ck_assert(!domain_type_tightens(DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_BLOCKED));
    ck_assert(domain_type_is_switchable(DOMAIN_TYPE_IDENTITY));
    ck_assert(!domain_type_is_switchable(DOMAIN_TYPE_AUTO));
    ck_assert(!domain_type_is_switchable(DOMAIN_TYPE_UNKNOWN));
    ck_assert(!domain_type_is_switchable(_DOMAIN_TYPE_INVALID));
}
END_TEST

START_TEST(test_finding_kind)
{
    for (int kind = 0; kind < _FINDING_KIND_MAX; kind++)
        ck_assert_int_eq(finding_kind_from_string(finding_kind_to_string(kind)), kind);
    for (int severity = 0; severity < _FINDING_SEVERITY_MAX; severity++)
        ck_assert_ptr_nonnull(finding_severity_to_string(severity));
    ck_assert_int_eq(finding_kind_from_string("Mount"), _FINDING_KIND_INVALID);
    ck_assert_int_eq(finding_kind_severity(FINDING_MOUNT), FINDING_ABSOLUTE);
    ck_assert_int_eq(finding_kind_severity(FINDING_ROUTE), FINDING_FATAL);
    ck_assert_int_eq(finding_kind_severity(FINDING_SIGNATURE), FINDING_DISRUPTIVE);
    ck_assert_int_eq(finding_kind_severity(_FINDING_KIND_INVALID), FINDING_ABSOLUTE);
    ck_assert_int_lt(FINDING_DISRUPTIVE, FINDING_FATAL);
    ck_assert_int_lt(FINDING_FATAL, FINDING_ABSOLUTE);
}
END_TEST

START_TEST(test_states)
{
    for (int state = 0; state < _GROUP_STATE_MAX; state++)
        ck_assert_int_eq(group_state_from_string(group_state_to_string(state)), state);
    for (int reason = 0; reason < _PENDING_REASON_MAX; reason++)
        ck_assert_ptr_nonnull(pending_reason_to_string(reason));
    ck_assert_str_eq(pending_reason_to_string(PENDING_NONE), "");
    ck_assert_int_eq(group_state_from_string("Settled"), _GROUP_STATE_INVALID);
    for (int verdict = 0; verdict < _WISH_VERDICT_MAX; verdict++)
        ck_assert_ptr_nonnull(wish_verdict_to_string(verdict));
    for (int policy = 0; policy < _UNBIND_POLICY_MAX; policy++)
        ck_assert_int_eq(unbind_policy_from_string(unbind_policy_to_string(policy)), policy);
}
END_TEST

START_TEST(test_class_words)
{
    static const struct {
        uint32_t code;
        const char *word;
    } cases[] = {
        {0x010802, "nvme"},        {0x010601, "storage"},     {0x020000, "ethernet"}, {0x028000, "network"},
        {0x030000, "gpu"},         {0x030200, "gpu"},         {0x040300, "audio"},    {0x0c0330, "usb"},
        {0x120000, "accelerator"}, {0x0b4000, "accelerator"}, {0x060400, "bridge"},   {0x088000, NULL},
        {FACT_NO_ID, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        ck_assert_pstr_eq(class_word_of(cases[i].code), cases[i].word);
    for (const char *const *word = class_words(); *word; word++)
        ck_assert_ptr_nonnull(class_word_patterns(*word));
    ck_assert_ptr_null(class_word_patterns("fridge"));
}
END_TEST

START_TEST(test_bus_text)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "/srv \xc3\xa4", "/srv \xc3\xa4" },
        { "a\nb\t\x7f", "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xe4", "\xef\xbf\xbd" },
        { "\xc2\x85", "\xef\xbf\xbd" },         /* C1 */
        { "\xef\xbf\xbe", "\xef\xbf\xbd" },     /* U+FFFE */
        { "\xef\xb7\x90", "\xef\xbf\xbd" },     /* U+FDD0 */
        { "\xf4\x8f\xbf\xbf", "\xef\xbf\xbd" }, /* U+10FFFF */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *plain = bus_text(cases[i][0]);

        ck_assert_str_eq(plain, cases[i][1]);
    }
}
END_TEST

/* Whatever ends a line, moves a cursor or turns the direction of letters, each alone. */
START_TEST(test_plain_text)
{
    static const gunichar unseen[][2] = {
        { 0x01, 0x1f },     { 0x7f, 0x9f },     /* C0, C1 */
        { 0x61c, 0x61c },   { 0x200b, 0x200f }, /* marks of direction, and letters without width */
        { 0x2028, 0x2029 }, { 0x202a, 0x202e }, /* ends of lines and paragraphs; embeddings, overrides */
        { 0x2066, 0x2069 }, { 0xfeff, 0xfeff }, /* isolates */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(unseen); i++) {
        for (gunichar letter = unseen[i][0]; letter <= unseen[i][1]; letter++) {
            g_autofree char *utf8 = g_ucs4_to_utf8(&letter, 1, NULL, NULL, NULL);
            g_autofree char *text = g_strdup_printf("a%s\xc3\xa4", utf8), *plain = plain_text(text, 64);

            ck_assert_msg(g_str_equal(plain, "a \xc3\xa4"), "U+%04X: %s", letter, plain);
        }
    }
}
END_TEST

START_TEST(test_plain_text_is_cut)
{
    g_autofree char *fits = plain_text("12345678", 8), *cut = plain_text("123456789", 8);
    g_autofree char *no_half = plain_text("123\xc3\xa4 67890", 8), *grown = plain_text("1234\xe4\xe4", 8);

    ck_assert_str_eq(fits, "12345678");
    ck_assert_str_eq(cut, "1234 ...");
    ck_assert_str_eq(no_half, "123 ...");
    ck_assert_str_eq(grown, "1234 ...");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("words");

    tcase_add_test(tcase, test_domain_type);
    tcase_add_test(tcase, test_strictness);
    tcase_add_test(tcase, test_finding_kind);
    tcase_add_test(tcase, test_states);
    tcase_add_test(tcase, test_class_words);
    tcase_add_test(tcase, test_bus_text);
    tcase_add_test(tcase, test_plain_text);
    tcase_add_test(tcase, test_plain_text_is_cut);
    return unit_run("words", tcase);
}
