/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "mount-watch.h"
#include "tree.h"
#include "unit.h"

#define LIMIT_USEC (60 * G_GUINT64_CONSTANT(1000000))

static void count(void *userdata)
{
    unsigned *calls = userdata;

    *calls += 1;
}

/* Runs the loop until COUNT has been called once more. */
static void expect_call(sd_event *event, unsigned *calls)
{
    *calls = 0;
    while (*calls == 0)
        ck_assert_int_gt(sd_event_run(event, LIMIT_USEC), 0);
}

START_TEST(mounts_that_come_and_go)
{
    _cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_autofree char *place = g_dir_make_tmp("mount-watch-XXXXXX", NULL);
    g_autoptr(MountWatch) watch = NULL;
    sd_event *event = NULL;
    unsigned calls = 0;

    ck_assert_int_ge(root_fd, 0);
    ck_assert_int_eq(unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(mount_watch_new(event, root_fd, count, &calls, &watch), 0);

    ck_assert_int_eq(sd_event_run(event, 0), 0);
    ck_assert_int_eq(mount("none", place, "tmpfs", 0, NULL), 0);
    expect_call(event, &calls);
    ck_assert_int_eq(sd_event_run(event, 0), 0);
    ck_assert_int_eq(umount(place), 0);
    expect_call(event, &calls);

    watch = mount_watch_free(watch);
    ck_assert_int_eq(rmdir(place), 0);
    sd_event_unref(event);
}
END_TEST

START_TEST(files_that_no_kernel_made)
{
    g_autoptr(Tree) tree = tree_new();
    MountWatch *watch = NULL;
    sd_event *event = NULL;
    unsigned calls = 0;

    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(mount_watch_new(event, tree->fd, count, &calls, &watch), -ENOENT);
    tree_write(tree, "proc/self/mountinfo", "");
    ck_assert_int_eq(mount_watch_new(event, tree->fd, count, &calls, &watch), -EPERM);
    ck_assert_ptr_null(watch);
    sd_event_unref(event);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("mount-watch");

    tcase_add_test(cases, mounts_that_come_and_go);
    tcase_add_test(cases, files_that_no_kernel_made);
    return unit_run("mount-watch", cases);
}
