/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is read and written whole, although it comes in pieces and signals interrupt: another process is at
 * the other end of a pipe, and sends a signal before each piece.
 */
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "full-io.h"
#include "unit.h"

#define PIECE 4096
#define PIECES 64 /* more than a pipe holds */

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    signals++;
}

static void set_up(void)
{
    /* Without SA_RESTART. */
    signals = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL), 0);
}

static char piece_of(unsigned i)
{
    return (char) ('a' + i % 26);
}

static char *all_pieces(void)
{
    char *pieces = g_malloc(PIECE * PIECES);

    for (unsigned i = 0; i < PIECES; i++)
        memset(pieces + i * PIECE, piece_of(i), PIECE);
    return pieces;
}

/* Forks the other end: OTHER gets the descriptor of it, and MINE is what is left here. */
static pid_t fork_other(bool reads, void (*other)(int fd), int *ret_mine)
{
    int fds[2];
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void) close(fds[reads ? 1 : 0]);
        other(fds[reads ? 0 : 1]);
        _exit(EXIT_SUCCESS);
    }
    (void) close(fds[reads ? 0 : 1]);
    *ret_mine = fds[reads ? 1 : 0];
    return pid;
}

static void write_pieces(int fd)
{
    g_autofree char *pieces = all_pieces();

    for (unsigned i = 0; i < PIECES; i++)
        if (kill(getppid(), SIGUSR1) < 0 || write(fd, pieces + i * PIECE, PIECE) != PIECE)
            _exit(EXIT_FAILURE);
}

static void read_pieces(int fd)
{
    g_autofree char *pieces = all_pieces();
    char piece[PIECE];
    size_t done = 0;
    ssize_t n;

    while (kill(getppid(), SIGUSR1) == 0 && (n = read(fd, piece, sizeof piece)) > 0) {
        if (done + (size_t) n > PIECE * PIECES || memcmp(piece, pieces + done, (size_t) n) != 0)
            _exit(EXIT_FAILURE);
        done += (size_t) n;
    }
    if (done != PIECE * PIECES)
        _exit(EXIT_FAILURE);
}

static void expect_success(pid_t pid)
{
    int status;
    pid_t ended;

    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    ck_assert_int_eq(ended, pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(all_is_read)
{
    g_autofree char *buffer = g_malloc0(PIECE * PIECES + 1), *expected = all_pieces();
    int fd;
    pid_t pid = fork_other(false, write_pieces, &fd);

    /* To the end, and no further than there is room. */
    ck_assert_int_eq(read_full(fd, buffer, PIECE), PIECE);
    ck_assert_int_eq(read_full(fd, buffer + PIECE, PIECE * (PIECES - 1) + 1), PIECE * (PIECES - 1));
    ck_assert_mem_eq(buffer, expected, PIECE * PIECES);
    expect_success(pid);
    ck_assert_int_gt(signals, 0);
    (void) close(fd);
    ck_assert_int_eq(read_full(fd, buffer, 1), -EBADF);
}
END_TEST

START_TEST(all_is_written)
{
    g_autofree char *buffer = all_pieces();
    int fd;
    pid_t pid = fork_other(true, read_pieces, &fd);

    ck_assert_int_eq(write_full(fd, buffer, PIECE * PIECES), 0);
    (void) close(fd);
    expect_success(pid);
    ck_assert_int_gt(signals, 0);
    ck_assert_int_eq(write_full(fd, buffer, 1), -EBADF);
    ck_assert_int_eq(write_full(fd, buffer, 0), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("full-io");

    tcase_add_checked_fixture(cases, set_up, NULL);
    /* Whether a signal meets a call that waits is a matter of luck. */
    tcase_add_loop_test(cases, all_is_read, 0, 8);
    tcase_add_loop_test(cases, all_is_written, 0, 8);
    return unit_run("full-io", cases);
}
