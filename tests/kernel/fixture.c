/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the build put the program and the source keeps the topologies; meson.build defines both. */
#ifndef FAKE_KERNEL
#error "FAKE_KERNEL is the path of the program"
#endif

struct Fixture {
    pid_t pid;
    int root_fd;
    char *folder;
    char *root_path;
    char *control_path;
    Control *control;
};

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        r = -errno;
    (void) close(fd);
    return r;
}

/* A mount namespace of our own; without CAP_SYS_ADMIN in a user namespace in which we are root. */
static int enter_namespace(void)
{
    static pid_t entered;
    g_autofree char *uid = g_strdup_printf("0 %d 1", geteuid()), *gid = g_strdup_printf("0 %d 1", getegid());

    if (entered == getpid())
        return 0;
    if (unshare(CLONE_NEWNS) < 0) {
        if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            return -errno;
        if (write_file("/proc/self/setgroups", "deny") < 0 || write_file("/proc/self/uid_map", uid) < 0
            || write_file("/proc/self/gid_map", gid) < 0)
            return -EPERM;
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -errno;
    entered = getpid();
    return 0;
}

static void run_fake_kernel(const Fixture *fixture, const char *topology, const char *generation,
                            int ready_fd)
{
    g_autofree char *file = strchr(topology, '/') ? g_strdup(topology)
                                                  : g_strdup_printf("%s/%s.conf", TOPOLOGIES, topology);
    g_autofree char *ready = g_strdup_printf("--ready-fd=%d", ready_fd);
    g_autofree char *control = g_strdup_printf("--control=%s", fixture->control_path);
    g_autofree char *kernel = g_strdup_printf("--generation=%s", generation);
    g_autofree char *first = g_strdup_printf("--topology=%s", file);

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) setpgid(0, 0);
    (void) fcntl(ready_fd, F_SETFD, 0);
    (void) execl(FAKE_KERNEL, FAKE_KERNEL, ready, control, kernel, first, fixture->root_path, NULL);
    fprintf(stderr, "%s: %m\n", FAKE_KERNEL);
    _exit(127);
}

static int start(Fixture *fixture, const char *topology, const char *generation)
{
    int ready[2];
    char byte;
    ssize_t n;

    if (pipe2(ready, O_CLOEXEC) < 0)
        return -errno;
    fixture->pid = fork();
    if (fixture->pid == 0)
        run_fake_kernel(fixture, topology, generation, ready[1]);
    (void) close(ready[1]);
    if (fixture->pid < 0) {
        (void) close(ready[0]);
        return -errno;
    }
    n = read(ready[0], &byte, 1);
    (void) close(ready[0]);
    if (n != 1)
        return -EPROTO;
    fixture->root_fd = open(fixture->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fixture->root_fd < 0 ? -errno : control_new(fixture->control_path, &fixture->control);
}

/*
 * The test and its fake kernel take turns, never run at the same time: on one processor each turn is a
 * switch, on two it is the wake-up of an idle one, which takes ten times as long on a virtual machine.
 * Where it is not allowed, the test is only slower.
 */
static void stay_on_one_cpu(void)
{
    int cpu = sched_getcpu();
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void) sched_setaffinity(0, sizeof(set), &set);
}

int fixture_new(const char *topology, const char *generation, Fixture **ret)
{
    g_autoptr(Fixture) fixture = g_new0(Fixture, 1);
    int r;

    fixture->root_fd = -EBADF;
    stay_on_one_cpu();
    r = enter_namespace();
    if (r < 0)
        return r;
    fixture->folder = g_dir_make_tmp("fake-kernel-XXXXXX", NULL);
    if (!fixture->folder)
        return -EIO;
    fixture->root_path = g_build_filename(fixture->folder, "root", NULL);
    fixture->control_path = g_build_filename(fixture->folder, "control", NULL);
    if (mkdir(fixture->root_path, 0755) < 0)
        return -errno;
    r = start(fixture, topology, generation);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&fixture);
    return 0;
}

Fixture *fixture_free(Fixture *fixture)
{
    if (!fixture)
        return NULL;
    control_free(fixture->control);
    if (fixture->root_fd >= 0)
        (void) close(fixture->root_fd);
    if (fixture->pid > 0) {
        (void) kill(fixture->pid, SIGTERM);
        (void) waitpid(fixture->pid, NULL, 0);
    }
    if (fixture->root_path) {
        (void) umount2(fixture->root_path, MNT_DETACH);
        (void) rmdir(fixture->root_path);
        (void) unlink(fixture->control_path);
        (void) rmdir(fixture->folder);
    }
    g_free(fixture->folder);
    g_free(fixture->root_path);
    g_free(fixture->control_path);
    g_free(fixture);
    return NULL;
}

int fixture_root_fd(const Fixture *fixture)
{
    return fixture->root_fd;
}

Control *fixture_control(const Fixture *fixture)
{
    return fixture->control;
}

pid_t fixture_start(Fixture *fixture, FixtureFunction function, void *data)
{
    int gate[2];
    pid_t pid;

    if (pipe2(gate, O_CLOEXEC) < 0)
        return -errno;
    (void) fflush(NULL);
    pid = fork();
    if (pid == 0) {
        char byte;

        (void) setpgid(0, 0);
        (void) close(gate[1]);
        /* Not before it is watched. */
        (void) !read(gate[0], &byte, 1);
        (void) close(gate[0]);
        exit(function(data));
    }
    (void) close(gate[0]);
    if (pid > 0) {
        (void) setpgid(pid, pid);
        fixture_command(fixture, "watch %d", pid);
    }
    (void) close(gate[1]);
    return pid < 0 ? -errno : pid;
}

int fixture_run(Fixture *fixture, FixtureFunction function, void *data)
{
    pid_t pid, ended;
    int status, result = -ECHILD;

    /* Whoever the child leaves behind becomes ours, and is waited for. */
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = fixture_start(fixture, function, data);
    if (pid < 0)
        return pid;
    while ((ended = waitpid(-pid, &status, 0)) > 0 || (ended < 0 && errno == EINTR))
        if (ended == pid)
            result = status;
    return result;
}

void fixture_command(Fixture *fixture, const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list arguments;
    int r;

    va_start(arguments, format);
    line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    r = control_call(fixture->control, NULL, "%s", line);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", line, strerror(-r));
        abort();
    }
}
