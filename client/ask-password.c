/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask-password.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

/* The agent says on this descriptor, by closing it, that it has registered. */
static void G_GNUC_NORETURN run_agent(int ready_fd, pid_t parent)
{
    g_autofree char *number = g_strdup_printf("%d", ready_fd);

    /* It must not outlive us, not even if we are killed. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || fcntl(ready_fd, F_SETFD, 0) < 0)
        _exit(EXIT_FAILURE);

    (void) execlp("pkttyagent", "pkttyagent", "--notify-fd", number, "--fallback", (char *) NULL);
    _exit(EXIT_FAILURE);
}

pid_t ask_password_start(void)
{
    _cleanup_close_ int read_end = -EBADF, write_end = -EBADF;
    struct pollfd registered = {.events = 0};
    pid_t parent = getpid(), agent;
    int ends[2];

    if (geteuid() == 0 || !isatty(STDIN_FILENO))
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 0;
    read_end = ends[0];
    write_end = ends[1];

    agent = fork();
    if (agent == 0)
        run_agent(write_end, parent);
    if (agent < 0)
        return 0;

    write_end = safe_close(write_end);
    registered.fd = read_end;
    while (poll(&registered, 1, -1) < 0 && errno == EINTR)
        continue;
    return agent;
}

void ask_password_stop(pid_t agent)
{
    if (agent <= 0)
        return;

    /* It may have been stopped by the terminal. */
    (void) kill(agent, SIGTERM);
    (void) kill(agent, SIGCONT);
    while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
        continue;
}
