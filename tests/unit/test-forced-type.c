/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the kernel forces on a device, told from what is shown: nothing is tried, and no version is asked. */
#include <linux/pci_regs.h>
#include <string.h>

#include "forced-type.h"
#include "tree.h"
#include "unit.h"

#define DMA DOMAIN_TYPE_DMA
#define FQ DOMAIN_TYPE_DMA_FQ
#define ID DOMAIN_TYPE_IDENTITY
#define NONE _DOMAIN_TYPE_INVALID
#define BIT DOMAIN_TYPE_BIT

#define VTD "f00f4a"         /* QEMU's ECAP, with pass-through */
#define VTD_NO_PT "f00f0a"   /* pt=off */
#define ZEN "246577efa2254afa:0"
#define NO_PPR "246577efa2254af8:0"
#define NO_GT "246577efa2254aea:0"

#define NO_SME "flags\t\t: fpu vme\n"
#define SME "flags\t\t: fpu sme\n"
#define LAZY "CONFIG_IOMMU_DEFAULT_DMA_LAZY=y\n"

typedef struct Case {
    const char *name;
    const char *words;              /* NULL: "quiet" */
    const char *ecap, *efr;         /* of dmar0, or of ivhd0; the one that is not NULL serves the device */
    const char *cpuinfo;
    uint32_t class_code;
    Tristate untrusted, pasid;
    DomainType shown;
    bool written;                   /* somebody has written it */
    DomainType forced, maybe;
    DomainTypeSet outcome;          /* of `auto`; 0: not looked at */
} Case;

#define TRUSTED TRISTATE_NO, TRISTATE_UNKNOWN
#define UNTRUSTED TRISTATE_YES, TRISTATE_UNKNOWN
#define PASID TRISTATE_NO, TRISTATE_YES

static const Case cases[] = {
    { "nothing", NULL, VTD, NULL, NO_SME, 0x010802, TRUSTED, FQ, false, NONE, NONE, BIT(FQ) },
    { "no IOMMU", NULL, NULL, NULL, NO_SME, 0x010802, TRUSTED, NONE, false, NONE, NONE, BIT(DMA) | BIT(FQ) },
    { "untrusted", NULL, VTD, NULL, NO_SME, 0x010802, UNTRUSTED, DMA, false, DMA, NONE, BIT(DMA) },
    { "untrusted, and somebody has relaxed it",
      NULL, VTD, NULL, NO_SME, 0x010802, UNTRUSTED, FQ, true, DMA, NONE, BIT(DMA) },
    { "untrusted, pass-through is the default",
      "iommu=pt", VTD, NULL, NO_SME, 0x010802, UNTRUSTED, DMA, false, DMA, NONE, BIT(DMA) },

    { "no pass-through, 6.12: DMA though the default is lazy",
      NULL, VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, DMA, false, DMA, NONE, BIT(DMA) },
    { "no pass-through, 6.12: DMA though pass-through is the default",
      "iommu=pt", VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, DMA, false, DMA, NONE, BIT(DMA) },
    { "no pass-through, 6.1: the lazy default",
      NULL, VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, FQ, false, NONE, NONE, BIT(FQ) },
    { "no pass-through, 6.1: identity is emulated",
      NULL, VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, ID, true, NONE, NONE, BIT(FQ) },
    { "no pass-through, DMA is the default",
      "iommu.strict=1", VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, DMA, false, NONE, DMA, BIT(DMA) },
    { "no pass-through, somebody has written DMA",
      NULL, VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, DMA, true, NONE, DMA, BIT(DMA) | BIT(FQ) },
    { "no pass-through, somebody has written DMA-FQ",
      NULL, VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, FQ, true, NONE, DMA, BIT(DMA) | BIT(FQ) },
    { "no pass-through, not read yet",
      NULL, VTD_NO_PT, NULL, NO_SME, 0x010802, TRUSTED, NONE, false, NONE, DMA, 0 },

    { "PASID, 6.12: identity though the default is lazy",
      NULL, NULL, ZEN, SME, 0x030000, PASID, ID, false, ID, NONE, BIT(ID) },
    { "PASID, identity, somebody has written",
      NULL, NULL, ZEN, SME, 0x030000, PASID, ID, true, NONE, ID, BIT(ID) | BIT(FQ) },
    { "PASID, identity, somebody has written, memory is plain",
      NULL, NULL, ZEN, NO_SME, 0x030000, PASID, ID, true, ID, NONE, BIT(ID) },
    { "PASID, pass-through is the default, memory is plain",
      "iommu=pt", NULL, ZEN, NO_SME, 0x030000, PASID, ID, false, ID, NONE, BIT(ID) },
    { "PASID, pass-through is the default, memory may be encrypted",
      "iommu=pt", NULL, ZEN, SME, 0x030000, PASID, ID, false, NONE, ID, BIT(ID) },
    { "PASID, memory is encrypted",
      "mem_encrypt=on", NULL, ZEN, SME, 0x030000, PASID, ID, true, NONE, NONE, 0 },
    { "PASID, a translated type is shown",
      NULL, NULL, ZEN, NO_SME, 0x030000, PASID, FQ, false, NONE, NONE, BIT(FQ) },
    { "PASID, but the IOMMU takes no page requests",
      NULL, NULL, NO_PPR, NO_SME, 0x030000, PASID, ID, true, NONE, NONE, BIT(FQ) },
    { "PASID, but the IOMMU has no guest translation",
      NULL, NULL, NO_GT, NO_SME, 0x030000, PASID, ID, true, NONE, NONE, BIT(FQ) },
    { "PASID, isolated by the command line",
      "amd_iommu=force_isolation", NULL, ZEN, NO_SME, 0x030000, PASID, ID, true, NONE, NONE, BIT(FQ) },
    { "no PASID",
      NULL, NULL, ZEN, NO_SME, 0x030000, TRISTATE_NO, TRISTATE_NO, ID, false, NONE, NONE, BIT(FQ) },
    { "PASID was not asked for",
      NULL, NULL, ZEN, NO_SME, 0x030000, TRUSTED, ID, false, NONE, NONE, BIT(FQ) },
    { "PASID behind VT-d", NULL, VTD, NULL, NO_SME, 0x010802, PASID, ID, false, NONE, NONE, BIT(FQ) },

    { "graphics that got identity by themselves",
      NULL, VTD, NULL, NO_SME, 0x030000, TRUSTED, ID, false, NONE, ID, BIT(ID) | BIT(FQ) },
    { "sound that did", NULL, VTD, NULL, NO_SME, 0x040300, TRUSTED, ID, false, NONE, ID, BIT(ID) | BIT(FQ) },
    { "graphics, somebody has written",
      NULL, VTD, NULL, NO_SME, 0x030000, TRUSTED, ID, true, NONE, NONE, BIT(FQ) },
    { "graphics where identity is the default",
      "iommu=pt", VTD, NULL, NO_SME, 0x030000, TRUSTED, ID, false, NONE, NONE, BIT(ID) },
    { "a drive that got identity by itself",
      NULL, VTD, NULL, NO_SME, 0x010802, TRUSTED, ID, false, NONE, NONE, BIT(FQ) },
};

