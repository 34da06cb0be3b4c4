/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "unit.h"
#include "worker.h"

/* What the callbacks saw. */
typedef struct Seen {
    sd_event *event;
    unsigned messages, late, done;
    unsigned last; /* the number of the last message */
    size_t bytes;  /* of the last text */
    bool ordered;  /* each number was one more than the one before */
    int status;
    bool free_at_message; /* what to do in the callback */
    bool free_at_done;
    Worker *worker;
} Seen;

static void on_message(Worker *worker, GVariant *message, void *userdata)
{
    Seen *seen = userdata;
    const char *text;
    unsigned number;

    ck_assert_uint_eq(seen->done, 0);
    g_variant_get(message, "(u&s)", &number, &text);
    seen->ordered = number == seen->last + 1;
    seen->last = number;
    seen->bytes = strlen(text);
    seen->messages++;
    if (seen->free_at_message) {
        seen->worker = worker_free(worker);
        sd_event_exit(seen->event, 0);
    }
}

static void on_done(Worker *worker, int status, void *userdata)
{
    Seen *seen = userdata;

    seen->done++;
    seen->status = status;
    if (seen->free_at_done)
        seen->worker = worker_free(worker);
    sd_event_exit(seen->event, 0);
}

static void on_late(Worker *worker, void *userdata)
{
    Seen *seen = userdata;

    seen->late++;
}

static const WorkerCallbacks callbacks = { .message = on_message, .done = on_done, .late = on_late };

static void setup(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
}

static void start(Seen *seen, WorkerFunction function, void *userdata)
{
    ck_assert_int_ge(sd_event_new(&seen->event), 0);
    ck_assert_int_eq(
        worker_start(seen->event, NULL, 0, function, userdata, "(us)", &callbacks, seen, &seen->worker), 0);
}

static void finish(Seen *seen)
{
    seen->worker = worker_free(seen->worker);
    sd_event_unref(seen->event);
}

