/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "sysfs.h"
#include "tree.h"
#include "unit.h"

START_TEST(reads_one_line)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *text = NULL;

    tree_write(tree, "sys/a", "one\n");
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/a", &text), 0);
    ck_assert_str_eq(text, "one");
}
END_TEST

START_TEST(drops_one_newline_only)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *two = NULL, *empty = NULL;

    tree_write(tree, "sys/two", "one\n\n");
    tree_write(tree, "sys/empty", "");
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/two", &two), 0);
    ck_assert_str_eq(two, "one\n");
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/empty", &empty), 0);
    ck_assert_str_eq(empty, "");
}
END_TEST

START_TEST(read_limits)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *large = g_strnfill(64 * 1024 + 1, 'x'), *text = NULL;

    tree_write_bytes(tree, "sys/fits", large, 64 * 1024);
    tree_write_bytes(tree, "sys/large", large, 64 * 1024 + 1);
    tree_write_bytes(tree, "sys/nul", "a\0b", 3);
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/fits", &text), 0);
    ck_assert_uint_eq(strlen(text), 64 * 1024);
    g_clear_pointer(&text, g_free);
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/large", &text), -EFBIG);
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/nul", &text), -EBADMSG);
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/none", &text), -ENOENT);
    ck_assert_int_eq(sysfs_read(tree->fd, "sys", &text), -EISDIR);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(read_does_not_wait_for_a_writer)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *text = NULL;

    ck_assert_int_eq(mkfifoat(tree->fd, "sys/fifo", 0600), 0);
    ck_assert_int_eq(sysfs_read(tree->fd, "sys/fifo", &text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

static const struct {
    const char *text;
    int base, result;
    uint64_t value;
} numbers[] = {
    { "0x144d\n", 0, 0, 0x144d },
    { "0x010802", 16, 0, 0x010802 },
    { "d2008c22260206\n", 16, 0, 0xd2008c22260206 },
    { "18446744073709551615\n", 10, 0, UINT64_MAX },
    { "18446744073709551616\n", 10, -EBADMSG, 0 },
    { "-1\n", 10, -EBADMSG, 0 },
    { "+1\n", 10, -EBADMSG, 0 },
    { " 1\n", 10, -EBADMSG, 0 },
    { "1 \n", 10, -EBADMSG, 0 },
    { "\n", 10, -EBADMSG, 0 },
    { "", 10, -EBADMSG, 0 },
    { "1x\n", 10, -EBADMSG, 0 },
    { "00000000000000000000000000000000000000000000000000000000000000000000001\n", 10, -EBADMSG, 0 },
};

START_TEST(reads_numbers)
{
    g_autoptr(Tree) tree = tree_new();
    uint64_t value = 0;

    tree_write(tree, "sys/n", numbers[_i].text);
    ck_assert_int_eq(sysfs_read_u64(tree->fd, "sys/n", numbers[_i].base, &value), numbers[_i].result);
    ck_assert_uint_eq(value, numbers[_i].value);
}
END_TEST

START_TEST(writes_once_and_never_creates)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *text = NULL;

    tree_write(tree, "sys/a", "");
    ck_assert_int_eq(sysfs_write(tree->fd, "sys/a", "identity\n"), 0);
    text = tree_read(tree, "sys/a");
    ck_assert_str_eq(text, "identity\n");
    ck_assert_int_eq(sysfs_write(tree->fd, "sys/none", "x"), -ENOENT);
    ck_assert_ptr_null(tree_read(tree, "sys/none"));
}
END_TEST

START_TEST(reads_links)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *name = NULL, *text = NULL, *target = NULL;

    tree_mkdir(tree, "sys/devices/pci0000:00/0000:00:04.0");
    tree_link(tree, "sys/bus/pci/devices/0000:00:04.0", "sys/devices/pci0000:00/0000:00:04.0");
    ck_assert_int_eq(sysfs_link_name(tree->fd, "sys/bus/pci/devices/0000:00:04.0", &name), 0);
    ck_assert_str_eq(name, "0000:00:04.0");
    ck_assert_int_eq(sysfs_read_link(tree->fd, "sys/bus/pci/devices/0000:00:04.0", &text), 0);
    ck_assert_str_eq(text, "../../../devices/pci0000:00/0000:00:04.0");
    ck_assert_int_eq(sysfs_link_target(tree->fd, "sys/bus/pci/devices/0000:00:04.0", &target), 0);
    ck_assert_str_eq(target, "sys/devices/pci0000:00/0000:00:04.0");

    ck_assert_int_eq(sysfs_link_name(tree->fd, "sys/none", &name), -ENOENT);
    ck_assert_int_eq(sysfs_link_name(tree->fd, "sys/devices", &name), -EINVAL);
}
END_TEST

