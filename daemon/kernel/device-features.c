/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "cleanup.h"
#include "device-features.h"
#include "device.h"
#include "group.h"
#include "iommu-unit.h"
#include "pci-config.h"
#include "sysfs.h"

typedef struct DeviceCapabilities {
    Feature ats, pri, pasid;
} DeviceCapabilities;

static int read_capabilities(int dir_fd, DeviceCapabilities *ret)
{
    PciConfig config, physical;
    int r;

    r = pci_config_read(dir_fd, "config", &config);
    if (r == -ENOENT) { /* not PCI */
        *ret = (DeviceCapabilities) {};
        return 0;
    }
    if (r < 0)
        return r;
    /* Virtual functions use the PRI and PASID of their physical function (drivers/pci/ats.c). */
    r = pci_config_read(dir_fd, "physfn/config", &physical);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret = (DeviceCapabilities) {
        .ats = pci_config_ats(&config),
        .pri = pci_config_pri(r >= 0 ? &physical : &config),
        .pasid = pci_config_pasid(r >= 0 ? &physical : &config),
    };
    return 0;
}

/* Which member of IommuUnit a feature is asked of; the others are told whatever the IOMMU is. */
static const struct {
    const char *name;
    size_t offset;
} unit_features[] = {
    { "ats", offsetof(IommuUnit, ats) },
    { "pri", offsetof(IommuUnit, pri) },
    { "pasid", offsetof(IommuUnit, pasid) },
    { "sva", offsetof(IommuUnit, sva) },
    { "dirty-tracking", offsetof(IommuUnit, dirty_tracking) },
    { "nested", offsetof(IommuUnit, nested) },
    { "coherent", offsetof(IommuUnit, coherent) },
    { "snoop-control", offsetof(IommuUnit, snoop_control) },
    { "identity", offsetof(IommuUnit, identity) },
};

bool feature_is_told(const char *family, const char *feature)
{
    IommuUnit unit;

    /* They have registers in sysfs. */
    if (g_str_equal(family, "intel") || g_str_equal(family, "amd"))
        return true;
    iommu_unit_of_family(family, &unit);
    for (size_t i = 0; i < G_N_ELEMENTS(unit_features); i++)
        if (g_str_equal(unit_features[i].name, feature))
            return *(const Tristate *) ((const char *) &unit + unit_features[i].offset) != TRISTATE_UNKNOWN;
    return true;
}

static void add(GVariantBuilder *builder, const char *name, bool has, bool enabled)
{
    g_variant_builder_add(builder, "{s(bb)}", name, has, enabled);
}

/* A capability that is in use proves that the IOMMU has it, whatever is known of the IOMMU. */
static void add_capability(GVariantBuilder *builder, const char *name, Feature feature, Tristate unit_has)
{
    add(builder, name, feature.enabled || (feature.has && unit_has == TRISTATE_YES), feature.enabled);
}

static GVariant *build(const DeviceCapabilities *device, const IommuUnit *unit, const char *family,
                       DomainType type)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{s(bb)}"));
    bool coherent = unit->coherent == TRISTATE_YES, identity = type == DOMAIN_TYPE_IDENTITY;
    bool lazy = type == DOMAIN_TYPE_DMA_FQ, translated = lazy || type == DOMAIN_TYPE_DMA;

    add_capability(&builder, "ats", device->ats, unit->ats);
    add_capability(&builder, "pri", device->pri, unit->pri);
    add_capability(&builder, "pasid", device->pasid, unit->pasid);
    /* Auxiliary domains were an interface of 5.0 to 5.18 inside the kernel; PASID took their place. */
    add(&builder, "aux", false, false);
    /* Whether somebody has bound a process, tracks writes or nests tables, nothing in sysfs shows. */
    add(&builder, "sva",
        device->ats.has && device->pri.has && device->pasid.has && unit->sva == TRISTATE_YES, false);
    add(&builder, "dirty-tracking", unit->dirty_tracking == TRISTATE_YES, false);
    add(&builder, "nested", unit->nested == TRISTATE_YES, false);
    add(&builder, "coherent", coherent, coherent);
    add(&builder, "snoop-control", unit->snoop_control == TRISTATE_YES, unit->always_snoops && translated);
    add(&builder, "identity", identity || unit->identity == TRISTATE_YES, identity);
    add(&builder, "dma-fq", lazy || iommu_family_has_dma_fq(family), lazy);
    return g_variant_builder_end(&builder);
}

/* The unit in front of the device whose folder is FD. VT-d turns PASID on in scalable mode alone
 * (drivers/iommu/intel/iommu.c, intel_iommu_probe_device()), so that proves it. */
static void read_unit(int root_fd, int fd, const char *family, const DeviceCapabilities *device,
                      IommuUnit *ret)
{
    _cleanup_close_ int unit_fd = *family ? sysfs_open_dir(fd, "iommu") : -EBADF;
    Tristate scalable = TRISTATE_UNKNOWN;

    if (unit_fd < 0) {
        iommu_unit_of_family(family, ret);
        return;
    }
    if (g_str_equal(family, "intel"))
        scalable = device->pasid.enabled ? TRISTATE_YES : iommu_kernel_scalable(root_fd);
    iommu_unit_read(unit_fd, family, scalable, ret);
}

int features_read(int root_fd, const char *syspath, GVariant **ret)
{
    g_autoptr(Device) device = NULL;
    _cleanup_close_ int fd = -EBADF;
    DeviceCapabilities capabilities;
    DomainType type = _DOMAIN_TYPE_INVALID;
    const char *family;
    IommuUnit unit;
    int r;

    r = device_read(root_fd, syspath, NULL, &device);
    if (r < 0)
        return r;
    fd = device_open(root_fd, syspath, device->inode);
    if (fd < 0)
        return fd;
    r = read_capabilities(fd, &capabilities);
    if (r < 0)
        return r;
    family = device->facts->iommu ?: "";
    read_unit(root_fd, fd, family, &capabilities, &unit);
    if (device->group >= 0)
        (void) group_read_type(root_fd, (unsigned) device->group, &type);
    if (faccessat(fd, "uevent", F_OK, 0) < 0)
        return -ENODEV;
    *ret = build(&capabilities, &unit, family, type);
    return 0;
}
