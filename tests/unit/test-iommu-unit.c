/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "cleanup.h"
#include "iommu-unit.h"
#include "sysfs.h"
#include "tree.h"
#include "unit.h"

/* "ats -pri ?pasid": yes, no, not known, in the order of the structure. */
static char *describe(const IommuUnit *unit)
{
    const struct {
        const char *name;
        Tristate value;
    } members[] = {
        { "ats", unit->ats },
        { "pri", unit->pri },
        { "pasid", unit->pasid },
        { "sva", unit->sva },
        { "dirty", unit->dirty_tracking },
        { "nested", unit->nested },
        { "snoop", unit->snoop_control },
        { "coherent", unit->coherent },
        { "identity", unit->identity },
        { "caching", unit->caching },
    };
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        if (members[i].value != TRISTATE_NO)
            g_string_append_printf(text, "%s%s%s", text->len > 0 ? " " : "",
                                   members[i].value == TRISTATE_UNKNOWN ? "?" : "", members[i].name);
    return g_string_free(text, FALSE);
}

#define ALL_UNKNOWN "?ats ?pri ?pasid ?sva ?dirty ?nested ?snoop ?coherent ?identity ?caching"

static const struct {
    const char *cap, *ecap;
    Tristate scalable;
    const char *is;
} intel[] = {
    /* QEMU 7.2: plain, pt=off, device-iotlb=on, caching-mode=on, aw-bits=48, x-scalable-mode=on. */
    {"d2008c22260206", "f00f4a", TRISTATE_YES, "identity"},
    {"d2008c22260206", "f00f0a", TRISTATE_YES, ""},
    {"d2008c22260206", "f00f4e", TRISTATE_YES, "ats identity"},
    {"d2008c22260286", "f00f4a", TRISTATE_YES, "identity caching"},
    {"d2008c222f0606", "f00f4a", TRISTATE_YES, "identity"},
    {"d2008c22260206", "480080f00f4a", TRISTATE_YES, "identity"},
    {"0", "1", TRISTATE_YES, "coherent"},
    {"0", "80", TRISTATE_YES, "snoop"},
    /* Legacy mode's coherence, and that of scalable mode. */
    {"0", "80000000001", TRISTATE_YES, ""},
    {"0", "80000000001", TRISTATE_NO, "coherent"},
    {"0", "80000000001", TRISTATE_UNKNOWN, "?coherent"},
    {"0", "1080000000001", TRISTATE_UNKNOWN, "coherent"},
    {"0", "1080000000000", TRISTATE_YES, "coherent"},
    {"0", "1080000000000", TRISTATE_NO, ""},
    {"0", "1000000000000", TRISTATE_YES, ""},
    /* PASID, page requests, nesting and dirty bits mean nothing without scalable mode. */
    {"0", "0000f70024000004", TRISTATE_YES, "ats"},
    {"0", "0001ff0024000004", TRISTATE_YES, "ats pri pasid sva dirty nested coherent"},
    {"0", "00017f0024000004", TRISTATE_YES, "ats pri pasid dirty nested coherent"},
    {"0", "0001ff0024000000", TRISTATE_YES, "pri pasid dirty nested coherent"},
    {"0", "0000200000000000", TRISTATE_YES, ""},
    {"0", "0000280000000000", TRISTATE_YES, ""}, /* dirty bits nobody could read without a flush */
    {"80", NULL, TRISTATE_YES, "?ats ?pri ?pasid ?sva ?dirty ?nested ?snoop ?coherent ?identity caching"},
    {"80", "f00f4a f", TRISTATE_YES,
     "?ats ?pri ?pasid ?sva ?dirty ?nested ?snoop ?coherent ?identity caching"},
    {NULL, NULL, TRISTATE_YES, ALL_UNKNOWN},
    {"-1", "0xf", TRISTATE_YES, ALL_UNKNOWN},
    {"10000000000000000", "", TRISTATE_YES, ALL_UNKNOWN},
};

START_TEST(vt_d)
{
    g_autofree char *is = NULL;
    IommuUnit unit;

    iommu_unit_parse_intel(intel[_i].cap, intel[_i].ecap, intel[_i].scalable, &unit);
    is = describe(&unit);
    ck_assert_str_eq(is, intel[_i].is);
    ck_assert(!unit.always_snoops);
}
END_TEST