static Host *read_host(Tree *tree, const Case *c)
{
    const char *name = c->ecap ? "dmar0" : "ivhd0";
    g_autofree char *folder = g_strdup_printf("sys/devices/virtual/iommu/%s", name);
    g_autofree char *link = g_strdup_printf("sys/class/iommu/%s", name);
    Host *host;

    tree_write(tree, "proc/cmdline", c->words ?: "quiet");
    tree_write(tree, "proc/cpuinfo", c->cpuinfo);
    tree_write(tree, "proc/sys/kernel/osrelease", "6.12.1\n");
    tree_write(tree, "boot/config-6.12.1", LAZY);
    if (c->ecap) {
        tree_write(tree, "sys/devices/virtual/iommu/dmar0/intel-iommu/cap", "d2008c22260206\n");
        tree_write(tree, "sys/devices/virtual/iommu/dmar0/intel-iommu/ecap", c->ecap);
    }
    if (c->efr) {
        tree_write(tree, "sys/devices/virtual/iommu/ivhd0/amd-iommu/cap", "1b03000f\n");
        tree_write(tree, "sys/devices/virtual/iommu/ivhd0/amd-iommu/features", c->efr);
    }
    if (c->ecap || c->efr)
        tree_link(tree, link, folder);
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    return host;
}

static Device *make_device(const Case *c)
{
    Device *device = g_new0(Device, 1);

    device->facts = device_facts_new("pci", "0000:00:04.0", "pci0000:00/0000:00:04.0");
    device->facts->class_code = c->class_code;
    device->facts->untrusted = c->untrusted;
    device->pasid = c->pasid;
    if (c->ecap || c->efr) {
        device->iommu = g_strdup(c->ecap ? "dmar0" : "ivhd0");
        device->facts->iommu = g_strdup(c->ecap ? "intel" : "amd");
    }
    return device;
}

