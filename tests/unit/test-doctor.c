/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/utsname.h>

#include "complaint.h"
#include "doctor.h"
#include "tree.h"
#include "unit.h"

/* A machine: the command line, the ACPI table that it has, the type of its one group (NULL: there is none)
 * and whether the device in it is external; COMPLAINTS: the words of what is said of it. */
static const struct {
    const char *words, *table, *type, *removable;
    const char *complaints;
} hosts[] = {
    { "quiet", "DMAR", "DMA-FQ", NULL, "" },
    { "quiet iommu.passthrough=0", "DMAR", "DMA", "removable", "" },
    { "iommu=off", "DMAR", NULL, NULL, "iommu-off" },
    { "intel_iommu=off", "DMAR", NULL, NULL, "iommu-off" },
    { "amd_iommu=off", "DMAR", NULL, NULL, "iommu-not-used" },
    { "amd_iommu=off", "IVRS", NULL, NULL, "iommu-off" },
    { "quiet", "IVRS", NULL, NULL, "iommu-not-used" },
    { "quiet", "DMAR", NULL, NULL, "iommu-not-used" },
    { "intel_iommu=on", "DMAR", NULL, NULL, "iommu-not-used" },
    { "quiet", "VIOT", NULL, NULL, "iommu-not-used" },
    { "intel_iommu=on", "FACP", NULL, NULL, "iommu-not-offered" },
    { "intel_iommu=pt", "DMAR", NULL, NULL, "iommu-not-used word-ignored" },
    { "amd_iommu=pt", "IVRS", "DMA-FQ", NULL, "word-ignored" },
    { "intel_iommu=on -- amd_iommu=pt", "DMAR", "DMA-FQ", NULL, "" },
    { "iommu.passthrough=1", "DMAR", "identity", NULL, "passthrough-default" },
    { "iommu=pt", "DMAR", "DMA", NULL, "passthrough-overruled" },
    { "quiet", "DMAR", "identity", NULL, "" },
    { "quiet", "DMAR", "identity", "fixed", "" },
    { "quiet", "DMAR", "identity", "removable", "external-identity" },
    { "iommu_policy=off", "DMAR", "DMA", NULL, "disabled" },
    { "elfcorehdr=0x1000", "DMAR", "DMA", NULL, "disabled" },
};

static bool on_x86(void)
{
    struct utsname name;

    ck_assert_int_eq(uname(&name), 0);
    return g_str_equal(name.machine, "x86_64");
}

static Tree *make_tree(const char *words, const char *table, const char *type, const char *removable)
{
    g_autofree char *path = g_strconcat("sys/firmware/acpi/tables/", table, NULL);
    Tree *tree = tree_new();
    const TreeDevice drive = {
        .name = "0000:00:04.0", .vendor = 0x144d, .device = 0xa808, .class_code = 0x010802,
        .group = type ? 7 : -1, .iommu = "dmar0", .removable = removable,
    };

    tree_write(tree, "proc/cmdline", words);
    tree_write(tree, path, "");
    g_free(tree_add_device(tree, &drive));
    if (type)
        tree_set_group(tree, 7, type, NULL);
    return tree;
}

static Machine *read_machine(const Tree *tree)
{
    Machine *machine;

    ck_assert_int_eq(machine_read(tree->fd, NULL, &machine), 0);
    return machine;
}

START_TEST(look_at_host)
{
    g_autoptr(Tree) tree = make_tree(hosts[_i].words, hosts[_i].table, hosts[_i].type, hosts[_i].removable);
    g_autoptr(Machine) machine = read_machine(tree);
    g_autoptr(GPtrArray) complaints = complaints_new();
    g_autofree char *found = NULL;

    if (!on_x86()) /* the words of other architectures are in test-command-line */
        return;
    doctor_look_at_host(tree->fd, machine, complaints);
    found = complaints_words(complaints);
    ck_assert_str_eq(found, hosts[_i].complaints);
}
END_TEST

static const struct {
    const char *rule, *complaints;
} rules[] = {
    { "[Match]\nAddress=0000:00:04.0\n[Policy]\nType=DMA\n", "" },
    { "[Match]\nAddress=0000:00:05.0\n[Policy]\nType=DMA\n", "" }, /* it is there, and in no group */
    { "[Match]\nAddress=0000:3b:00.0\n[Policy]\nType=DMA\n", "name-absent" },
    { "[Match]\nPath=pci0000:00/0000:00:04.0\nId=8086:1000\n[Policy]\nType=DMA\n", "name-absent" },
    { "[Match]\nId=8086:1000\n[Policy]\nType=DMA\n", "id-absent" },
    { "[Match]\nClass=gpu\n[Policy]\nType=DMA\n", "" },
    { "[Match]\nClas=gpu\n[Policy]\nType=DMA\n", "rule-refused" },
};

START_TEST(look_at_rules)
{
    g_autoptr(Tree) tree = make_tree("quiet", "DMAR", "DMA", NULL);
    const TreeDevice card = {
        .name = "0000:00:05.0", .vendor = 0x8086, .device = 0x10d3, .class_code = 0x020000, .group = -1,
    };
    g_autoptr(GPtrArray) complaints = complaints_new();
    g_autoptr(Machine) machine = NULL;
    g_autofree char *found = NULL;

    g_free(tree_add_device(tree, &card));
    tree_write(tree, "etc/iommu-policy.d/30-x.conf", rules[_i].rule);
    machine = read_machine(tree);
    ck_assert_int_eq(doctor_look_at_rules(tree->fd, machine, complaints), 0);
    found = complaints_words(complaints);
    ck_assert_str_eq(found, rules[_i].complaints);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("doctor");

    tcase_add_loop_test(cases, look_at_host, 0, G_N_ELEMENTS(hosts));
    tcase_add_loop_test(cases, look_at_rules, 0, G_N_ELEMENTS(rules));
    return unit_run("doctor", cases);
}
