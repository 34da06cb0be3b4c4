/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "complaint.h"
#include "unit.h"

START_TEST(each_has_a_word_and_a_reason)
{
    g_autoptr(GHashTable) words = g_hash_table_new(g_str_hash, g_str_equal);

    for (ComplaintKind kind = 0; kind < _COMPLAINT_KIND_MAX; kind++) {
        const char *word = complaint_word(kind), *why = complaint_why(kind);

        ck_assert_ptr_nonnull(word);
        ck_assert_msg(g_hash_table_add(words, (char *) word), "%s stands there twice", word);
        ck_assert_uint_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
        ck_assert_msg(why && g_str_has_suffix(why, "."), "%s: %s", word, why);
    }
}
END_TEST

START_TEST(a_note_is_nothing_wrong)
{
    g_autoptr(GPtrArray) complaints = complaints_new();

    ck_assert_int_eq(complaints_exit_code(complaints), EXIT_CODE_DONE);
    complain(complaints, COMPLAINT_NEXT_BOOT, "Boot.", "group %u", 7u);
    ck_assert_int_eq(complaints_exit_code(complaints), EXIT_CODE_DONE);
    complain(complaints, COMPLAINT_FROZEN, "Correct it.", "frozen");
    ck_assert_int_eq(complaints_exit_code(complaints), EXIT_CODE_FAILED);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("complaint");

    tcase_add_test(cases, each_has_a_word_and_a_reason);
    tcase_add_test(cases, a_note_is_nothing_wrong);
    return unit_run("complaint", cases);
}
