/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "worker.h"

/*
 * On the socket a message is its type string with the NUL, then the serialized value, cut into packets. A
 * packet is one byte that says whether more follow, and up to PACKET_DATA_MAX bytes: a message of any size
 * passes, whatever net.core.wmem_max allows.
 */
#define PACKET_DATA_MAX (32u * 1024u)
#define PACKET_LAST 0
#define PACKET_MORE 1

/*
 * The buffer asked for: room for all that a change ever says, so that it never waits for a daemon that does
 * not read.
 */
#define SOCKET_BUFFER (1024 * 1024)

/* Packets taken in one turn of the loop: a scan of thousands of groups must not keep the bus waiting. */
#define PACKETS_PER_TURN 32

struct Worker {
    WorkerCallbacks callbacks;
    void *userdata;
    char *format;
    pid_t pid;
    int fd; /* our end of the socket; -EBADF once the child has closed its own */
    sd_event_source *io, *child, *timer;
    GByteArray *partial; /* the packets of a message that is not complete yet */
    bool partial_too_large;
    unsigned busy;  /* callbacks that are running */
    bool forgotten; /* worker_free() was called */
    bool ended;     /* the child has been reaped */
};

static int send_packet(int fd, char kind, const void *data, size_t size)
{
    struct iovec parts[] = {
        { .iov_base = &kind, .iov_len = 1 },
        { .iov_base = (void *) data, .iov_len = size },
    };
    struct msghdr header = { .msg_iov = parts, .msg_iovlen = G_N_ELEMENTS(parts) };

    while (sendmsg(fd, &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int worker_send(int socket_fd, GVariant *message)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(message);
    const char *type = g_variant_get_type_string(owned);
    size_t type_size = strlen(type) + 1, size = type_size + g_variant_get_size(owned);
    g_autofree char *data = NULL;

    if (size > WORKER_MESSAGE_MAX)
        return -EMSGSIZE;
    data = g_malloc(size);
    memcpy(data, type, type_size);
    if (size > type_size)
        memcpy(data + type_size, g_variant_get_data(owned), size - type_size);
    for (size_t done = 0, part; done < size; done += part) {
        int r;

        part = MIN(size - done, PACKET_DATA_MAX);
        r = send_packet(socket_fd, done + part < size ? PACKET_MORE : PACKET_LAST, data + done, part);
        if (r == -EPIPE || r == -ECONNRESET) /* the daemon is gone; what was begun is finished without it */
            return 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* Who forked last: in a child, its parent. */
static pid_t daemon_pid;

void worker_end_with_daemon(void)
{
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* It may have died before that. The socket does not tell: a sibling that was forked later has the
     * daemon's end, too, until it has closed it. */
    if (getppid() != daemon_pid)
        _exit(EXIT_FAILURE);
}

static int compare_fds(const void *a, const void *b)
{
    int x = *(const int *) a, y = *(const int *) b;

    return (x > y) - (x < y);
}

/* Closes everything from 3 on but the N descriptors of KEEP, which it sorts. */
static int close_others(int *keep, size_t n)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(keep, n, sizeof(int), compare_fds);
    for (size_t i = 0; i < n; i++) {
        unsigned fd = (unsigned) keep[i];

        if (fd < from)
            continue;
        if (fd > from && close_range(from, fd - 1, 0) < 0)
            return -errno;
        from = fd + 1;
    }
    return close_range(from, ~0u, 0) < 0 ? -errno : 0;
}

static void reset_signals(void)
{
    sigset_t none;

    for (int signal_number = 1; signal_number < _NSIG; signal_number++) {
        struct sigaction action = { .sa_handler = SIG_DFL };

        /* Refused for the two that cannot be caught and those that libc keeps for itself. */
        (void) sigaction(signal_number, &action, NULL);
    }
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Waits until the parent has all in place to watch this child. False: it has not, or is gone; then nothing
 * may be done.
 */
static bool wait_for_start(int fd)
{
    char byte;
    ssize_t n;

    do
        n = recv(fd, &byte, 1, 0);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

G_NORETURN static void run_child(int fd, const int *keep_fds, size_t n_keep, WorkerFunction function,
                                 void *userdata)
{
    g_autofree int *keep = g_new(int, n_keep + 1);

    if (n_keep > 0)
        memcpy(keep, keep_fds, n_keep * sizeof(int));
    keep[n_keep] = fd;
    if (close_others(keep, n_keep + 1) < 0)
        _exit(EXIT_FAILURE);
    /*
     * A session of its own: what a terminal sends to the daemon's is not meant for a change that is under
     * way.
     */
    (void) setsid();
    reset_signals();
    if (!wait_for_start(fd))
        _exit(EXIT_FAILURE);
    _exit(function(fd, userdata));
}

/* Forks with all signals blocked, so that the child never runs one of our handlers. */
static pid_t fork_child(int fd, const int *keep_fds, size_t n_keep, WorkerFunction function, void *userdata)
{
    sigset_t all, before;
    pid_t pid;

    (void) sigfillset(&all);
    (void) sigprocmask(SIG_SETMASK, &all, &before);
    daemon_pid = getpid();
    pid = fork();
    if (pid == 0)
        run_child(fd, keep_fds, n_keep, function, userdata);
    if (pid < 0)
        pid = -errno;
    (void) sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* Frees what remains; the sources are gone or about to go. */
static void destroy(Worker *worker)
{
    worker->fd = safe_close(worker->fd);
    g_byte_array_unref(worker->partial);
    g_free(worker->format);
    g_free(worker);
}

/*
 * Gives the worker's memory back when nobody knows it any more: it was freed, no callback runs, the child
 * has ended.
 */
static void release(Worker *worker)
{
    if (worker->forgotten && worker->busy == 0 && worker->ended)
        destroy(worker);
}

static void stop_receiving(Worker *worker)
{
    worker->io = sd_event_source_disable_unref(worker->io);
    worker->fd = safe_close(worker->fd);
}

/* Hands a whole message to the daemon if it is what was announced. */
static void deliver(Worker *worker, GByteArray *bytes)
{
    const char *type = (const char *) bytes->data;
    size_t type_size = bytes->len > 0 ? strnlen(type, bytes->len) + 1 : 1;
    g_autoptr(GVariant) message = NULL;
    g_autoptr(GBytes) data = NULL;

    if (type_size > bytes->len || !g_str_equal(type, worker->format)) {
        log_error("Dropped a message of worker %d: it is not of type %s.", (int) worker->pid,
                  worker->format);
        return;
    }
    data = g_bytes_new(bytes->data + type_size, bytes->len - type_size);
    message = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(worker->format), data, FALSE));
    if (!g_variant_is_normal_form(message)) {
        log_error("Dropped a message of worker %d: it is malformed.", (int) worker->pid);
        return;
    }
    if (worker->callbacks.message)
        worker->callbacks.message(worker, message, worker->userdata);
}

static void take_packet(Worker *worker, const char *packet, size_t size)
{
    g_autoptr(GByteArray) whole = NULL;

    if (worker->partial->len + size - 1 > WORKER_MESSAGE_MAX)
        worker->partial_too_large = true;
    if (!worker->partial_too_large)
        g_byte_array_append(worker->partial, (const guint8 *) packet + 1, (guint) (size - 1));
    if (packet[0] == PACKET_MORE)
        return;

    if (worker->partial_too_large)
        log_error("Dropped a message of worker %d: it is too large.", (int) worker->pid);
    else {
        whole = g_steal_pointer(&worker->partial);
        worker->partial = g_byte_array_new();
        deliver(worker, whole);
    }
    worker->partial_too_large = false;
    g_byte_array_set_size(worker->partial, 0);
}

/*
 * Takes up to LIMIT packets. Returns false when there is nothing more to come: end, error, or the worker was
 * freed.
 */
static bool receive(Worker *worker, unsigned limit)
{
    char packet[PACKET_DATA_MAX + 1];

    for (unsigned i = 0; i < limit && !worker->forgotten; i++) {
        ssize_t n = recv(worker->fd, packet, sizeof(packet), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n <= 0)
            return false;
        take_packet(worker, packet, (size_t) n);
    }
    return !worker->forgotten;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    Worker *worker = userdata;

    worker->busy++;
    if (!receive(worker, PACKETS_PER_TURN) && !worker->forgotten)
        stop_receiving(worker);
    worker->busy--;
    release(worker);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    Worker *worker = userdata;

    worker->timer = sd_event_source_disable_unref(worker->timer);
    worker->busy++;
    worker->callbacks.late(worker, worker->userdata);
    worker->busy--;
    release(worker);
    return 0;
}

/* The child is a zombie; the event loop reaps it when this returns. All that it sent is in the socket. */
static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
    Worker *worker = userdata;
    int status = info->si_code == CLD_EXITED ? info->si_status : -1;

    worker->busy++;
    worker->ended = true;
    worker->timer = sd_event_source_disable_unref(worker->timer);
    if (worker->fd >= 0) {
        (void) receive(worker, UINT_MAX);
        if (!worker->forgotten)
            stop_receiving(worker);
    }
    if (!worker->forgotten)
        worker->callbacks.done(worker, status, worker->userdata);
    worker->busy--;
    (void) sd_event_source_set_destroy_callback(source, NULL);
    /* The reference is the loop's if worker_free() left it the source, else ours. */
    if (sd_event_source_get_floating(source) > 0)
        (void) sd_event_source_set_floating(source, false);
    else
        (void) sd_event_source_unref(source);
    worker->child = NULL;
    release(worker);
    return 0;
}

/* The loop itself ends while a forgotten child still runs. */
static void on_child_source_destroyed(void *userdata)
{
    Worker *worker = userdata;

    if (worker->ended)
        return;
    worker->ended = true;
    worker->child = NULL;
    release(worker);
}

static int watch_child(Worker *worker, sd_event *event)
{
    int r;

    r = sd_event_add_child(event, &worker->child, worker->pid, WEXITED, on_child, worker);
    if (r < 0)
        return r;
    r = sd_event_source_set_destroy_callback(worker->child, on_child_source_destroyed);
    if (r < 0)
        return r;
    r = sd_event_add_io(event, &worker->io, worker->fd, EPOLLIN, on_io, worker);
    if (r < 0)
        return r;
    return send_packet(worker->fd, PACKET_LAST, NULL, 0);
}

int worker_start(sd_event *event, const int *keep_fds, size_t n_keep, WorkerFunction function,
                 void *function_userdata, const char *format, const WorkerCallbacks *callbacks,
                 void *userdata, Worker **ret)
{
    _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
    const int buffer = SOCKET_BUFFER;
    Worker *worker;
    int pair[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    ours = pair[0];
    theirs = pair[1];
    /* The kernel cuts it down to net.core.wmem_max, which is no error. */
    (void) setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));

    r = fork_child(theirs, keep_fds, n_keep, function, function_userdata);
    if (r < 0)
        return r;
    worker = g_new0(Worker, 1);
    worker->callbacks = *callbacks;
    worker->userdata = userdata;
    worker->format = g_strdup(format);
    worker->pid = r;
    worker->fd = TAKE_FD(ours);
    worker->partial = g_byte_array_new();
    r = watch_child(worker, event);
    if (r < 0) {
        /* It waits for the word to start, and ends without it. */
        stop_receiving(worker);
        worker->ended = true;
        worker->child = sd_event_source_disable_unref(worker->child);
        (void) waitpid(worker->pid, NULL, 0);
        destroy(worker);
        return r;
    }
    *ret = worker;
    return 0;
}

int worker_set_deadline(Worker *worker, uint64_t usec)
{
    worker->timer = sd_event_source_disable_unref(worker->timer);
    if (usec == 0 || worker->ended || !worker->callbacks.late)
        return 0;
    return sd_event_add_time_relative(sd_event_source_get_event(worker->child), &worker->timer,
                                      CLOCK_MONOTONIC, usec, 0, on_timer, worker);
}

pid_t worker_pid(const Worker *worker)
{
    return worker->pid;
}

Worker *worker_free(Worker *worker)
{
    if (!worker)
        return NULL;
    worker->forgotten = true;
    worker->timer = sd_event_source_disable_unref(worker->timer);
    stop_receiving(worker);
    if (worker->ended) {
        release(worker);
        return NULL;
    }
    /* The loop keeps the source, to reap the child; on_child() or the end of the loop frees the rest. */
    (void) sd_event_source_set_floating(worker->child, true);
    (void) sd_event_source_unref(worker->child);
    return NULL;
}
