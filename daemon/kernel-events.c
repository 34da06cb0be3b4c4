/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-events.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

#define KERNEL_GROUP 1u       /* udev sends its own events to group 2 */
#define RECEIVE_BUFFER                                                                                      \
    1048576 /* a disk controller with many disks sends some hundred events of 0.5 KiB at once */

/*
 * The buses whose devices can be in an IOMMU group: iommu_buses[] of drivers/iommu/iommu.c, and Hyper-V's.
 */
const char *const kernel_events_buses[] = {
    "pci", "platform", "amba", "fsl-mc", "cdx", "host1x-context", "vmbus", NULL,
};

static int open_socket(int flags, const struct sock_fprog *filter)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
    _cleanup_close_ int fd = -EBADF;
    int size = RECEIVE_BUFFER;

    fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | flags, NETLINK_KOBJECT_UEVENT);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (filter && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof(*filter)) < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int kernel_events_open(void)
{
    return open_socket(SOCK_NONBLOCK, NULL);
}

/* Nobody is woken for a message that does not begin with "add@". */
int kernel_events_open_adds(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a' << 24 | 'd' << 16 | 'd' << 8 | '@', 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = { .len = G_N_ELEMENTS(code), .filter = code };

    return open_socket(0, &filter);
}

/* The message is a head, then "KEY=VALUE", each ended by a NUL. */
bool kernel_events_parse_add(const char *message, size_t size, const char **ret_devpath)
{
    const char *devpath = NULL, *subsystem = NULL;

    if (size == 0 || message[size - 1] != '\0' || !g_str_has_prefix(message, "add@"))
        return false;
    for (const char *p = message; p < message + size; p += strlen(p) + 1) {
        if (g_str_has_prefix(p, "DEVPATH="))
            devpath = p + strlen("DEVPATH=");
        else if (g_str_has_prefix(p, "SUBSYSTEM="))
            subsystem = p + strlen("SUBSYSTEM=");
        else if (g_str_has_prefix(p, "SYNTH_UUID="))
            return false;
    }
    if (!devpath || !subsystem || !g_strv_contains(kernel_events_buses, subsystem) ||
        !g_str_has_prefix(devpath, "/devices/"))
        return false;
    *ret_devpath = devpath;
    return true;
}

int kernel_events_next_add(int fd, char **ret_syspath)
{
    for (;;) {
        struct sockaddr_nl sender = { .nl_pid = 1 };
        socklen_t length = sizeof(sender);
        char message[8192];
        const char *devpath;
        ssize_t n = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *) &sender, &length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
                if (sender.nl_pid != 0 || !kernel_events_parse_add(message, (size_t) n, &devpath))
            continue;
        *ret_syspath = g_strconcat("sys", devpath, NULL);
        return 0;
    }
}

/* A message starts "ACTION@/devices/...\0". */
static bool concerns(const char *message, const char *syspath)
{
    const char *path = strchr(message, '@');
    const char *device = strchr(syspath, '/');
    size_t length;

    if (!path || !device)
        return false;
    length = strlen(device);
    return strncmp(path + 1, device, length) == 0 && (path[1 + length] == '\0' || path[1 + length] == '/');
}

/* Takes all that has arrived. Returns whether one message concerns SYSPATH, or may: after an overflow
 * nobody knows. */
static bool drain(int fd, const char *syspath)
{
    bool concerned = false;

    for (;;) {
        struct sockaddr_nl sender = { .nl_pid = 1 };
        socklen_t length = sizeof(sender);
        char message[8192];
        ssize_t n = recvfrom(fd, message, sizeof(message) - 1, 0, (struct sockaddr *) &sender, &length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return concerned || errno == ENOBUFS;
        if (sender.nl_pid != 0)
            continue; /* not from the kernel */
        message[n] = '\0';
        concerned |= concerns(message, syspath);
    }
}

int kernel_events_wait(int fd, const char *syspath, uint64_t deadline)
{
    for (;;) {
        uint64_t now = (uint64_t) g_get_monotonic_time();
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        struct timespec timeout;
        int r;

        if (now >= deadline)
            return -ETIMEDOUT;
        timeout.tv_sec = (time_t) ((deadline - now) / G_USEC_PER_SEC);
        timeout.tv_nsec = (long) ((deadline - now) % G_USEC_PER_SEC * 1000);
        r = ppoll(&poll_fd, 1, &timeout, NULL);
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0 && drain(fd, syspath))
            return 0;
    }
}
