/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "contender.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define MOUNT_POINT "/mnt"
#define CONTENT MOUNT_POINT "/content" /* made by the case: 256 KiB that contain no zero */
#define NOTE MOUNT_POINT "/note"
#define BLOCK 4096
#define AWAY_USEC 200 /* between looks for a disk that is unbound: the race is over until it is back */
#define SCRATCH_OFFSET (1 << 20) /* behind all that probes for signatures look at */

static int read_content(void)
{
    _cleanup_close_ int fd = open(CONTENT, O_RDONLY | O_CLOEXEC);
    char buffer[BLOCK];
    ssize_t n;

    if (fd < 0)
        return -errno;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        if (memchr(buffer, 0, (size_t) n))
            return -EBADMSG;
    return n < 0 ? -errno : 0;
}

/* A file system that was shut down still reads what it has in memory: only a commit of its journal tells. */
static int write_note(void)
{
    _cleanup_close_ int fd = open(NOTE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    uint64_t now = (uint64_t) g_get_monotonic_time();

    if (fd < 0 || pwrite(fd, &now, sizeof(now), 0) < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

static int mount_take(const Target *target)
{
    g_autofree char *node = g_strconcat("/dev/", target->disk, NULL);

    /* The kernel writes a line to the console for each mount of a node that is not there. */
    if (access(node, F_OK) < 0)
        return -errno;
    return mount(node, MOUNT_POINT, "ext4", 0, NULL) < 0 ? -errno : 0;
}

static int mount_verify(const Target *target)
{
    int r = read_content();

    return r < 0 ? r : write_note();
}

static int mount_leave(const Target *target)
{
    return umount(MOUNT_POINT) < 0 ? -errno : 0;
}

static int namespace_prepare(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -errno;
    return 0;
}

static int swap_take(const Target *target)
{
    g_autofree char *node = g_strconcat("/dev/", target->disk, NULL);

    return swapon(node, 0) < 0 ? -errno : 0;
}

static int swap_verify(const Target *target)
{
    return 0;
}

/* Reads back whatever was swapped out, and fails if the disk is gone. */
static int swap_leave(const Target *target)
{
    g_autofree char *node = g_strconcat("/dev/", target->disk, NULL);

    return swapoff(node) < 0 ? -errno : 0;
}

/* Descriptors of what "exclusive" and "open" have taken. */
static int opened[4] = { -EBADF, -EBADF, -EBADF, -EBADF };

static int close_all(const Target *target)
{
    for (size_t i = 0; i < G_N_ELEMENTS(opened); i++) {
        safe_close(opened[i]);
        opened[i] = -EBADF;
    }
    return 0;
}

/* What pvcreate, mdadm and mkfs do first. */
static int exclusive_take(const Target *target)
{
    g_autofree char *node = g_strconcat("/dev/", target->disk, NULL);

    opened[0] = open(node, O_RDWR | O_EXCL | O_DIRECT | O_CLOEXEC);
    return opened[0] < 0 ? -errno : 0;
}

static int exclusive_verify(const Target *target)
{
    static char block[BLOCK] __attribute__((aligned(BLOCK)));

    memset(block, 'x', sizeof(block));
    if (pwrite(opened[0], block, sizeof(block), SCRATCH_OFFSET) < 0 || fsync(opened[0]) < 0)
        return -errno;
    memset(block, 0, sizeof(block));
    if (pread(opened[0], block, sizeof(block), SCRATCH_OFFSET) < 0)
        return -errno;
    return memchr(block, 0, sizeof(block)) ? -EBADMSG : 0;
}

/* The disk, its partition and the two character nodes beside it, without asking for anything. */
static int open_take(const Target *target)
{
    g_autofree char *partition = g_strdup_printf("/dev/%sp1", target->disk);
    g_autofree char *controller = g_strconcat("/dev/", target->controller, NULL);
    g_autofree char *generic = g_strdup_printf("/dev/ng%s", target->disk + strlen("nvme"));
    g_autofree char *whole = g_strconcat("/dev/", target->disk, NULL);
    const char *nodes[] = { whole, partition, controller, generic };
    int r = 0, n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        if (opened[i] < 0)
            opened[i] = open(nodes[i], O_RDONLY | O_CLOEXEC);
        if (opened[i] >= 0)
            n++;
        else if (r == 0)
            r = -errno;
    }
    return n > 0 ? 0 : r;
}

/* A descriptor on its way through a socket belongs to no process. */
static int mailbox[2] = { -EBADF, -EBADF };

static int passed_prepare(void)
{
    return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, mailbox) < 0 ? -errno : 0;
}

static int passed_take(const Target *target)
{
    g_autofree char *node = g_strconcat("/dev/", target->disk, NULL);
    _cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
    struct iovec byte = { (void *) "", 1 };
    struct msghdr message = { NULL, 0, &byte, 1, &control, sizeof(control), 0 };

    if (fd < 0)
        return -errno;
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    return sendmsg(mailbox[0], &message, 0) < 0 ? -errno : 0;
}

/* What is read without room for it is closed by the kernel (unix(7), SCM_RIGHTS). */
static int passed_leave(const Target *target)
{
    char byte;

    return read(mailbox[1], &byte, 1) < 0 ? -errno : 0;
}

/* A change that goes on under a descriptor is allowed as long as the kernel bears it. */
static int open_verify(const Target *target)
{
    return 0;
}

static const Way ways[] = {
    { "mount", true, "ext4", NULL, mount_take, mount_verify, mount_leave },
    { "namespace", true, "ext4", namespace_prepare, mount_take, mount_verify, mount_leave },
    { "swap", true, "swap", NULL, swap_take, swap_verify, swap_leave },
    { "exclusive", true, "ext4", NULL, exclusive_take, exclusive_verify, close_all },
    { "open", false, "dos", NULL, open_take, open_verify, close_all },
    { "passed", false, "dos", passed_prepare, passed_take, open_verify, passed_leave },
};

const Way *contender_way(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++)
        if (g_str_equal(ways[i].name, name))
            return &ways[i];
    return NULL;
}

