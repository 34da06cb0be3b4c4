/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "device-watch.h"
#include "unit.h"

/*
 * Runs in user, network and mount namespaces of its own, where root may let the kernel send uevents
 * (lib/kobject_uevent.c, uevent_net_rcv(): a unicast message to the kernel is given a SEQNUM and comes back
 * as one of the kernel's). Where namespaces cannot be made every case fails.
 */
#define NVME "/devices/pci0000:00/0000:00:04.0"
#define GROUP_KERNEL 1u
#define GROUP_UDEV 2u

typedef struct Seen {
    sd_event *event;
    DeviceWatch *watch;
    GString *text; /* one line for each callback */
    unsigned overflows;
    bool free_at_event;
} Seen;

static int sender;

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    close(fd);
}

static void setup(void)
{
    g_autofree char *uid_map = g_strdup_printf("0 %u 1\n", (unsigned) geteuid()),
                    *gid_map = g_strdup_printf("0 %u 1\n", (unsigned) getegid());

    ck_assert_msg(unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0, "no namespaces: %s",
                  strerror(errno));
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", uid_map);
    write_text("/proc/self/gid_map", gid_map);
    /* libudev listens to udev only where its control socket is. */
    ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
    ck_assert_int_eq(mkdir("/run/udev", 0755), 0);
    write_text("/run/udev/control", "");
    sender = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    ck_assert_int_ge(sender, 0);
}

/* "ACTION=..", "DEVPATH=..", "SUBSYSTEM=.." and what EXTRA adds, each with its NUL. */
static GByteArray *make_properties(const char *action, const char *devpath, const char *subsystem,
                                   const char *extra)
{
    g_autofree char *text = g_strdup_printf("ACTION=%s%cDEVPATH=%s%cSUBSYSTEM=%s%c%s", action, 1, devpath, 1,
                                            subsystem, 1, extra ?: "");
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, (guint8 *) text, (guint) strlen(text) + (extra ? 1 : 0));
    for (guint i = 0; i < bytes->len; i++)
        if (bytes->data[i] == 1)
            bytes->data[i] = 0;
    return bytes;
}

static void send_to(uint32_t groups, const void *data, size_t size)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };

    ck_assert_int_eq(sendto(sender, data, size, 0, (struct sockaddr *) &address, sizeof(address)),
                     (ssize_t) size);
}

/* "add@/devices/..." and the properties. */
static GByteArray *make_kernel_payload(const char *action, const char *devpath, const char *subsystem)
{
    g_autoptr(GByteArray) properties = make_properties(action, devpath, subsystem, NULL);
    g_autofree char *head = g_strdup_printf("%s@%s", action, devpath);
    GByteArray *payload = g_byte_array_new();

    g_byte_array_append(payload, (guint8 *) head, (guint) strlen(head) + 1);
    g_byte_array_append(payload, properties->data, properties->len);
    return payload;
}

static void send_kernel(const char *action, const char *devpath, const char *subsystem)
{
    g_autoptr(GByteArray) payload = make_kernel_payload(action, devpath, subsystem),
                          message = g_byte_array_new();
    struct nlmsghdr header = { .nlmsg_len = (uint32_t) NLMSG_LENGTH(payload->len),
                               .nlmsg_type = NLMSG_MIN_TYPE,
                               .nlmsg_flags = NLM_F_REQUEST };

    g_byte_array_append(message, (guint8 *) &header, NLMSG_HDRLEN);
    g_byte_array_append(message, payload->data, payload->len);
    send_to(0, message->data, message->len);
}

/* MurmurHash2 with seed 0, the hash in udev's messages by which the kernel filters for libudev. */
static uint32_t murmur(const char *text)
{
    const uint32_t m = 0x5bd1e995;
    size_t length = strlen(text);
    uint32_t hash = (uint32_t) length, k;

    for (; length >= 4; text += 4, length -= 4) {
        memcpy(&k, text, 4);
        k *= m;
        k ^= k >> 24;
        hash = (hash * m) ^ (k * m);
    }
    for (size_t i = length; i > 0; i--)
        hash ^= (uint32_t) (unsigned char) text[i - 1] << (8 * (i - 1));
    if (length > 0)
        hash *= m;
    hash ^= hash >> 13;
    hash *= m;
    return hash ^ hash >> 15;
}

