/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "nvme-controller.h"
#include "tree.h"
#include "unit.h"

#define DRIVE "sys/devices/pci0000:00/0000:00:04.0"
#define SUBSYSTEM "sys/devices/virtual/nvme-subsystem/nvme-subsys0"

/* A controller of the drive NAME in the one subsystem, as the kernel shows it. */
static void add_controller(Tree *tree, const char *drive, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/nvme/%s", drive, name);
    g_autofree char *link = g_strdup_printf(SUBSYSTEM "/%s", name);

    tree_mkdir(tree, path);
    tree_mkdir(tree, SUBSYSTEM "/power");
    tree_write(tree, SUBSYSTEM "/model", "x\n");
    tree_mkdir(tree, SUBSYSTEM "/nvme0n1");
    tree_link(tree, SUBSYSTEM "/subsystem", "sys/class/nvme-subsystem");
    tree_link(tree, "sys/class/nvme-subsystem/nvme-subsys0", SUBSYSTEM);
    tree_link(tree, link, path);
}

START_TEST(one_lives_as_long_as_its_subsystem)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) controllers = NULL;
    const NvmeController *controller;

    add_controller(tree, DRIVE, "nvme0");
    ck_assert_int_eq(nvme_controllers_read(tree->fd, DRIVE, &controllers), 0);
    ck_assert_uint_eq(controllers->len, 1);
    controller = g_ptr_array_index(controllers, 0);
    ck_assert_str_eq(controller->name, "nvme0");
    ck_assert_str_eq(controller->subsystem, SUBSYSTEM);
    ck_assert(controller->alone);
    ck_assert(nvme_controller_is_alive(tree->fd, controller));

    /* Its link goes just before its memory does. */
    tree_remove(tree, SUBSYSTEM "/nvme0");
    ck_assert(nvme_controller_is_alive(tree->fd, controller));
    tree_remove(tree, SUBSYSTEM);
    ck_assert(!nvme_controller_is_alive(tree->fd, controller));
}
END_TEST

START_TEST(subsystem_of_another_is_none)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) controllers = NULL;

    add_controller(tree, DRIVE, "nvme0");
    ck_assert_int_eq(nvme_controllers_read(tree->fd, DRIVE, &controllers), 0);
    ck_assert_int_eq(renameat(tree->fd, SUBSYSTEM, tree->fd, SUBSYSTEM ".old"), 0);
    add_controller(tree, DRIVE ".other", "nvme0");
    ck_assert(!nvme_controller_is_alive(tree->fd, g_ptr_array_index(controllers, 0)));
}
END_TEST

START_TEST(one_of_two_lives_as_long_as_its_link)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) controllers = NULL;
    const NvmeController *controller;

    add_controller(tree, DRIVE, "nvme0");
    add_controller(tree, DRIVE "1", "nvme1");
    ck_assert_int_eq(nvme_controllers_read(tree->fd, DRIVE, &controllers), 0);
    ck_assert_uint_eq(controllers->len, 1);
    controller = g_ptr_array_index(controllers, 0);
    ck_assert(!controller->alone);
    ck_assert(nvme_controller_is_alive(tree->fd, controller));
    tree_remove(tree, SUBSYSTEM "/nvme0");
    ck_assert(!nvme_controller_is_alive(tree->fd, controller));
}
END_TEST

START_TEST(there_may_be_none)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) none = NULL, others = NULL;

    ck_assert_int_eq(nvme_controllers_read(tree->fd, DRIVE, &none), 0);
    ck_assert_uint_eq(none->len, 0);
    add_controller(tree, DRIVE, "nvme0");
    ck_assert_int_eq(nvme_controllers_read(tree->fd, "sys/devices/pci0000:00/0000:00:05.0", &others), 0);
    ck_assert_uint_eq(others->len, 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("nvme-controller");

    tcase_add_test(cases, one_lives_as_long_as_its_subsystem);
    tcase_add_test(cases, subsystem_of_another_is_none);
    tcase_add_test(cases, one_of_two_lives_as_long_as_its_link);
    tcase_add_test(cases, there_may_be_none);
    return unit_run("nvme-controller", cases);
}
