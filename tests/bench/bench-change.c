/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bookkeeping of a disruptive change: all that the worker adds to the kernel's own unbind, switch and
 * bind, from fork() to the parent's waitpid(). The tree is plain files on tmpfs; sysfs_write() is replaced
 * by the linker (--wrap) and does to the `driver` link what the kernel would do. The time inside those
 * writes is the kernel's: the worker measures it, and it is taken off. What is in the figure: fork, lock,
 * two readings of the group, plan, findings (of a /proc without processes), the record, driver_override held
 * and restored, every look that verifies a step. What is not: a disk to claim.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cleanup.h"
#include "findings.h"
#include "sysfs.h"
#include "transaction.h"
#include "tree.h"

#define ROUNDS 400
#define LIMIT_USEC 300
#define GROUP 7
#define DRIVER "../../../bus/pci/drivers/e1000e"

static int device_fd;

int __wrap_sysfs_write(int dir_fd, const char *path, const char *text);

/* Replaces the content, as writing to sysfs does and writing to a file does not. */
int __wrap_sysfs_write(int dir_fd, const char *path, const char *text)
{
    _cleanup_close_ int fd = -EBADF;

    if (g_str_has_suffix(path, "/type") && faccessat(device_fd, "driver", F_OK, 0) == 0)
        return -EPERM;
    fd = openat(dir_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -errno;
    if (g_str_has_suffix(path, "/unbind") && unlinkat(device_fd, "driver", 0) < 0)
        return -errno;
    if (g_str_has_suffix(path, "/bind") && symlinkat(DRIVER, device_fd, "driver") < 0)
        return -errno;
    return 0;
}

static Tree *make_tree(void)
{
    g_autofree char *device = NULL, *interface = NULL, *subsystem = NULL, *flags = NULL, *index = NULL;
    Tree *tree = tree_new();

    tree_set_group(tree, GROUP, "DMA-FQ", NULL);
    device = tree_add_device(tree, &(TreeDevice) { .name = "0000:00:06.0", .vendor = 0x8086,
                                                   .device = 0x10d3,
                             .class_code = 0x020000, .driver = "e1000e", .group = GROUP, .iommu = "dmar0" });
    interface = g_strconcat(device, "/net/bench0", NULL);
    subsystem = g_strconcat(interface, "/subsystem", NULL);
    flags = g_strconcat(interface, "/flags", NULL);
    index = g_strconcat(interface, "/ifindex", NULL);
    tree_mkdir(tree, "sys/class/net");
    tree_mkdir(tree, "sys/class/block");
    tree_write(tree, flags, "0x1002\n");
    tree_write(tree, index, "4242\n");
    tree_link(tree, subsystem, "sys/class/net");
    tree_link(tree, "sys/class/net/bench0", interface);
    tree_write(tree, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    device_fd = sysfs_open_dir(tree->fd, device);
    return tree;
}

/* What a survey finds is allowed, as by a person who has seen it. */
static ChangeRequest *authorise(const Tree *tree, DomainType type)
{
    g_autoptr(ChangeRequest) request = change_request_new(GROUP, type);
    g_autoptr(ChangeSurvey) survey = NULL;
    g_autoptr(GPtrArray) allow = g_ptr_array_new();

    request->origin = g_strdup("call:uid=0");
    request->may_unbind = true;
    if (transaction_survey(tree->fd, request, &survey) < 0 || survey->how != CHANGE_DISRUPTIVE)
        return NULL;
    for (guint i = 0; i < survey->findings->len; i++)
        g_ptr_array_add(allow, g_strdup(((const Finding *) g_ptr_array_index(survey->findings, i))->id));
    g_ptr_array_add(allow, NULL);
    request->allow = (char **) g_ptr_array_steal(allow, NULL);
    request->how = survey->how;
    request->type_from = survey->type_from;
    request->members = g_ptr_array_ref(survey->members);
    return g_steal_pointer(&request);
}

/*
 * Returns the time the worker spent in the kernel's part; ends the program if the change does not succeed.
 */
static uint64_t run_change(int root_fd, const ChangeRequest *request)
{
    g_autoptr(ChangeResult) result = NULL;

    if (transaction_run(root_fd, request, NULL, NULL, &result) < 0 || result->code != REFUSAL_NONE ||
        result->how != CHANGE_DISRUPTIVE) {
        fprintf(stderr, "%s: %s\n", result ? refusal_name(result->code) : "?",
                result ? result->detail : "?");
        abort();
    }
    return result->kernel_usec;
}

static double timed_change(int root_fd, const ChangeRequest *request, int report[static 2])
{
    double start = bench_cpu();
    uint64_t kernel_usec = 0;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        kernel_usec = run_change(root_fd, request);
        _exit(write(report[1], &kernel_usec, sizeof(kernel_usec)) < 0);
    }
    (void) waitpid(pid, &status, 0);
    if (status != 0 || read(report[0], &kernel_usec, sizeof(kernel_usec)) != sizeof(kernel_usec))
        abort();
    return bench_cpu() - start - (double) kernel_usec;
}

static double fork_and_wait(void)
{
    double start = bench_cpu();
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    (void) waitpid(pid, NULL, 0);
    return bench_cpu() - start;
}

int main(void)
{
    static const DomainType types[] = { DOMAIN_TYPE_IDENTITY, DOMAIN_TYPE_DMA_FQ };
    BenchRow row = { .what = "bookkeeping of a change", .limit = "300 us", .floor_is = "fork and wait",
                     .unit = "us CPU", .most = LIMIT_USEC };
    double floor[ROUNDS], ours[ROUNDS];
    g_autoptr(Tree) tree = NULL;
    int report[2];

    (void) setenv("TMPDIR", "/dev/shm", 0);
    bench_pin();
    tree = make_tree();
    if (pipe(report) < 0)
        abort();
    for (unsigned i = 0; i < ROUNDS; i++) {
        g_autoptr(ChangeRequest) request = authorise(tree, types[i % 2]);

        if (!request)
            abort();
        floor[i] = fork_and_wait();
        ours[i] = timed_change(tree->fd, request, report);
    }
    row.floor = bench_median(floor, ROUNDS);
    row.ours = bench_median(ours, ROUNDS);
    return bench_print(&row);
}