static const struct {
    const char *text;
    int error;
    uint64_t efr, efr2;
    bool has_efr2;
} words[] = {
    { "29d3", 0, 0x29d3, 0, false },
    { "29d3:0", 0, 0x29d3, 0, true }, /* QEMU 7.2 on Linux 6.12 */
    { "0:29d3", 0, 0x29d3, 0, true }, /* and on 6.1 */
    { "0:0", 0, 0, 0, true },
    { "25bf732fa2295afe:1d", 0, 0x25bf732fa2295afe, 0x1d, true },
    { "1d:25bf732fa2295afe", 0, 0x25bf732fa2295afe, 0x1d, true },
    { "58f77ef22294a5a:0", 0, 0x58f77ef22294a5a, 0, true },
    { "201d:1000201d", 0, 0x1000201d, 0x201d, true },
    { "4001d:25bf732fa2295afe", 0, 0x25bf732fa2295afe, 0x4001d, true },
    { "29d3:1d", -ENOTUNIQ, 0, 0, false },
    { "1d:1d", -ENOTUNIQ, 0, 0, false },
    { "4001d:a2295afe", -ENOTUNIQ, 0, 0, false },
    { "100000000:25bf732fa2295afe", -ENOTUNIQ, 0, 0, false },
    { "", -EBADMSG, 0, 0, false },
    { ":", -EBADMSG, 0, 0, false },
    { "1:", -EBADMSG, 0, 0, false },
    { ":1", -EBADMSG, 0, 0, false },
    { "1:2:3", -EBADMSG, 0, 0, false },
    { "0x29d3", -EBADMSG, 0, 0, false },
    { " 29d3", -EBADMSG, 0, 0, false },
    { "29d3\n", -EBADMSG, 0, 0, false },
    { "-1", -EBADMSG, 0, 0, false },
    { "10000000000000000", -EBADMSG, 0, 0, false },
};

START_TEST(amd_feature_words)
{
    AmdFeatures features = {};

    ck_assert_int_eq(iommu_unit_parse_amd_features(words[_i].text, &features), words[_i].error);
    ck_assert_uint_eq(features.efr, words[_i].efr);
    ck_assert_uint_eq(features.efr2, words[_i].efr2);
    ck_assert_int_eq(features.has_efr2, words[_i].has_efr2);
}
END_TEST

static const struct {
    const char *cap, *features, *is;
} amd[] = {
    /* QEMU 7.2 has page requests, guest translation and a device IOTLB. */
    { "1f03000f", "0:29d3", "ats pri pasid sva snoop coherent identity caching" },
    { "1f03000f", "29d3:0", "ats pri pasid sva snoop coherent identity caching" },
    { "1a03000f", "29d3:0", "pri pasid snoop coherent identity" },
    { "190b640f", "25bf732fa2295afe:1d", "ats pri pasid sva dirty nested snoop coherent identity" },
    { "190b640f", "25bf732fa2295afe:15", "ats pri pasid sva dirty snoop coherent identity" },
    { "190b640f", "25bf732fa2295afe", "ats pri pasid sva dirty ?nested snoop coherent identity" },
    { "190b640f", "58f77ef22294a5a:0", "ats pri pasid sva snoop coherent identity" },
    { "190b640f", "0:0", "ats snoop coherent identity" },
    { "190b640f", "29d3:1d", "ats ?pri ?pasid ?sva ?dirty ?nested snoop coherent identity" },
    { "180b640f", "?", "?pri ?pasid ?sva ?dirty ?nested snoop coherent identity" },
    { NULL, NULL, "?ats ?pri ?pasid ?sva ?dirty ?nested snoop coherent identity ?caching" },
    { "190b640f", NULL, "ats ?pri ?pasid ?sva ?dirty ?nested snoop coherent identity" },
    { NULL, "2:0", "?ats pri snoop coherent identity ?caching" },
};

START_TEST(amd_vi)
{
    g_autofree char *is = NULL;
    IommuUnit unit;

    iommu_unit_parse_amd(amd[_i].cap, amd[_i].features, &unit);
    is = describe(&unit);
    ck_assert_str_eq(is, amd[_i].is);
    ck_assert(unit.always_snoops);
}
END_TEST

static const struct {
    const char *family, *is;
} families[] = {
    { "", "" },
    { "virtio", "coherent identity ?caching" },
    { "smmu", "?coherent identity" },
    { "smmu-v3", "?ats ?pri ?pasid ?sva ?dirty ?nested ?snoop ?coherent identity ?caching" },
    { "ppc64", "coherent" },
    { "s390", ALL_UNKNOWN },
    { "of a vendor", ALL_UNKNOWN },
};

START_TEST(of_a_family)
{
    g_autofree char *is = NULL;
    IommuUnit unit;

    iommu_unit_of_family(families[_i].family, &unit);
    is = describe(&unit);
    ck_assert_str_eq(is, families[_i].is);
}
END_TEST

#define SMMU "sys/devices/platform/9050000.smmuv3/iommu/smmu3.0x0000000009050000"
#define DEVICE_TREE "sys/firmware/devicetree/base/"

static const struct {
    const char *file;
    Tristate coherent;
} trees[] = {
    { DEVICE_TREE "soc/smmuv3@9050000/dma-coherent", TRISTATE_YES },
    { DEVICE_TREE "soc/dma-coherent", TRISTATE_YES },
    { DEVICE_TREE "soc/smmuv3@9050000/dma-noncoherent", TRISTATE_NO },
    { DEVICE_TREE "soc/smmuv3@9050000/reg", TRISTATE_NO },
};

