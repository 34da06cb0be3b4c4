/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"
#include "tree.h"
#include "unit.h"

static const struct {
    const char *words, *file, *names;
} disabled[] = {
    { "quiet iommu_policy=off", NULL, "iommu_policy=off" },
    { "iommu-policy=off quiet", NULL, "iommu-policy=off" },
    { "elfcorehdr=867700K", NULL, "kdump" },
    { "quiet", "proc/vmcore", "/proc/vmcore" },
    { "quiet", "proc/device-tree/chosen/linux,elfcorehdr", "device tree" },
};

START_TEST(disabled_by)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    tree_write(tree, "proc/cmdline", disabled[_i].words);
    if (disabled[_i].file)
        tree_write(tree, disabled[_i].file, "");
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    ck_assert_ptr_nonnull(host->disabled);
    ck_assert_msg(strstr(host->disabled, disabled[_i].names), "%s", host->disabled);
}
END_TEST

static const struct {
    const char *iomem;
    unsigned bits;
} memory[] = {
    { "00001000-0009fbff : System RAM\n000a0000-000bffff : PCI Bus 0000:00\n"
      "00100000-bfffffff : System RAM\n100000000-23fffffff : System RAM\n"
      "  1a0000000-1a1000000 : Kernel code\n"
      "380000000000-387fffffffff : PCI Bus 0000:00\n", 34 },
    { "00100000-3fffffff : System RAM\n", 30 },
    { "00000000-00000000 : System RAM\n", 0 },
    { "garbage\n : System RAM\n", 0 },
    { NULL, 0 },
};

START_TEST(memory_bits)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    tree_write(tree, "proc/cmdline", "quiet");
    if (memory[_i].iomem)
        tree_write(tree, "proc/iomem", memory[_i].iomem);
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    ck_assert_uint_eq(host->facts->memory_bits, memory[_i].bits);
}
END_TEST

static const struct {
    const char *words, *cpuinfo; /* or NULL */
    Tristate encrypts;
} encryption[] = {
    { "quiet", NULL, TRISTATE_UNKNOWN },
    { "quiet", "processor\t: 0\nflags\t\t: fpu vme sme_coherent\nbugs\t\t: sme\n", TRISTATE_NO },
    { "quiet", "flags\t\t: fpu sme sev\n", TRISTATE_UNKNOWN },
    { "quiet", "flags\t\t: fpu sev", TRISTATE_UNKNOWN },
    { "mem_encrypt=on", "flags\t\t: fpu sme\n", TRISTATE_YES },
    { "quiet", "processor\t: 0\nFeatures\t: fp asimd\n", TRISTATE_UNKNOWN },
};

START_TEST(encrypts_memory)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    tree_write(tree, "proc/cmdline", encryption[_i].words);
    if (encryption[_i].cpuinfo)
        tree_write(tree, "proc/cpuinfo", encryption[_i].cpuinfo);
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    ck_assert_int_eq(host->encrypts_memory, encryption[_i].encrypts);
}
END_TEST

START_TEST(units_and_words)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    tree_write(tree, "proc/cmdline", "amd_iommu=pgtbl_v2,force_isolation intel_iommu=on\n");
    tree_write(tree, "sys/devices/virtual/iommu/dmar0/intel-iommu/ecap", "f00f0a\n");
    tree_link(tree, "sys/class/iommu/dmar0", "sys/devices/virtual/iommu/dmar0");
    tree_mkdir(tree, "sys/devices/virtual/iommu/smmu3.0x0000000009050000");
    tree_link(tree, "sys/class/iommu/smmu3.0x0000000009050000",
              "sys/devices/virtual/iommu/smmu3.0x0000000009050000");
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    ck_assert_uint_eq(g_hash_table_size(host->units), 2);
    ck_assert_int_eq(host_unit(host, "dmar0")->unit.identity, TRISTATE_NO);
    ck_assert_str_eq(host_unit(host, "smmu3.0x0000000009050000")->family, "smmu-v3");
    ck_assert_ptr_null(host_unit(host, "dmar1"));
    ck_assert_ptr_null(host_unit(host, NULL));
    ck_assert(host_has_word(host, "amd_iommu", "force_isolation"));
    ck_assert(host_has_word(host, "intel_iommu", "on"));
    ck_assert(!host_has_word(host, "intel_iommu", "o"));
    ck_assert(!host_has_word(host, "iommu", "on"));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("host");

    tcase_add_loop_test(cases, disabled_by, 0, G_N_ELEMENTS(disabled));
    tcase_add_loop_test(cases, memory_bits, 0, G_N_ELEMENTS(memory));
    tcase_add_loop_test(cases, encrypts_memory, 0, G_N_ELEMENTS(encryption));
    tcase_add_test(cases, units_and_words);
    return unit_run("host", cases);
}
