/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cleanup.h"
#include "raw-walk.h"
#include "tree.h"

/*
 * The shipped program on a machine of plain files, in which it finds every group in another type than the
 * last of its rules asks for: beside a walk that reads what it has to read and does nothing with it, and
 * beside a shell script for the same job. All three by turns, pinned to one CPU; what counts is the CPU
 * time of the whole process, of the walk that of the walk alone.
 */

#define N_GROUPS 200u
#define N_RULES 100u
#define ROUNDS 15u
#define ROUNDS_OF_SCRIPT 3u
#define MOST_ABOVE_WALK 5.0 /* ms */
#define LEAST_TIMES_FASTER 10.0

static void require(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "bench-early: %s: %s\n", what, strerror(-r));
    exit(EXIT_FAILURE);
}

static void write_rules(Tree *tree)
{
    for (unsigned i = 0; i < N_RULES; i++) {
        g_autofree char *path = g_strdup_printf("etc/iommu-policy.d/%03u.conf", i);
        g_autofree char *text = g_strdup_printf("[Match]\nId=144d:%04x\n[Policy]\nType=identity\n"
                                                "Reason=row %u\n", 0xa808 - (N_RULES - 1) + i, i);

        tree_write(tree, path, text);
    }
}

/* Where the dynamic linker finds them at once, as on a machine of its own. */
static void show_libraries(Tree *tree)
{
    g_autofree char *content = NULL, *path = g_strconcat(tree->path, "/etc/ld.so.cache", NULL);
    gsize size;

    require(g_file_get_contents("/etc/ld.so.cache", &content, &size, NULL) ? 0 : -ENOENT,
            "/etc/ld.so.cache");
    require(g_file_set_contents(path, content, (gssize) size, NULL) ? 0 : -EIO, path);
}

static Tree *make_machine(void)
{
    Tree *tree = tree_new();

    for (unsigned i = 0; i < N_GROUPS; i++) {
        g_autofree char *name = g_strdup_printf("0000:%02x:00.0", i + 1);

        g_free(tree_add_device(tree, &(TreeDevice){ .name = name,
                                                    .vendor = 0x144d,
                                                    .device = 0xa808,
                                                    .subsystem_vendor = 0x144d,
                                                    .subsystem_device = 0xa801,
                                                    .class_code = 0x010802,
                                                    .group = (int) i,
                                                    .iommu = "dmar0" }));
    }
    write_rules(tree);
    show_libraries(tree);
    return tree;
}

static void reset(Tree *tree)
{
    for (unsigned i = 0; i < N_GROUPS; i++)
        tree_set_group(tree, i, "DMA-FQ", NULL);
    tree_remove(tree, "run/iommu-policy");
}

/* All groups must have been given the type. */
static void check(Tree *tree, const char *who)
{
    for (unsigned i = 0; i < N_GROUPS; i++) {
        g_autofree char *path = g_strdup_printf("sys/kernel/iommu_groups/%u/type", i);
        g_autofree char *type = tree_read(tree, path);

        if (g_str_equal(g_strchomp(type), "identity"))
            continue;
        fprintf(stderr, "bench-early: %s has left group %u in %s\n", who, i, type);
        exit(EXIT_FAILURE);
    }
}

static void show(Tree *tree, const char *name, const char *target)
{
    g_autofree char *source = g_strdup_printf("%s/%s", tree->path, name);

    require(mount(source, target, NULL, MS_BIND, NULL) < 0 ? -errno : 0, target);
}

static void read_types(int root_fd)
{
    for (unsigned i = 0; i < N_GROUPS; i++) {
        g_autofree char *path = g_strdup_printf("sys/kernel/iommu_groups/%u/type", i);
        _cleanup_close_ int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
        char type[64];

        require(read(fd, type, sizeof type) > 0 ? 0 : -errno, path);
    }
}

/* In µs of CPU. */
static double run(const char *program)
{
    char *const arguments[] = { (char *) program, NULL };
    posix_spawn_file_actions_t actions;
    double start = bench_cpu();
    int status;
    pid_t pid;

    require(-posix_spawn_file_actions_init(&actions), "posix_spawn_file_actions_init");
    require(-posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0),
            "/dev/null");
    require(-posix_spawn(&pid, program, &actions, NULL, arguments, environ), program);
    (void) posix_spawn_file_actions_destroy(&actions);
    require(waitpid(pid, &status, 0) < 0 ? -errno : 0, "waitpid");
    require(status == 0 ? 0 : -EPROTO, program);
    return bench_cpu() - start;
}

static double walk(void)
{
    _cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    double start = bench_cpu();

    require(raw_walk(root_fd) == N_GROUPS ? 0 : -EPROTO, "the walk");
    read_types(root_fd);
    return bench_cpu() - start;
}

static int measure(Tree *tree, const char *early, const char *script)
{
    double walks[ROUNDS], passes[ROUNDS], scripts[ROUNDS_OF_SCRIPT];
    BenchRow above = { .what = "early pass, 200 groups, 100 rules", .limit = "the floor + 5 ms",
                       .floor_is = "raw walk", .unit = "ms CPU" },
             beside = { .what = "early pass, 200 groups, 100 rules", .limit = "a tenth of the script",
                        .floor_is = "shell script", .unit = "ms CPU" };
    int missed;

    for (unsigned i = 0; i < ROUNDS; i++) {
        walks[i] = walk() / 1000;
        reset(tree);
        passes[i] = run(early) / 1000;
        check(tree, early);
        if (i >= ROUNDS_OF_SCRIPT)
            continue;
        reset(tree);
        scripts[i] = run(script) / 1000;
        check(tree, script);
    }
    above.floor = bench_median(walks, ROUNDS);
    above.ours = beside.ours = bench_median(passes, ROUNDS);
    above.most = above.floor + MOST_ABOVE_WALK;
    beside.floor = bench_median(scripts, ROUNDS_OF_SCRIPT);
    beside.most = beside.floor / LEAST_TIMES_FASTER;
    missed = bench_print(&above);
    return bench_print(&beside) | missed;
}

int main(int argc, char **argv)
{
    g_autoptr(Tree) tree = NULL;

    if (argc != 3) {
        fputs("Usage: bench-early IOMMU-POLICY-EARLY SCRIPT\n", stderr);
        return 2;
    }
    bench_pin();
    (void) setenv("TMPDIR", "/dev/shm", 0);
    require(unshare(CLONE_NEWNS) < 0 ? -errno : 0, "a mount namespace of its own");
    require(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0, "/");
    tree = make_machine();
    show(tree, "sys", "/sys");
    show(tree, "run", "/run");
    show(tree, "etc", "/etc");
    return measure(tree, argv[1], argv[2]);
}