START_TEST(forced)
{
    const Case *c = &cases[_i];
    const ShownType shown = { .type = c->shown, .as_found = !c->written };
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = read_host(tree, c);
    g_autoptr(Device) device = make_device(c);
    DecisionMember member;

    forced_type_member(host, device, &shown, &member);
    ck_assert_ptr_eq(member.facts, device->facts);
    ck_assert_msg(member.kernel_type == c->forced, "%s: forced %d", c->name, member.kernel_type);
    ck_assert_msg((member.kernel_type >= 0) == (member.kernel_reason != NULL), "%s", c->name);
    ck_assert_msg((member.maybe_reason ? member.maybe_type : NONE) == c->maybe, "%s: maybe %s", c->name,
                  member.maybe_reason);
    if (c->outcome)
        ck_assert_msg(forced_type_outcome(host, &member, 1) == c->outcome, "%s: outcome %x", c->name,
                      forced_type_outcome(host, &member, 1));
}
END_TEST

/* Whoever is forced decides for the group. */
START_TEST(outcome_of_a_group)
{
    const Case plain = cases[0], untrusted = cases[2];
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = read_host(tree, &plain);
    g_autoptr(Device) a = make_device(&plain), b = make_device(&untrusted);
    const ShownType shown = { .type = DMA };
    DecisionMember members[2];

    forced_type_member(host, a, &shown, &members[0]);
    forced_type_member(host, b, &shown, &members[1]);
    ck_assert_uint_eq(forced_type_outcome(host, members, 2), BIT(DMA));
    ck_assert_uint_eq(forced_type_outcome(host, members, 1), BIT(FQ));
    ck_assert_uint_eq(forced_type_outcome(host, NULL, 0), BIT(FQ));
}
END_TEST

START_TEST(who_is_asked_for_pasid)
{
    ck_assert(forced_type_asks_pasid("amd", ID));
    ck_assert(!forced_type_asks_pasid("amd", DMA));
    ck_assert(!forced_type_asks_pasid("amd", FQ));
    ck_assert(!forced_type_asks_pasid("intel", ID));
    ck_assert(!forced_type_asks_pasid(NULL, ID));
}
END_TEST

static void write_config(Tree *tree, const char *path, size_t size, uint8_t capability)
{
    uint8_t bytes[PCI_CFG_SPACE_EXP_SIZE] = { 0 };

    bytes[PCI_CFG_SPACE_SIZE] = capability;
    bytes[PCI_CFG_SPACE_SIZE + 2] = 1; /* version 1, the last one */
    tree_write_bytes(tree, path, bytes, size);
}

START_TEST(reads_pasid)
{
    g_autoptr(Tree) tree = tree_new();

    write_config(tree, "sys/devices/a/config", PCI_CFG_SPACE_EXP_SIZE, PCI_EXT_CAP_ID_PASID);
    write_config(tree, "sys/devices/b/config", PCI_CFG_SPACE_EXP_SIZE, PCI_EXT_CAP_ID_ATS);
    write_config(tree, "sys/devices/c/config", PCI_CFG_SPACE_SIZE, 0);
    write_config(tree, "sys/devices/d/config", 64, 0);
    write_config(tree, "sys/devices/e/config", PCI_CFG_SPACE_EXP_SIZE, PCI_EXT_CAP_ID_ATS);
    tree_link(tree, "sys/devices/e/physfn", "sys/devices/a");
    tree_mkdir(tree, "sys/devices/f");
    ck_assert_int_eq(forced_type_read_pasid(tree->fd, "sys/devices/a"), TRISTATE_YES);
    ck_assert_int_eq(forced_type_read_pasid(tree->fd, "sys/devices/b"), TRISTATE_NO);
    ck_assert_int_eq(forced_type_read_pasid(tree->fd, "sys/devices/c"), TRISTATE_NO);
    ck_assert_int_eq(forced_type_read_pasid(tree->fd, "sys/devices/d"), TRISTATE_UNKNOWN);
    ck_assert_int_eq(forced_type_read_pasid(tree->fd, "sys/devices/e"), TRISTATE_YES);
    ck_assert_int_eq(forced_type_read_pasid(tree->fd, "sys/devices/f"), TRISTATE_NO);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("forced-type");

    tcase_add_loop_test(tests, forced, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tests, outcome_of_a_group);
    tcase_add_test(tests, who_is_asked_for_pasid);
    tcase_add_test(tests, reads_pasid);
    return unit_run("forced-type", tests);
}
