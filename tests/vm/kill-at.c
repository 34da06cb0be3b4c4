/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * kill-at N PROGRAM [ARGUMENT...]: runs PROGRAM and kills it right before the N-th time that it writes: a
 * file that is none of its first three descriptors, or a folder. Exits with 99 if it was killed, else as the
 * program did.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED 99

static bool writes(const struct __ptrace_syscall_info *call)
{
    switch (call->entry.nr) {
    case SYS_write:
        return call->entry.args[0] > 2;
    case SYS_openat:
        return (call->entry.args[2] & O_CREAT) != 0;
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_renameat:
    case SYS_renameat2:
        return true;
    default:
        return false;
    }
}

static int run_until(pid_t pid, long n)
{
    struct __ptrace_syscall_info call;
    int status, deliver = 0;

    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *) (long) deliver) < 0 ||
            waitpid(pid, &status, 0) != pid)
            return EXIT_FAILURE;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return EXIT_FAILURE;
        /* A system call, with the bit that was asked for, or execve(2) without. */
        deliver = (WSTOPSIG(status) & ~0x80) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (deliver != 0 || ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *) sizeof(call), &call) < 0 ||
            call.op != PTRACE_SYSCALL_INFO_ENTRY || !writes(&call) || --n > 0)
            continue;
        (void) kill(pid, SIGKILL);
        return waitpid(pid, &status, 0) == pid ? KILLED : EXIT_FAILURE;
    }
}

int main(int argc, char **argv)
{
    int status;
    pid_t pid;

    if (argc < 3)
        return EXIT_FAILURE;
    pid = fork();
    if (pid == 0) {
        (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void) raise(SIGSTOP);
        (void) execv(argv[2], argv + 2);
        _exit(EXIT_FAILURE);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid ||
        ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *) (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) < 0)
        return EXIT_FAILURE;
    return run_until(pid, strtol(argv[1], NULL, 10));
}
