/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-events.h"

#include <errno.h>
#include <glib.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

#define KERNEL_GROUP 1u       /* udev sends its own events to group 2 */
#define RECEIVE_BUFFER                                                                                      \
    1048576 /* a disk controller with many disks sends some hundred events of 0.5 KiB at once */

int kernel_events_open(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
    _cleanup_close_ int fd = -EBADF;
    int size = RECEIVE_BUFFER;

    fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd < 0)
        return -errno;
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        return -errno;
    return TAKE_FD(fd);
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
