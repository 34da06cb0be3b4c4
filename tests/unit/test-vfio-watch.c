/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "tree.h"
#include "unit.h"
#include "vfio-watch.h"

#define LIMIT_USEC (60 * G_GUINT64_CONSTANT(1000000))

typedef struct Bench {
    Tree *tree;
    sd_event *event;
    VfioWatch *watch;
    unsigned calls;
} Bench;

static Bench bench;

static void count(void *userdata)
{
    unsigned *calls = userdata;

    *calls += 1;
}

static void set_up(void)
{
    bench = (Bench) { .tree = tree_new() };
    ck_assert_int_ge(sd_event_new(&bench.event), 0);
    ck_assert_int_eq(vfio_watch_new(bench.event, bench.tree->fd, count, &bench.calls, &bench.watch), 0);
}

static void tear_down(void)
{
    bench.watch = vfio_watch_free(bench.watch);
    sd_event_unref(bench.event);
    tree_free(bench.tree);
}

/* Any file will do for a node: what is seen is the close. */
static int open_node(const char *path)
{
    int fd;

    tree_write(bench.tree, path, "");
    fd = openat(bench.tree->fd, path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void expect_calls(unsigned calls)
{
    while (sd_event_run(bench.event, 0) > 0)
        ;
    ck_assert_uint_eq(bench.calls, calls);
    bench.calls = 0;
}

static void expect_nothing(void)
{
    expect_calls(0);
}

static void expect_call(void)
{
    ck_assert_int_gt(sd_event_run(bench.event, LIMIT_USEC), 0);
    expect_calls(1);
}

static const char *const nodes[] = { "dev/vfio/7", "dev/vfio/noiommu-7", "dev/vfio/devices/vfio0" };

START_TEST(groups_and_devices)
{
    _cleanup_close_ int fd = open_node(nodes[_i]), again = -EBADF;

    vfio_watch_look(bench.watch);
    expect_nothing();
    again = openat(bench.tree->fd, nodes[_i], O_RDONLY | O_CLOEXEC);
    expect_nothing();
    fd = safe_close(fd);
    expect_call();
    again = safe_close(again);
    expect_call();
}
END_TEST

/* The last of what keeps it open may be no descriptor. */
START_TEST(mapped_memory)
{
    void *memory;
    int fd;

    tree_mkdir(bench.tree, "dev/vfio/devices");
    fd = open_node("dev/vfio/devices/vfio0");
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    vfio_watch_look(bench.watch);
    memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    safe_close(fd);
    expect_nothing();
    ck_assert_int_eq(munmap(memory, 4096), 0);
    expect_call();
}
END_TEST

/* A name for it is no use of it, and the container is everybody's. */
START_TEST(what_owns_nothing)
{
    int fd;

    tree_write(bench.tree, "dev/vfio/7", "");
    fd = open_node("dev/vfio/vfio");
    vfio_watch_look(bench.watch);
    safe_close(fd);
    fd = openat(bench.tree->fd, "dev/vfio/7", O_PATH | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    safe_close(fd);
    expect_nothing();
}
END_TEST

/* The folders come with the first group, and go with the last module. */
START_TEST(folders_that_come_and_go)
{
    vfio_watch_look(bench.watch);
    for (unsigned i = 0; i < 2; i++) {
        int fd = open_node("dev/vfio/7");

        vfio_watch_look(bench.watch);
        vfio_watch_look(bench.watch);
        safe_close(fd);
        expect_call();
        tree_remove(bench.tree, "dev/vfio");
        expect_nothing();
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("vfio-watch");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, groups_and_devices, 0, G_N_ELEMENTS(nodes));
    tcase_add_test(cases, mapped_memory);
    tcase_add_test(cases, what_owns_nothing);
    tcase_add_test(cases, folders_that_come_and_go);
    return unit_run("vfio-watch", cases);
}
