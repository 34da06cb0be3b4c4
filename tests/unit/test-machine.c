/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "machine.h"
#include "rule-set.h"
#include "tree.h"
#include "unit.h"

static const TreeDevice nvme = {
    .name = "0000:00:04.0",
    .vendor = 0x144d,
    .device = 0xa808,
    .class_code = 0x010802,
    .driver = "nvme",
    .group = 7,
    .iommu = "dmar0",
};
static const TreeDevice nic = {
    .name = "0000:00:05.0",
    .vendor = 0x8086,
    .device = 0x10d3,
    .class_code = 0x020000,
    .group = 12,
    .iommu = "dmar0",
};

static Tree *make_tree(void)
{
    Tree *tree = tree_new();

    tree_write(tree, "proc/cmdline", "quiet\n");
    g_free(tree_add_device(tree, &nvme));
    g_free(tree_add_device(tree, &nic));
    tree_set_group(tree, 12, "DMA-FQ", NULL);
    tree_write(tree, "rules/30-nvme.conf", "[Match]\nClass=nvme\n[Policy]\nType=DMA-FQ\n");
    tree_write(tree, "rules/40-relax.conf", "[Match]\nClass=nvme\n[Policy]\nType=identity\n");
    return tree;
}

static RuleSet *load_rules(const Tree *tree, const char *file)
{
    char *files[] = {(char *) file, NULL};
    g_autoptr(GPtrArray) diagnostics = NULL;
    RuleSet *rules;

    ck_assert_int_eq(rule_set_load_files(tree->fd, files, &rules, &diagnostics), 0);
    ck_assert_uint_eq(diagnostics->len, 0);
    return rules;
}

START_TEST(groups_are_read)
{
    g_autoptr(Tree) tree = make_tree();
    g_autoptr(Machine) machine = NULL;
    const MachineGroup *first, *second;

    ck_assert_int_eq(machine_read(tree->fd, NULL, &machine), 0);
    ck_assert_uint_eq(machine->groups->len, 2);
    first = machine->groups->pdata[0];
    second = machine->groups->pdata[1];
    ck_assert_uint_eq(first->id, 7);
    ck_assert_int_eq(first->type, DOMAIN_TYPE_DMA);
    ck_assert_uint_eq(first->devices->len, 1);
    ck_assert_str_eq(((const Device *) first->devices->pdata[0])->facts->name, "0000:00:04.0");
    ck_assert_uint_eq(second->id, 12);
    ck_assert_int_eq(second->type, DOMAIN_TYPE_DMA_FQ);
}
END_TEST

START_TEST(live_switch_needs_no_unbind)
{
    g_autoptr(Tree) tree = make_tree();
    g_autoptr(RuleSet) rules = load_rules(tree, "/rules/30-nvme.conf");
    g_autoptr(Decision) nvme_decision = NULL, nic_decision = NULL;
    g_autoptr(Machine) machine = NULL;

    ck_assert_int_eq(machine_read(tree->fd, NULL, &machine), 0);
    nvme_decision = machine_decide(machine, machine->groups->pdata[0], rules);
    ck_assert_int_eq(nvme_decision->wanted, DOMAIN_TYPE_DMA_FQ);
    ck_assert_str_eq(nvme_decision->wanted_by, "/rules/30-nvme.conf:4");
    ck_assert_int_eq(nvme_decision->obstacle, PENDING_NONE);

    nic_decision = machine_decide(machine, machine->groups->pdata[1], rules);
    ck_assert_int_lt(nic_decision->wanted, 0);
    ck_assert(nic_decision->settled);
}
END_TEST

START_TEST(bound_device_is_not_unbound_without_leave)
{
    g_autoptr(Tree) tree = make_tree();
    g_autoptr(RuleSet) rules = load_rules(tree, "/rules/40-relax.conf");
    g_autoptr(Decision) decision = NULL;
    g_autoptr(Machine) machine = NULL;

    ck_assert_int_eq(machine_read(tree->fd, NULL, &machine), 0);
    decision = machine_decide(machine, machine->groups->pdata[0], rules);
    ck_assert_int_eq(decision->wanted, DOMAIN_TYPE_IDENTITY);
    ck_assert_int_eq(decision->obstacle, PENDING_UNBIND_NOT_ALLOWED);
}
END_TEST

START_TEST(unreadable_type_is_no_error)
{
    g_autoptr(Tree) tree = make_tree();
    g_autoptr(Machine) machine = NULL;

    tree_set_group(tree, 7, "garbage", NULL);
    ck_assert_int_eq(machine_read(tree->fd, NULL, &machine), 0);
    ck_assert_int_eq(((const MachineGroup *) machine->groups->pdata[0])->type, _DOMAIN_TYPE_INVALID);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("offline");

    tcase_add_test(tests, groups_are_read);
    tcase_add_test(tests, live_switch_needs_no_unbind);
    tcase_add_test(tests, bound_device_is_not_unbound_without_leave);
    tcase_add_test(tests, unreadable_type_is_no_error);
    return unit_run("machine", tests);
}
