/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "instance-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "iommu-policy-names.h"

static void on_alarm(int signal_number)
{
}

/* flock(2) for at most a second. Returns 0; -EINTR: it is still held; -errno. */
static int lock_within_a_second(int fd)
{
    const struct sigaction wake = { .sa_handler = on_alarm };
    int r;

    (void) sigaction(SIGALRM, &wake, NULL);
    (void) alarm(1);
    r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
    (void) alarm(0);
    return r;
}

int instance_lock(int root_fd)
{
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (mkdirat(root_fd, IOMMU_POLICY_RUN_DIR, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(root_fd, IOMMU_POLICY_RUN_DIR "/daemon.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return -errno;
    r = lock_within_a_second(fd);
    if (r < 0)
        return r;
    return TAKE_FD(fd);
}
