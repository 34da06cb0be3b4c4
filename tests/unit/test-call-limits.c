/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib.h>

#include "call-limits.h"
#include "unit.h"

static const CallLimits sizes = { .per_sender = 2, .per_user = 3, .in_all = 6, .for_root = 2 };

/* A place of a call that SENDER, who is UID, makes; -EDQUOT at either step is returned. */
static int take(CallLimits *limits, const char *sender, uid_t uid, GPtrArray *places)
{
    g_autoptr(CallPlace) place = NULL;
    int r = call_limits_enter(limits, sender, &place);

    if (r >= 0)
        r = call_place_identify(place, uid);
    if (r < 0)
        return r;
    g_ptr_array_add(places, g_steal_pointer(&place));
    return 0;
}

static void free_place(void *place)
{
    (void) call_place_free(place);
}

START_TEST(one_connection)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(free_place);
    CallPlace *place = NULL;
    CallLimits limits;

    call_limits_init(&limits, &sizes);
    ck_assert_int_eq(take(&limits, ":1.1", 0, places), 0);
    ck_assert_int_eq(take(&limits, ":1.1", 0, places), 0);
    ck_assert_int_eq(call_limits_enter(&limits, ":1.1", &place), -EDQUOT);
    ck_assert_ptr_null(place);
    g_ptr_array_set_size(places, 1);
    ck_assert_int_eq(take(&limits, ":1.1", 0, places), 0);
    g_ptr_array_set_size(places, 0);
    ck_assert_uint_eq(limits.count, 0);
    ck_assert_uint_eq(g_hash_table_size(limits.senders), 0);
    ck_assert_uint_eq(g_hash_table_size(limits.users), 0);
    call_limits_clear(&limits);
}
END_TEST

START_TEST(one_user_with_many_connections)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(free_place);
    CallLimits limits;

    call_limits_init(&limits, &sizes);
    ck_assert_int_eq(take(&limits, ":1.1", 1000, places), 0);
    ck_assert_int_eq(take(&limits, ":1.2", 1000, places), 0);
    ck_assert_int_eq(take(&limits, ":1.3", 1000, places), 0);
    ck_assert_int_eq(take(&limits, ":1.4", 1000, places), -EDQUOT);
    ck_assert_int_eq(take(&limits, ":1.5", 1001, places), 0);
    /* Whoever was refused has left no trace. */
    ck_assert_uint_eq(limits.count, 4);
    ck_assert_uint_eq(g_hash_table_size(limits.senders), 4);
    g_ptr_array_set_size(places, 0);
    call_limits_clear(&limits);
}
END_TEST

START_TEST(a_share_remains_for_root)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(free_place);
    CallLimits limits;

    call_limits_init(&limits, &sizes);
    for (unsigned user = 1; user <= 4; user++) {
        g_autofree char *sender = g_strdup_printf(":1.%u", user);

        ck_assert_int_eq(take(&limits, sender, 1000 + user, places), 0);
    }
    ck_assert_int_eq(take(&limits, ":1.5", 1005, places), -EDQUOT);
    ck_assert_int_eq(take(&limits, ":1.6", 0, places), 0);
    ck_assert_int_eq(take(&limits, ":1.7", 0, places), 0);
    ck_assert_int_eq(take(&limits, ":1.8", 0, places), -EDQUOT);
    g_ptr_array_set_size(places, 0);
    call_limits_clear(&limits);
}
END_TEST

START_TEST(root_has_no_limit_of_a_user)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(free_place);
    CallLimits limits;

    call_limits_init(&limits, &sizes);
    for (unsigned i = 0; i < 6; i++) {
        g_autofree char *sender = g_strdup_printf(":1.%u", i);

        ck_assert_int_eq(take(&limits, sender, 0, places), 0);
    }
    /* The share of root is what nobody else has, not what nobody else may have when root has more. */
    g_ptr_array_set_size(places, 5);
    ck_assert_int_eq(take(&limits, ":1.7", 1000, places), 0);
    g_ptr_array_set_size(places, 0);
    call_limits_clear(&limits);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("call-limits");

    tcase_add_test(cases, one_connection);
    tcase_add_test(cases, one_user_with_many_connections);
    tcase_add_test(cases, a_share_remains_for_root);
    tcase_add_test(cases, root_has_no_limit_of_a_user);
    return unit_run("call-limits", cases);
}