/* No child is left, running or unreaped. */
static void assert_no_child(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

static int send_some(int fd, void *userdata)
{
    unsigned n = *(unsigned *) userdata;

    for (unsigned i = 1; i <= n; i++)
        if (worker_send(fd, g_variant_new("(us)", i, "x")) < 0)
            return 1;
    return 42;
}

START_TEST(messages_come_in_order_before_the_end)
{
    unsigned n = 5000;
    Seen seen = {};

    start(&seen, send_some, &n);
    ck_assert_int_gt(worker_pid(seen.worker), 0);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_uint_eq(seen.messages, n);
    ck_assert_uint_eq(seen.last, n);
    ck_assert(seen.ordered);
    ck_assert_uint_eq(seen.done, 1);
    ck_assert_int_eq(seen.status, 42);
    finish(&seen);
    assert_no_child();
}
END_TEST

static int send_large(int fd, void *userdata)
{
    size_t size = *(size_t *) userdata;
    g_autofree char *text = g_strnfill(size, 'x');

    return -worker_send(fd, g_variant_new("(us)", 1, text));
}

static const size_t sizes[] = { 0, 1, 32 * 1024 - 8, 32 * 1024, 300 * 1024, 3 * 1024 * 1024 };

START_TEST(messages_of_any_size)
{
    size_t size = sizes[_i];
    Seen seen = {};

    start(&seen, send_large, &size);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_uint_eq(seen.messages, 1);
    ck_assert_uint_eq(seen.bytes, size);
    ck_assert_int_eq(seen.status, 0);
    finish(&seen);
}
END_TEST

START_TEST(a_message_can_be_too_large)
{
    size_t size = WORKER_MESSAGE_MAX;
    Seen seen = {};

    start(&seen, send_large, &size);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_uint_eq(seen.messages, 0);
    ck_assert_int_eq(seen.status, EMSGSIZE);
    finish(&seen);
}
END_TEST

/* What a child that has gone wrong may send; the good message after it must still arrive. */
static int send_rubbish(int fd, void *userdata)
{
    static const char packets[][12] = {
        "\0", "\0(u", "\0(us)\0\1\2\3", "\0(ss)\0", "\0\xff\xff\xff\xff", "\1(us)\0abc"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(packets); i++)
        if (send(fd, packets[i], sizeof(packets[i]), 0) < 0)
            return 1;
    if (send(fd, "\0", 1, 0) < 0 || worker_send(fd, g_variant_new("(uu)", 1, 2)) < 0)
        return 1;
    for (unsigned i = 0; i < 200; i++) { /* a message without end */
        static char more[32 * 1024] = { 1 };

        if (send(fd, more, sizeof(more), 0) < 0)
            return 1;
    }
    if (send(fd, "\0", 1, 0) < 0)
        return 1;
    return worker_send(fd, g_variant_new("(us)", 1, "good")) < 0;
}

START_TEST(rubbish_is_dropped)
{
    Seen seen = {};

    start(&seen, send_rubbish, NULL);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_uint_eq(seen.messages, 1);
    ck_assert_uint_eq(seen.bytes, 4);
    ck_assert_int_eq(seen.status, 0);
    finish(&seen);
}
END_TEST

/* The status is the number of descriptors from 3 on that are open and are neither ours nor kept. */
static int count_open(int fd, void *userdata)
{
    int keep = *(int *) userdata, n = 0;

    for (int i = 3; i < 1024; i++)
        n += i != fd && i != keep && fcntl(i, F_GETFD) >= 0;
    return fcntl(keep, F_GETFD) < 0 ? 100 : n;
}

START_TEST(only_kept_descriptors_stay)
{
    _cleanup_close_ int a = open("/dev/null", O_RDONLY), keep = open("/dev/null", O_RDONLY),
                        b = open("/dev/null", O_RDONLY), far = fcntl(a, F_DUPFD, 900);
    Seen seen = {};

    ck_assert_int_ge(far, 900);
    ck_assert_int_ge(sd_event_new(&seen.event), 0);
    ck_assert_int_eq(
        worker_start(seen.event, &keep, 1, count_open, &keep, "(us)", &callbacks, &seen, &seen.worker), 0);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_int_eq(seen.status, 0);
    ck_assert_int_ge(fcntl(b, F_GETFD), 0);
    finish(&seen);
}
END_TEST

static int check_signals(int fd, void *userdata)
{
    struct sigaction action;
    sigset_t mask;

    if (sigprocmask(SIG_BLOCK, NULL, &mask) < 0 || !sigisemptyset(&mask))
        return 1;
    if (sigaction(SIGUSR1, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
        return 2;
    if (sigaction(SIGPIPE, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
        return 3;
    return getsid(0) == getpid() ? 0 : 4;
}

START_TEST(signals_are_as_new)
{
    Seen seen = {};

    signal(SIGUSR1, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    start(&seen, check_signals, NULL);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_int_eq(seen.status, 0);
    finish(&seen);
}
END_TEST

static int kill_self(int fd, void *userdata)
{
    (void) worker_send(fd, g_variant_new("(us)", 1, "last words"));
    kill(getpid(), SIGKILL);
    return 0;
}

START_TEST(a_killed_child_has_no_status)
{
    Seen seen = { .free_at_done = true };

    start(&seen, kill_self, NULL);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_uint_eq(seen.messages, 1);
    ck_assert_int_eq(seen.status, -1);
    ck_assert_ptr_null(seen.worker);
    finish(&seen);
    assert_no_child();
}
END_TEST

/* Ends once somebody closes the other end of the pipe. */
static int wait_for_pipe(int fd, void *userdata)
{
    char byte;

    return read(*(int *) userdata, &byte, 1) == 0 ? 7 : 1;
}

static void start_waiting(Seen *seen, int pipe_fds[2])
{
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_ge(sd_event_new(&seen->event), 0);
    ck_assert_int_eq(worker_start(seen->event, pipe_fds, 1, wait_for_pipe, pipe_fds, "(us)", &callbacks,
                                  seen, &seen->worker),
                     0);
    close(pipe_fds[0]);
}

START_TEST(a_late_child_goes_on)
{
    Seen seen = {};
    int fds[2];

    start_waiting(&seen, fds);
    ck_assert_int_ge(worker_set_deadline(seen.worker, UINT64_C(3600000000)), 0);
    ck_assert_int_ge(worker_set_deadline(seen.worker, 0), 0);
    ck_assert_int_ge(worker_set_deadline(seen.worker, 1), 0);
    while (seen.late == 0)
        ck_assert_int_ge(sd_event_run(seen.event, UINT64_MAX), 0);
    ck_assert_uint_eq(seen.late, 1);
    ck_assert_uint_eq(seen.done, 0);
    ck_assert_int_eq(kill(worker_pid(seen.worker), 0), 0);

    close(fds[1]);
    while (seen.done == 0)
        ck_assert_int_ge(sd_event_run(seen.event, UINT64_MAX), 0);
    ck_assert_uint_eq(seen.late, 1);
    ck_assert_int_eq(seen.status, 7);
    finish(&seen);
    assert_no_child();
}
END_TEST

/* Freed while the child runs: no callback comes, and the child is reaped all the same. */
START_TEST(a_forgotten_child_is_reaped)
{
    Seen seen = {};
    siginfo_t info;
    int fds[2];

    start_waiting(&seen, fds);
    seen.worker = worker_free(seen.worker);
    close(fds[1]);
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(info.si_status, 7);
    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) == 0)
        ck_assert_int_ge(sd_event_run(seen.event, UINT64_MAX), 0);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_uint_eq(seen.done, 0);
    finish(&seen);
}
END_TEST

/* The loop ends before the forgotten child does. */
START_TEST(a_loop_can_end_first)
{
    Seen seen = {};
    int fds[2], status;
    pid_t pid;

    start_waiting(&seen, fds);
    pid = worker_pid(seen.worker);
    finish(&seen);
    ck_assert_int_eq(kill(pid, 0), 0);
    close(fds[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

START_TEST(freed_at_the_first_message)
{
    unsigned n = 100;
    Seen seen = { .free_at_message = true };
    siginfo_t info;

    start(&seen, send_some, &n);
    ck_assert_int_ge(sd_event_loop(seen.event), 0);
    ck_assert_uint_eq(seen.messages, 1);
    ck_assert_ptr_null(seen.worker);
    finish(&seen);
    /* The loop is gone, so nobody reaped it; it went on without us and ended as it would have. */
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED), 0);
    ck_assert_int_eq(info.si_code, CLD_EXITED);
    ck_assert_int_eq(info.si_status, 42);
}
END_TEST

static int write_to_pipe(int fd, void *userdata)
{
    return write(((int *) userdata)[1], "x", 1) == 1 ? 0 : 1;
}

START_TEST(a_child_of_nobody_does_nothing)
{
    sd_event *event = NULL;
    sigset_t mask;
    Worker *worker = NULL;
    int fds[2];
    char byte;

    /* With SIGCHLD open sd-event refuses to watch a child: the function must not run then. */
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(worker_start(event, fds, 2, write_to_pipe, fds, "(us)", &callbacks, NULL, &worker),
                     -EBUSY);
    ck_assert_ptr_null(worker);
    ck_assert_int_eq(read(fds[0], &byte, 1), -1);
    assert_no_child();
    sd_event_unref(event);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("worker");

    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, messages_come_in_order_before_the_end);
    tcase_add_loop_test(cases, messages_of_any_size, 0, G_N_ELEMENTS(sizes));
    tcase_add_test(cases, a_message_can_be_too_large);
    tcase_add_test(cases, rubbish_is_dropped);
    tcase_add_test(cases, only_kept_descriptors_stay);
    tcase_add_test(cases, signals_are_as_new);
    tcase_add_test(cases, a_killed_child_has_no_status);
    tcase_add_test(cases, a_late_child_goes_on);
    tcase_add_test(cases, a_forgotten_child_is_reaped);
    tcase_add_test(cases, a_loop_can_end_first);
    tcase_add_test(cases, freed_at_the_first_message);
    tcase_add_test(cases, a_child_of_nobody_does_nothing);
    return unit_run("worker", cases);
}
