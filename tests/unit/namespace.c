/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <check.h>

#include "namespace.h"

bool namespace_ip(const char *format, ...)
{
    g_autofree char *arguments = NULL, *command = NULL, *complaint = NULL;
    g_autoptr(GError) error = NULL;
    va_list list;
    int status;

    va_start(list, format);
    arguments = g_strdup_vprintf(format, list);
    va_end(list);
    command = g_strconcat("ip ", arguments, NULL);
    if (!g_spawn_command_line_sync(command, NULL, &complaint, &status, &error))
        ck_abort_msg("%s: %s", command, error->message);
    return g_spawn_check_wait_status(status, NULL);
}

void namespace_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    close(fd);
}

/* Whoever is not root becomes it in a user namespace: ip(8) would lose its capabilities otherwise. */
void namespace_enter(void)
{
    g_autofree char *users = g_strdup_printf("0 %u 1", geteuid()),
                    *groups = g_strdup_printf("0 %u 1", getegid());

    if (unshare(CLONE_NEWNET) >= 0)
        return;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        ck_abort_msg("no network namespace of our own: %s", g_strerror(errno));
    namespace_write("/proc/self/setgroups", "deny");
    namespace_write("/proc/self/uid_map", users);
    namespace_write("/proc/self/gid_map", groups);
}

void namespace_add_interface(void)
{
    if (!namespace_ip("link add nic type dummy") && !namespace_ip("link add nic type ifb"))
        ck_abort_msg("this kernel has neither dummy nor ifb interfaces");
}

pid_t namespace_other(void)
{
    int ready[2];
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
            _exit(EXIT_FAILURE);
        for (;;)
            (void) pause();
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

void namespace_enter_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setns(fd, CLONE_NEWNET), 0);
    close(fd);
}
