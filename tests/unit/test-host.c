/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"
#include "tree.h"
#include "unit.h"

#define DMA DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA)
#define DMA_FQ DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ)
#define IDENTITY DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY)
#define NONE _DOMAIN_TYPE_INVALID

static const struct {
    const char *words, *config; /* the line of the kernel's configuration, or NULL */
    DomainType boot_default;
    DomainTypeSet outcome;
} defaults[] = {
    { "quiet", NULL, NONE, DMA | DMA_FQ | IDENTITY },
    { "iommu=pt", NULL, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu.passthrough=1 iommu.strict=1", NULL, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu.passthrough=0 iommu.strict=1", NULL, DOMAIN_TYPE_DMA, DMA },
    { "iommu.passthrough=0 iommu.strict=0", NULL, DOMAIN_TYPE_DMA_FQ, DMA | DMA_FQ },
    { "iommu=pt iommu.passthrough=0", NULL, NONE, DMA | DMA_FQ },
    { "iommu.passthrough=on", NULL, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu.passthrough=", NULL, NONE, DMA | DMA_FQ | IDENTITY },
    { "quiet", "CONFIG_IOMMU_DEFAULT_DMA_LAZY=y", DOMAIN_TYPE_DMA_FQ, DMA | DMA_FQ },
    { "quiet", "CONFIG_IOMMU_DEFAULT_DMA_STRICT=y", DOMAIN_TYPE_DMA, DMA },
    { "quiet", "CONFIG_IOMMU_DEFAULT_PASSTHROUGH=y", DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu.strict=1", "CONFIG_IOMMU_DEFAULT_DMA_LAZY=y", DOMAIN_TYPE_DMA, DMA },
    { "iommu=pt", "CONFIG_IOMMU_DEFAULT_DMA_STRICT=y", DOMAIN_TYPE_IDENTITY, IDENTITY },
};

START_TEST(default_type)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    tree_write(tree, "proc/cmdline", defaults[_i].words);
    if (defaults[_i].config) {
        g_autofree char *text = g_strdup_printf(
            "# CONFIG_IOMMU_DEFAULT_X is not set\nCONFIG_IOMMU_SUPPORT=y\n%s\n", defaults[_i].config);

        tree_write(tree, "proc/sys/kernel/osrelease", "6.12.1\n");
        tree_write(tree, "boot/config-6.12.1", text);
    }
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    ck_assert_int_eq(host->boot_default, defaults[_i].boot_default);
    ck_assert_uint_eq(host->auto_outcome, defaults[_i].outcome);
    ck_assert_ptr_null(host->disabled);
}
END_TEST

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

int main(void)
{
    TCase *cases = tcase_create("host");

    tcase_add_loop_test(cases, default_type, 0, G_N_ELEMENTS(defaults));
    tcase_add_loop_test(cases, disabled_by, 0, G_N_ELEMENTS(disabled));
    tcase_add_loop_test(cases, memory_bits, 0, G_N_ELEMENTS(memory));
    return unit_run("host", cases);
}