static void send_udev(const char *action, const char *devpath, const char *subsystem, const char *extra)
{
    g_autofree char *more = g_strconcat("SEQNUM=1\x01", extra, NULL);
    g_autoptr(GByteArray) properties = make_properties(action, devpath, subsystem, more),
                          message = g_byte_array_new();
    struct {
        char prefix[8];
        uint32_t magic, header_size, properties_offset, properties_size;
        uint32_t subsystem_hash, devtype_hash, tag_high, tag_low;
    } header = { "libudev",
                 htonl(0xfeedcafe),
                 sizeof(header),
                 sizeof(header),
                 properties->len,
                 htobe32(murmur(subsystem)),
                 0,
                 0,
                 0 };

    g_byte_array_append(message, (guint8 *) &header, sizeof(header));
    g_byte_array_append(message, properties->data, properties->len);
    send_to(GROUP_UDEV, message->data, message->len);
}

static void on_event(DeviceEvent event, const char *syspath, struct udev_device *udev, void *userdata)
{
    static const char *const names[] = {
        "add", "change", "remove", "bind", "unbind", "udev", "use", "overflow",
    };
    Seen *seen = userdata;

    if (event == DEVICE_EVENT_OVERFLOW)
        seen->overflows++;
    g_string_append_printf(seen->text, "%s %s%s%s\n", names[event], syspath ?: "-", udev ? " " : "",
                           udev ? udev_device_get_action(udev) : "");
    if (seen->free_at_event)
        seen->watch = device_watch_free(seen->watch);
}

static void begin(Seen *seen)
{
    *seen = (Seen){ .text = g_string_new(NULL), .free_at_event = seen->free_at_event };
    ck_assert_int_ge(sd_event_new(&seen->event), 0);
    ck_assert_int_eq(device_watch_new(seen->event, on_event, seen, &seen->watch), 0);
}

/* A message is in the receivers' queues when sendto() returns, so what is there now is all. */
static void take_all(Seen *seen)
{
    int r;

    while ((r = sd_event_run(seen->event, 0)) > 0)
        ;
    ck_assert_int_eq(r, 0);
}

static void end(Seen *seen)
{
    seen->watch = device_watch_free(seen->watch);
    g_string_free(seen->text, TRUE);
    sd_event_unref(seen->event);
}

START_TEST(kernel_events_are_told)
{
    static const char *const actions[] = { "add", "bind", "unbind", "remove", "change", "online" };
    Seen seen = {};

    begin(&seen);
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
        send_kernel(actions[i], NVME, "pci");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str,
                     "add sys" NVME "\nbind sys" NVME "\nunbind sys" NVME "\nremove sys" NVME
                     "\nchange sys" NVME "\n");
    end(&seen);
}
END_TEST

START_TEST(only_buses_with_groups)
{
    static const char *const subsystems[] = { "block", "net",      "module", "cpu",
                                              "usb",   "platform", "amba",   "fsl-mc" };
    Seen seen = {};

    begin(&seen);
    for (size_t i = 0; i < G_N_ELEMENTS(subsystems); i++) {
        g_autofree char *path = g_strdup_printf("/devices/%s", subsystems[i]);

        send_kernel("add", path, subsystems[i]);
    }
    send_kernel("add", "/bus/pci/drivers/nvme", "drivers");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str,
                     "add sys/devices/platform\nadd sys/devices/amba\nadd sys/devices/fsl-mc\n");
    end(&seen);
}
END_TEST

START_TEST(a_late_iommu_means_look_again)
{
    Seen seen = {};

    begin(&seen);
    send_kernel("add", "/devices/pci0000:00/0000:00:01.0/virtio0/iommu/0000:00:01.0", "iommu");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str, "overflow -\n");
    end(&seen);
}
END_TEST

