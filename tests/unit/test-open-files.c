/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "open-files.h"
#include "process.h"
#include "scene.h"
#include "sysfs.h"
#include "unit.h"

static Tree *tree;

static void set_up(void)
{
    tree = scene_new();
    scene_add_process(tree, 812, "qemu", 1, "/");
    scene_open(tree, 812, 3, "/dev/vfio/7");
}

static void tear_down(void)
{
    g_clear_pointer(&tree, tree_free);
}

/* Rows: what fdinfo says, whether the descriptor counts, as one with a shared lock. */
static const struct {
    const char *fdinfo;
    bool counts, locks_shared;
} infos[] = {
    { NULL, true, false },
    { "pos:\t0\nflags:\t02100002\nmnt_id:\t27\nino:\t1095\n", true, false },
    { "pos:\t0\nflags:\t02100000\nlock:\t1: FLOCK  ADVISORY  READ 700 00:06:370 0 EOF\n", true, true },
    { "pos:\t0\nflags:\t02100000\nlock:\t1: FLOCK  ADVISORY  WRITE 700 00:06:370 0 EOF\n", true, false },
    { "pos:\t0\nflags:\t02100000\nlock:\t1: POSIX  ADVISORY  READ 700 00:06:370 0 EOF\n", true, false },
};

START_TEST(fdinfo)
{
    g_autoptr(OpenFiles) files = NULL;

    if (infos[_i].fdinfo)
        tree_write(tree, "proc/812/fdinfo/3", infos[_i].fdinfo);
    ck_assert_int_eq(open_files_read(tree->fd, &files), 0);
    ck_assert_uint_eq(files->files->len, infos[_i].counts ? 1 : 0);
    ck_assert_int_eq(((OpenFile *) files->files->pdata[0])->locks_shared, infos[_i].locks_shared);
}
END_TEST

/* The flag's value is the architecture's. */
START_TEST(name_only)
{
    g_autofree char *info = g_strdup_printf("pos:\t0\nflags:\t0%o\n", O_PATH | O_CLOEXEC);
    g_autoptr(OpenFiles) files = NULL;

    tree_write(tree, "proc/812/fdinfo/3", info);
    ck_assert_int_eq(open_files_read(tree->fd, &files), 0);
    ck_assert_uint_eq(files->files->len, 0);
}
END_TEST

/* A path, or on older kernels the last part of one; and a file that is no device. */
static const char *const registered[] = { "    0: /dev/nvme0\n", "    0: nvme0\n",
                                          "    0: /a\\040b\n    7: nvme0\n" };

START_TEST(registered_with_a_ring)
{
    g_autofree char *info = g_strdup_printf("pos:\t0\nSqMask:\t0x7\nUserFiles:\t3\n%sUserBufs:\t1\n"
                                            "    0: 7f00/4096\nPollList:\n",
                                            registered[_i]);
    g_autoptr(OpenFiles) files = NULL;
    g_autoptr(GArray) pids = NULL;

    tree_mkdir(tree, "dev");
    ck_assert_int_eq(symlinkat("/dev/null", tree->fd, "dev/nvme0"), 0);
    tree_write(tree, "proc/812/fdinfo/3", "flags:\t02\n");
    scene_open(tree, 812, 4, "anon_inode:[io_uring]");
    tree_write(tree, "proc/812/fdinfo/4", info);
    ck_assert_int_eq(open_files_read(tree->fd, &files), 0);
    ck_assert_uint_eq(files->files->len, 2);
    pids = open_files_holders(files, makedev(1, 3), false, 0);
    ck_assert_uint_eq(pids->len, 1);
    ck_assert_int_eq(g_array_index(pids, pid_t, 0), 812);
}
END_TEST

START_TEST(parents)
{
    tree_write(tree, "proc/812/status", "Name:\tqemu\nUmask:\t0022\nPid:\t812\nPPid:\t700\nTracerPid:\t0\n");
    ck_assert_int_eq(process_parent(tree->fd, 812), 700);
    ck_assert_int_eq(process_parent(tree->fd, 813), 0);
}
END_TEST

/* The running kernel writes what is read here: a lock that this process holds, and its parent. */
START_TEST(words_of_the_kernel)
{
    g_autofree char *path = NULL, *text = NULL;
    int root_fd, fd;

    root_fd = sysfs_open_root("/");
    ck_assert_int_ge(root_fd, 0);
    ck_assert_int_eq(process_parent(root_fd, getpid()), getppid());
    fd = openat(tree->fd, "locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(flock(fd, LOCK_SH), 0);
    path = g_strdup_printf("proc/%d/fdinfo/%d", (int) getpid(), fd);
    ck_assert_int_eq(sysfs_read(root_fd, path, &text), 0);
    tree_write(tree, "proc/812/fdinfo/3", text);
    {
        g_autoptr(OpenFiles) files = NULL;

        ck_assert_int_eq(open_files_read(tree->fd, &files), 0);
        ck_assert(((OpenFile *) files->files->pdata[0])->locks_shared);
    }
    close(fd);
    close(root_fd);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, fdinfo, 0, G_N_ELEMENTS(infos));
    tcase_add_test(tests, name_only);
    tcase_add_loop_test(tests, registered_with_a_ring, 0, G_N_ELEMENTS(registered));
    tcase_add_test(tests, parents);
    tcase_add_test(tests, words_of_the_kernel);
    return unit_run("open-files", tests);
}
