/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "change-queue.h"
#include "unit.h"

#define WORDS(...) g_strdupv((char **) (const char *const[]) { __VA_ARGS__, NULL })

static QueueItem item(unsigned group, const char *syspath, const char *name, const char *relative)
{
    return (QueueItem) {
        .group = group,
        .syspaths = WORDS(syspath),
        .names = WORDS(name),
        .relatives = relative ? WORDS(relative) : NULL,
    };
}

START_TEST(related_are_those_above_below_and_linked)
{
    QueueItem port = item(1, "sys/devices/pci0000:00/0000:00:01.0", "0000:00:01.0", NULL);
    QueueItem below = item(2, "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0", "0000:01:00.0", NULL);
    QueueItem beside = item(3, "sys/devices/pci0000:00/0000:00:01.01", "0000:00:01.01", NULL);
    QueueItem function = item(4, "sys/devices/pci0000:00/0000:02:00.1", "0000:02:00.1", "0000:01:00.0");

    ck_assert(queue_items_related(&port, &below));
    ck_assert(queue_items_related(&below, &port));
    ck_assert(!queue_items_related(&port, &beside));
    ck_assert(queue_items_related(&function, &below));
    ck_assert(queue_items_related(&below, &function));
    ck_assert(!queue_items_related(&function, &port));
    ck_assert(queue_items_related(&port, &port));
    queue_item_clear(&port);
    queue_item_clear(&below);
    queue_item_clear(&beside);
    queue_item_clear(&function);
}
END_TEST

START_TEST(eight_run_at_once_and_a_late_one_takes_no_turn)
{
    g_autoptr(ChangeQueue) queue = change_queue_new();
    QueueItem items[CHANGES_AT_ONCE + 2] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(items); i++) {
        items[i].group = i;
        ck_assert_ptr_null(change_queue_push(queue, &items[i]));
    }
    for (unsigned i = 0; i < CHANGES_AT_ONCE; i++)
        ck_assert_ptr_eq(change_queue_next(queue), &items[i]);
    ck_assert_ptr_null(change_queue_next(queue));
    ck_assert_uint_eq(change_queue_count_running(queue), CHANGES_AT_ONCE);

    items[3].late = true;
    ck_assert_ptr_eq(change_queue_next(queue), &items[CHANGES_AT_ONCE]);
    ck_assert_ptr_null(change_queue_next(queue));
    change_queue_remove(queue, &items[0]);
    ck_assert_ptr_eq(change_queue_next(queue), &items[CHANGES_AT_ONCE + 1]);
}
END_TEST

START_TEST(what_is_related_waits_even_for_a_late_one)
{
    g_autoptr(ChangeQueue) queue = change_queue_new();
    QueueItem port = item(1, "sys/devices/pci0000:00/0000:00:01.0", "0000:00:01.0", NULL);
    QueueItem below = item(2, "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0", "0000:01:00.0", NULL);
    QueueItem other = item(3, "sys/devices/pci0000:00/0000:00:02.0", "0000:00:02.0", NULL);

    (void) change_queue_push(queue, &port);
    (void) change_queue_push(queue, &below);
    (void) change_queue_push(queue, &other);
    ck_assert_ptr_eq(change_queue_next(queue), &port);
    port.late = true;
    ck_assert_ptr_eq(change_queue_next(queue), &other);
    ck_assert_ptr_null(change_queue_next(queue));
    change_queue_remove(queue, &port);
    ck_assert_ptr_eq(change_queue_next(queue), &below);
    queue_item_clear(&port);
    queue_item_clear(&below);
    queue_item_clear(&other);
}
END_TEST

START_TEST(a_newer_change_replaces_the_waiting_one_of_a_rule)
{
    g_autoptr(ChangeQueue) queue = change_queue_new();
    QueueItem first = { .group = 7, .by_rule = true }, second = first, call = { .group = 7 }, third = first;

    ck_assert_ptr_null(change_queue_push(queue, &first));
    ck_assert_ptr_eq(change_queue_push(queue, &second), &first);
    ck_assert_ptr_eq(change_queue_push(queue, &call), &second);
    ck_assert_ptr_null(change_queue_push(queue, &third)); /* a call that waits is never replaced */
    ck_assert_ptr_eq(change_queue_next(queue), &call);
    ck_assert_ptr_null(change_queue_next(queue));
    change_queue_remove(queue, &call);
    ck_assert_ptr_eq(change_queue_next(queue), &third);
}
END_TEST

START_TEST(recovery_goes_first)
{
    g_autoptr(ChangeQueue) queue = change_queue_new();
    QueueItem rule = { .group = 1, .by_rule = true }, recovery = { .group = 2, .first = true },
              another = { .group = 3, .first = true };

    (void) change_queue_push(queue, &rule);
    (void) change_queue_push(queue, &recovery);
    (void) change_queue_push(queue, &another);
    ck_assert_ptr_eq(change_queue_waiting(queue, 1), &rule);
    ck_assert_ptr_eq(change_queue_next(queue), &recovery);
    ck_assert_ptr_eq(change_queue_next(queue), &another);
    ck_assert_ptr_eq(change_queue_next(queue), &rule);
    ck_assert_ptr_null(change_queue_waiting(queue, 1));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("change-queue");

    tcase_add_test(cases, related_are_those_above_below_and_linked);
    tcase_add_test(cases, eight_run_at_once_and_a_late_one_takes_no_turn);
    tcase_add_test(cases, what_is_related_waits_even_for_a_late_one);
    tcase_add_test(cases, a_newer_change_replaces_the_waiting_one_of_a_rule);
    tcase_add_test(cases, recovery_goes_first);
    return unit_run("change-queue", cases);
}