/* Anybody with the right may send to the kernel's group; that is not the kernel. */
START_TEST(forged_kernel_events_are_not_believed)
{
    g_autoptr(GByteArray) payload = make_kernel_payload("add", NVME, "pci");
    Seen seen = {};

    g_byte_array_append(payload, (guint8 *) "SEQNUM=99", 10);
    begin(&seen);
    send_to(GROUP_KERNEL, payload->data, payload->len);
    send_kernel("bind", NVME, "pci");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str, "bind sys" NVME "\n");
    end(&seen);
}
END_TEST

START_TEST(udev_events_are_told)
{
    Seen seen = {};

    begin(&seen);
    send_udev("add", NVME, "pci", "ID_X=1");
    send_udev("bind", NVME, "pci", "ID_X=1");
    send_udev("remove", NVME, "pci", "ID_X=1");
    send_udev("add", NVME "/nvme/nvme0/nvme0n1", "block", "DEVTYPE=disk");
    send_udev("remove", NVME "/net/eth0", "net", "IFINDEX=2");
    send_udev("add", "/devices/virtual/sound", "sound", "ID_X=1");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str, "udev sys" NVME " add\nudev sys" NVME " bind\n"
                                     "use sys" NVME "/nvme/nvme0/nvme0n1 add\n"
                                     "use sys" NVME "/net/eth0 remove\n");
    end(&seen);
}
END_TEST

/* Makes the kernel source's queue of this process as small as it can be. */
static void shrink_queue(void)
{
    const int size = 1;
    unsigned found = 0;

    for (int fd = 3; fd < 64; fd++) {
        struct sockaddr_nl address = {};
        socklen_t length = sizeof(address);

        if (getsockname(fd, (struct sockaddr *) &address, &length) < 0 || address.nl_family != AF_NETLINK ||
            address.nl_groups != GROUP_KERNEL)
            continue;
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
        found++;
    }
    ck_assert_uint_eq(found, 1);
}

START_TEST(lost_events_are_told)
{
    Seen seen = {};

    begin(&seen);
    shrink_queue();
    for (unsigned i = 0; i < 200; i++)
        send_kernel("add", NVME, "pci");
    take_all(&seen);
    ck_assert_uint_ge(seen.overflows, 1);

    g_string_truncate(seen.text, 0);
    send_kernel("bind", NVME, "pci");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str, "bind sys" NVME "\n");
    end(&seen);
}
END_TEST

START_TEST(a_storm_is_not_lost)
{
    Seen seen = {};
    unsigned lines = 0;

    begin(&seen);
    for (unsigned i = 0; i < 500; i++)
        send_kernel("add", NVME, "pci");
    take_all(&seen);
    for (const char *p = seen.text->str; (p = strchr(p, '\n')); p++)
        lines++;
    ck_assert_uint_eq(lines, 500);
    ck_assert_uint_eq(seen.overflows, 0);
    end(&seen);
}
END_TEST

START_TEST(freed_by_its_callback)
{
    Seen seen = { .free_at_event = true };

    begin(&seen);
    send_kernel("add", NVME, "pci");
    send_kernel("bind", NVME, "pci");
    take_all(&seen);
    ck_assert_str_eq(seen.text->str, "add sys" NVME "\n");
    ck_assert_ptr_null(seen.watch);
    end(&seen);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("device-watch");

    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, kernel_events_are_told);
    tcase_add_test(cases, only_buses_with_groups);
    tcase_add_test(cases, a_late_iommu_means_look_again);
    tcase_add_test(cases, forged_kernel_events_are_not_believed);
    tcase_add_test(cases, udev_events_are_told);
    tcase_add_test(cases, lost_events_are_told);
    tcase_add_test(cases, a_storm_is_not_lost);
    tcase_add_test(cases, freed_by_its_callback);
    return unit_run("device-watch", cases);
}