START_TEST(link_target_stays_inside)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *target = NULL;

    ck_assert_int_eq(symlinkat("/etc/passwd", tree->fd, "sys/absolute"), 0);
    ck_assert_int_eq(symlinkat("../../etc/passwd", tree->fd, "sys/out"), 0);
    ck_assert_int_eq(symlinkat(".././/sys/./devices/", tree->fd, "sys/odd"), 0);
    ck_assert_int_eq(sysfs_link_target(tree->fd, "sys/absolute", &target), -EINVAL);
    ck_assert_int_eq(sysfs_link_target(tree->fd, "sys/out", &target), -EINVAL);
    ck_assert_ptr_null(target);
    ck_assert_int_eq(sysfs_link_target(tree->fd, "sys/odd", &target), 0);
    ck_assert_str_eq(target, "sys/devices");
}
END_TEST

START_TEST(lists_sorted)
{
    g_autoptr(Tree) tree = tree_new();
    g_auto(GStrv) names = NULL, none = NULL;

    tree_mkdir(tree, "sys/x/b");
    tree_mkdir(tree, "sys/x/a");
    tree_mkdir(tree, "sys/x/.c");
    tree_mkdir(tree, "sys/empty");
    ck_assert_int_eq(sysfs_list(tree->fd, "sys/x", &names), 0);
    ck_assert_uint_eq(g_strv_length(names), 3);
    ck_assert_str_eq(names[0], ".c");
    ck_assert_str_eq(names[1], "a");
    ck_assert_str_eq(names[2], "b");
    ck_assert_int_eq(sysfs_list(tree->fd, "sys/empty", &none), 0);
    ck_assert_ptr_null(none[0]);
    ck_assert_int_eq(sysfs_list(tree->fd, "sys/none", &names), -ENOENT);
}
END_TEST

START_TEST(inode_tells_successors_apart)
{
    g_autoptr(Tree) tree = tree_new();
    uint64_t first, second;

    tree_mkdir(tree, "sys/a");
    tree_mkdir(tree, "sys/b");
    ck_assert_int_eq(sysfs_inode(tree->fd, "sys/a", &first), 0);
    ck_assert_int_eq(sysfs_inode(tree->fd, "sys/b", &second), 0);
    ck_assert_uint_ne(first, second);
    ck_assert_int_eq(sysfs_inode(tree->fd, "sys/none", &first), -ENOENT);
}
END_TEST

START_TEST(opens_a_root)
{
    g_autoptr(Tree) tree = tree_new();
    _cleanup_close_ int fd = sysfs_open_root(tree->path), dir = -EBADF;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_PATH, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    dir = sysfs_open_dir(fd, "sys");
    ck_assert_int_ge(dir, 0);
    ck_assert_int_eq(sysfs_open_root("/nonexistent"), -ENOENT);
    ck_assert_int_eq(sysfs_open_dir(fd, "proc/sys/kernel/random/boot_id"), -ENOTDIR);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("sysfs");

    tcase_add_test(cases, reads_one_line);
    tcase_add_test(cases, drops_one_newline_only);
    tcase_add_test(cases, read_limits);
    tcase_add_test(cases, read_does_not_wait_for_a_writer);
    tcase_add_loop_test(cases, reads_numbers, 0, G_N_ELEMENTS(numbers));
    tcase_add_test(cases, writes_once_and_never_creates);
    tcase_add_test(cases, reads_links);
    tcase_add_test(cases, link_target_stays_inside);
    tcase_add_test(cases, lists_sorted);
    tcase_add_test(cases, inode_tells_successors_apart);
    tcase_add_test(cases, opens_a_root);
    return unit_run("sysfs", cases);
}