START_TEST(smmu_in_a_device_tree)
{
    g_autoptr(Tree) tree = tree_new();
    _cleanup_close_ int fd = -EBADF;
    IommuUnit unit;

    tree_write(tree, DEVICE_TREE "name", "");
    tree_write(tree, DEVICE_TREE "soc/name", "soc");
    tree_write(tree, DEVICE_TREE "soc/smmuv3@9050000/name", "smmuv3");
    tree_mkdir(tree, SMMU);
    tree_link(tree, SMMU "/device", "sys/devices/platform/9050000.smmuv3");
    tree_link(tree, "sys/devices/platform/9050000.smmuv3/of_node", DEVICE_TREE "soc/smmuv3@9050000");
    tree_write(tree, trees[_i].file, "");
    fd = sysfs_open_dir(tree->fd, SMMU);
    ck_assert_int_ge(fd, 0);
    iommu_unit_read(fd, "smmu-v3", TRISTATE_UNKNOWN, &unit);
    ck_assert_int_eq(unit.coherent, trees[_i].coherent);
    iommu_unit_read(fd, "smmu", TRISTATE_UNKNOWN, &unit);
    ck_assert_int_eq(unit.coherent, trees[_i].coherent);
    /* ACPI: there is no such node, and nothing is known. */
    tree_remove(tree, "sys/devices/platform/9050000.smmuv3/of_node");
    iommu_unit_read(fd, "smmu-v3", TRISTATE_UNKNOWN, &unit);
    ck_assert_int_eq(unit.coherent, TRISTATE_UNKNOWN);
    ck_assert_int_eq(unit.identity, TRISTATE_YES);
}
END_TEST

START_TEST(registers_from_files)
{
    g_autoptr(Tree) tree = tree_new();
    _cleanup_close_ int intel_fd = -EBADF, amd_fd = -EBADF;
    IommuUnit unit;

    tree_write(tree, "sys/devices/virtual/iommu/dmar0/intel-iommu/cap", "d2008c22260286\n");
    tree_write(tree, "sys/devices/virtual/iommu/dmar0/intel-iommu/ecap", "f00f4e\n");
    tree_write(tree, "sys/devices/virtual/iommu/ivhd0/amd-iommu/cap", "1f03000f\n");
    tree_write(tree, "sys/devices/virtual/iommu/ivhd0/amd-iommu/features", "0:29d3\n");
    intel_fd = sysfs_open_dir(tree->fd, "sys/devices/virtual/iommu/dmar0");
    amd_fd = sysfs_open_dir(tree->fd, "sys/devices/virtual/iommu/ivhd0");
    iommu_unit_read(intel_fd, "intel", TRISTATE_UNKNOWN, &unit);
    ck_assert_int_eq(unit.ats, TRISTATE_YES);
    ck_assert_int_eq(unit.caching, TRISTATE_YES);
    ck_assert_int_eq(unit.identity, TRISTATE_YES);
    iommu_unit_read(amd_fd, "amd", TRISTATE_UNKNOWN, &unit);
    ck_assert_int_eq(unit.pri, TRISTATE_YES);
    ck_assert_int_eq(unit.caching, TRISTATE_YES);
}
END_TEST

static const struct {
    const char *command_line, *config;
    Tristate scalable;
} kernels[] = {
    {"quiet intel_iommu=on,sm_on\n", NULL, TRISTATE_YES},
    {"intel_iommu=sm_on,on ro\n", "# CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON is not set\n",
     TRISTATE_YES},
    {"intel_iommu=on,sm_off\n", "CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y\n", TRISTATE_NO},
    {"intel_iommu=sm_on intel_iommu=sm_off\n", NULL, TRISTATE_NO},
    {"amd_iommu=sm_on xintel_iommu=sm_on\n", NULL, TRISTATE_UNKNOWN},
    {"intel_iommu=on\n", NULL, TRISTATE_UNKNOWN},
    {"intel_iommu=on\n", "CONFIG_A=y\nCONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y\n", TRISTATE_YES},
    {"intel_iommu=on\n", "CONFIG_A=y\n", TRISTATE_NO},
    {NULL, "CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y\n", TRISTATE_UNKNOWN},
};

START_TEST(scalable_mode)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, "proc/sys/kernel/osrelease", "6.12.0-test\n");
    if (kernels[_i].command_line)
        tree_write(tree, "proc/cmdline", kernels[_i].command_line);
    if (kernels[_i].config)
        tree_write(tree, "boot/config-6.12.0-test", kernels[_i].config);
    ck_assert_int_eq(iommu_kernel_scalable(tree->fd), kernels[_i].scalable);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("iommu-unit");

    tcase_add_loop_test(cases, vt_d, 0, G_N_ELEMENTS(intel));
    tcase_add_loop_test(cases, amd_feature_words, 0, G_N_ELEMENTS(words));
    tcase_add_loop_test(cases, amd_vi, 0, G_N_ELEMENTS(amd));
    tcase_add_loop_test(cases, of_a_family, 0, G_N_ELEMENTS(families));
    tcase_add_loop_test(cases, smmu_in_a_device_tree, 0, G_N_ELEMENTS(trees));
    tcase_add_test(cases, registers_from_files);
    tcase_add_loop_test(cases, scalable_mode, 0, G_N_ELEMENTS(kernels));
    return unit_run("iommu-unit", cases);
}
