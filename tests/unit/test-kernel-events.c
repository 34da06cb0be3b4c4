/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for kernel events, in a network namespace in which this test sends them in the kernel's name. */
#include <check.h>
#include <errno.h>
#include <glib.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-events.h"

#define DEVICE "sys/devices/pci0000:00/0000:00:04.0"
#define SOON 20000
#define LATER (60 * G_USEC_PER_SEC)

static int sender = -EBADF, events = -EBADF;

static uint64_t in(uint64_t usec)
{
    return (uint64_t) g_get_monotonic_time() + usec;
}

/* A message from outside the kernel's own code comes back to all with port 0, if its sender may do that. */
static void setup(void)
{
    ck_assert_msg(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "no namespaces: %s", strerror(errno));
    sender = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    ck_assert_int_ge(sender, 0);
    events = kernel_events_open();
    ck_assert_int_ge(events, 0);
}

static void teardown(void)
{
    (void) close(sender);
    (void) close(events);
}

static void send_event(const char *head)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct {
        struct nlmsghdr header;
        char text[256];
    } message = { .header = { .nlmsg_type = NLMSG_MIN_TYPE, .nlmsg_flags = NLM_F_REQUEST } };
    size_t length = strlen(head) + 1;

    ck_assert_uint_lt(length, sizeof(message.text));
    memcpy(message.text, head, length);
    message.header.nlmsg_len = (uint32_t) (sizeof(message.header) + length);
    ck_assert_int_eq(sendto(sender, &message, message.header.nlmsg_len, 0, (struct sockaddr *) &kernel,
                            sizeof(kernel)), message.header.nlmsg_len);
}

START_TEST(wakes_for_device_and_below)
{
    send_event("bind@/devices/pci0000:00/0000:00:04.0");
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(LATER)), 0);
    send_event("add@/devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1");
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(LATER)), 0);
}
END_TEST

START_TEST(sleeps_for_others)
{
    send_event("add@/devices/pci0000:00/0000:00:05.0");
    send_event("add@/devices/pci0000:00/0000:00:04.01");
    send_event("add@/devices/pci0000:00");
    send_event("no event");
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(SOON)), -ETIMEDOUT);
}
END_TEST

START_TEST(many_events_are_one)
{
    for (unsigned i = 0; i < 50; i++)
        send_event("change@/devices/pci0000:00/0000:00:04.0");
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(LATER)), 0);
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(SOON)), -ETIMEDOUT);
}
END_TEST

START_TEST(deadline_ends_it)
{
    send_event("bind@/devices/pci0000:00/0000:00:04.0");
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(0)), -ETIMEDOUT);
    ck_assert_int_eq(kernel_events_wait(-EBADF, DEVICE, in(SOON)), -ETIMEDOUT);
}
END_TEST

START_TEST(lost_events_wake)
{
    int size = 1;

    ck_assert_int_eq(setsockopt(events, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    for (unsigned i = 0; i < 50; i++)
        send_event("add@/devices/pci0000:00/0000:00:05.0");
    ck_assert_int_eq(kernel_events_wait(events, DEVICE, in(LATER)), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel events");
    TCase *tcase = tcase_create("events");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, wakes_for_device_and_below);
    tcase_add_test(tcase, sleeps_for_others);
    tcase_add_test(tcase, many_events_are_one);
    tcase_add_test(tcase, deadline_ends_it);
    tcase_add_test(tcase, lost_events_wake);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
