/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for kernel events, in a network namespace in which this test sends them in the kernel's name. */
#include <errno.h>
#include <glib.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-events.h"
#include "unit.h"

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

static void send_message(const char *text, size_t length)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct {
        struct nlmsghdr header;
        char text[512];
    } message = { .header = { .nlmsg_type = NLMSG_MIN_TYPE, .nlmsg_flags = NLM_F_REQUEST } };

    ck_assert_uint_lt(length, sizeof(message.text));
    memcpy(message.text, text, length);
    message.header.nlmsg_len = (uint32_t) (sizeof(message.header) + length);
    ck_assert_int_eq(sendto(sender, &message, message.header.nlmsg_len, 0, (struct sockaddr *) &kernel,
                            sizeof(kernel)), message.header.nlmsg_len);
}

static void send_event(const char *head)
{
    send_message(head, strlen(head) + 1);
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

#define ADD(path, subsystem, more) "add@" path "\0ACTION=add\0DEVPATH=" path "\0SUBSYSTEM=" subsystem more
#define OTHER "/devices/pci0000:00/0000:00:05.0"
#define PLATFORM "/devices/platform/a000.mmc"

/* Each is a literal whose own end is the NUL of its last line. */
static const struct {
    const char *text;
    size_t size;
    const char *devpath; /* NULL: is none */
} messages[] = {
#define MESSAGE(text, devpath) { (text), sizeof(text), (devpath) }
    MESSAGE(ADD(OTHER, "pci", "\0PCI_ID=8086:10D3"), OTHER),
    MESSAGE(ADD(PLATFORM, "platform", ""), PLATFORM),
    MESSAGE(ADD(OTHER, "pci", "\0SYNTH_UUID=0\0SEQNUM=7"), NULL), /* udevadm trigger */
    MESSAGE(ADD(OTHER "/net/eth0", "net", ""), NULL),
    MESSAGE(ADD("/module/nvme", "module", ""), NULL),
    MESSAGE(ADD("/bus/pci/drivers/nvme", "pci", ""), NULL),
    MESSAGE("bind@" OTHER "\0ACTION=bind\0DEVPATH=" OTHER "\0SUBSYSTEM=pci", NULL),
    MESSAGE("add@" OTHER, NULL),
    MESSAGE("add@" OTHER "\0SUBSYSTEM=pci", NULL),
    MESSAGE("", NULL),
};

START_TEST(adds_of_devices_in_groups)
{
    for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
        const char *devpath = NULL;

        ck_assert_int_eq(kernel_events_parse_add(messages[i].text, messages[i].size, &devpath),
                         messages[i].devpath != NULL);
        ck_assert_pstr_eq(devpath, messages[i].devpath);
        /* Cut off, it is none. */
        ck_assert(!kernel_events_parse_add(messages[i].text, messages[i].size - 1, &devpath));
    }
    ck_assert(!kernel_events_parse_add("", 0, &(const char *) { NULL }));
}
END_TEST

/* Two who read one socket: each event goes to one of them, and what is none wakes neither. */
START_TEST(next_add_is_taken_once)
{
    g_autofree char *first = NULL, *second = NULL;
    int adds = kernel_events_open_adds();
    char byte;

    ck_assert_int_ge(adds, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(messages); i++)
        send_message(messages[i].text, messages[i].size);
    ck_assert_int_eq(kernel_events_next_add(adds, &first), 0);
    ck_assert_str_eq(first, "sys" OTHER);
    ck_assert_int_eq(kernel_events_next_add(adds, &second), 0);
    ck_assert_str_eq(second, "sys" PLATFORM);
    /* Of the rest those are left that begin like an add. */
    while (recv(adds, &byte, 1, MSG_DONTWAIT) == 1)
        ck_assert_int_eq(byte, 'a');
    (void) close(adds);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("events");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, wakes_for_device_and_below);
    tcase_add_test(tcase, sleeps_for_others);
    tcase_add_test(tcase, many_events_are_one);
    tcase_add_test(tcase, deadline_ends_it);
    tcase_add_test(tcase, lost_events_wake);
    tcase_add_test(tcase, adds_of_devices_in_groups);
    tcase_add_test(tcase, next_add_is_taken_once);
    return unit_run("kernel events", tcase);
}
