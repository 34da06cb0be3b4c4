/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refusal-rate.h"
#include "unit.h"

#define MINUTE (60 * G_GUINT64_CONSTANT(1000000))
#define STRANGER 1000

START_TEST(a_limit_is_told_once_in_a_minute)
{
    g_autoptr(RefusalRate) rate = refusal_rate_new();
    static const uid_t users[] = { 0, STRANGER, (uid_t) -1 };

    for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
        ck_assert_int_eq(refusal_rate_take(rate, users[i], REFUSAL_TOO_MANY_CALLS, 5), REFUSAL_ROOM_MORE);
        ck_assert_int_eq(refusal_rate_take(rate, users[i], REFUSAL_TOO_MANY_CALLS, 6), REFUSAL_ROOM_NONE);
        ck_assert_int_eq(refusal_rate_take(rate, users[i], REFUSAL_IN_USE, 7), REFUSAL_ROOM_MORE);
        ck_assert_int_eq(refusal_rate_take(rate, users[i], REFUSAL_TOO_MANY_CALLS, 4 + MINUTE),
                         REFUSAL_ROOM_NONE);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(users); i++)
        ck_assert_int_eq(refusal_rate_take(rate, users[i], REFUSAL_TOO_MANY_CALLS, 5 + MINUTE),
                         REFUSAL_ROOM_MORE);
}
END_TEST

START_TEST(a_limit_is_told_again_after_a_yes)
{
    g_autoptr(RefusalRate) rate = refusal_rate_new();

    ck_assert_int_eq(refusal_rate_take(rate, STRANGER, REFUSAL_TOO_MANY_CALLS, 1), REFUSAL_ROOM_MORE);
    refusal_rate_forget(rate, STRANGER + 1);
    ck_assert_int_eq(refusal_rate_take(rate, STRANGER, REFUSAL_TOO_MANY_CALLS, 2), REFUSAL_ROOM_NONE);
    refusal_rate_forget(rate, STRANGER);
    ck_assert_int_eq(refusal_rate_take(rate, STRANGER, REFUSAL_TOO_MANY_CALLS, 3), REFUSAL_ROOM_MORE);
}
END_TEST

START_TEST(a_stranger_has_so_much_room)
{
    g_autoptr(RefusalRate) rate = refusal_rate_new();

    for (unsigned i = 1; i <= 2 * REFUSAL_RATE_MAX; i++) {
        ck_assert_int_eq(refusal_rate_take(rate, STRANGER, REFUSAL_ACCESS_DENIED, i),
                         i < REFUSAL_RATE_MAX ? REFUSAL_ROOM_MORE
                         : i == REFUSAL_RATE_MAX ? REFUSAL_ROOM_LAST : REFUSAL_ROOM_NONE);
        ck_assert_int_eq(refusal_rate_take(rate, 0, REFUSAL_IN_USE, i), REFUSAL_ROOM_MORE);
    }
    ck_assert_int_eq(refusal_rate_take(rate, STRANGER + 1, REFUSAL_ACCESS_DENIED, 9), REFUSAL_ROOM_MORE);
    ck_assert_int_eq(refusal_rate_take(rate, STRANGER, REFUSAL_ACCESS_DENIED, MINUTE), REFUSAL_ROOM_NONE);
    ck_assert_int_eq(refusal_rate_take(rate, STRANGER, REFUSAL_ACCESS_DENIED, 1 + MINUTE),
                     REFUSAL_ROOM_MORE);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("refusal-rate");

    tcase_add_test(tcase, a_limit_is_told_once_in_a_minute);
    tcase_add_test(tcase, a_limit_is_told_again_after_a_yes);
    tcase_add_test(tcase, a_stranger_has_so_much_room);
    return unit_run("refusal-rate", tcase);
}