const char *contender_ways(void)
{
    return "mount, namespace, swap, exclusive, open or passed";
}

static void sleep_until(uint64_t start)
{
    struct timespec time = {
        .tv_sec = (time_t) (start / G_USEC_PER_SEC),
        .tv_nsec = (long) (start % G_USEC_PER_SEC * 1000),
    };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        ;
}

static void complain(Score *score, const char *what, int error)
{
    score->bad++;
    g_snprintf(score->complaint, sizeof(score->complaint), "%s: %s", what, g_strerror(-error));
}

static void let_go(const Way *way, const Target *target, Score *score)
{
    int r = way->verify(target);

    if (r < 0)
        complain(score, "what the contender had got does not work", r);
    r = way->leave(target);
    if (r < 0)
        complain(score, "the contender cannot let go", r);
}

void contender_run(const Way *way, const Target *target, uint64_t start, bool hold, Score *score)
{
    bool has = false;
    int r = way->prepare ? way->prepare() : 0;

    if (r < 0)
        complain(score, "the contender cannot begin", r);
    if (start > 0)
        sleep_until(start);
    while (start == 0 && !atomic_load(&score->go) && !atomic_load(&score->over))
        (void) sched_yield();
    while (!atomic_load(&score->over)) {
        if (has && hold) {
            g_usleep(100);
            continue;
        }
        r = way->take(target);
        has = r >= 0;
        if (has)
            atomic_fetch_add(&score->wins, 1);
        else
            score->errors[MIN(-r, CONTENDER_ERRORS - 1)]++;
        if (r == -ENOENT)
            g_usleep(AWAY_USEC);
        atomic_store(&score->arrived, true);
        if (has && !hold) {
            let_go(way, target, score);
            has = false;
        }
    }
    if (has)
        let_go(way, target, score);
}
