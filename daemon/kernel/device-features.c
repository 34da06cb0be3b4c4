/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "device-features.h"
#include "device.h"
#include "group.h"
#include "sysfs.h"

/* Bits of VT-d's extended capability register (drivers/iommu/intel/iommu.h). */
#define ECAP_COHERENT (1ull << 0)
#define ECAP_DEVICE_TLB (1ull << 2)
#define ECAP_PASS_THROUGH (1ull << 6)
#define ECAP_SNOOP_CONTROL (1ull << 7)
#define ECAP_NESTED (1ull << 26)
#define ECAP_PAGE_REQUEST (1ull << 29)
#define ECAP_PASID (1ull << 40)
#define ECAP_SCALABLE_MODE (1ull << 43)
#define ECAP_DIRTY_TRACKING (1ull << 45)
#define ECAP_FIRST_LEVEL (1ull << 47)

/* As much of a capability as is looked at here; one that does not fit before the end is none. */
#define CAPABILITY_SIZE 12u

typedef struct Feature {
    bool has, enabled;
} Feature;

/* Config space of a device: 4096 bytes at most, 256 without PCI Express, 64 if we may not see the rest. */
typedef struct Config {
    uint8_t bytes[PCI_CFG_SPACE_EXP_SIZE];
    size_t size;
} Config;

static uint32_t config_u32(const Config *config, size_t offset)
{
    uint32_t value;

    memcpy(&value, config->bytes + offset, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static uint16_t config_u16(const Config *config, size_t offset)
{
    uint16_t value;

    memcpy(&value, config->bytes + offset, sizeof(value));
    return GUINT16_FROM_LE(value);
}

static int config_read(int dir_fd, const char *path, Config *ret)
{
    _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    ret->size = 0;
    if (fd < 0)
        return -errno;
    while (ret->size < sizeof(ret->bytes)) {
        ssize_t n = read(fd, ret->bytes + ret->size, sizeof(ret->bytes) - ret->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        ret->size += (size_t) n;
    }
    return 0;
}

/*
 * The offset of the extended capability ID, or 0. A device that has dropped off the bus reads all ones, and
 * broken ones link in circles: each capability takes at least 8 of the bytes from 0x100 on, which bounds the
 * walk.
 */
static size_t find_capability(const Config *config, uint16_t id)
{
    size_t offset = PCI_CFG_SPACE_SIZE;
    unsigned left = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8;

    while (left-- > 0 && offset >= PCI_CFG_SPACE_SIZE && offset + CAPABILITY_SIZE <= config->size) {
        uint32_t header = config_u32(config, offset);

        if (header == 0 || header == UINT32_MAX)
            return 0;
        if (PCI_EXT_CAP_ID(header) == id)
            return offset;
        offset = PCI_EXT_CAP_NEXT(header);
    }
    return 0;
}

/* The capability ID with the bit ENABLE of the 16-bit word at CONTROL. */
static Feature read_capability(const Config *config, uint16_t id, size_t control, uint16_t enable)
{
    size_t offset = find_capability(config, id);
    Feature feature = { .has = offset != 0 };

    feature.enabled = feature.has && (config_u16(config, offset + control) & enable) != 0;
    return feature;
}

typedef struct DeviceCapabilities {
    Feature ats, pri, pasid;
} DeviceCapabilities;

static int read_capabilities(int dir_fd, DeviceCapabilities *ret)
{
    DeviceCapabilities capabilities = {};
    Config config, physical;
    int r;

    r = config_read(dir_fd, "config", &config);
    if (r == -ENOENT) { /* not PCI */
        *ret = capabilities;
        return 0;
    }
    if (r < 0)
        return r;
    capabilities.ats = read_capability(&config, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);

    /* Virtual functions use the PRI and PASID of their physical function. */
    r = config_read(dir_fd, "physfn/config", &physical);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r >= 0)
        config = physical;
    capabilities.pri = read_capability(&config, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
    capabilities.pasid =
        read_capability(&config, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
    *ret = capabilities;
    return 0;
}

/* What the IOMMU in front of a device can do, as far as sysfs tells. Unknown reads as no. */
typedef struct UnitCapabilities {
    bool ats, pri, pasid, sva, dirty_tracking, nested, coherent, snoop_control, identity;
} UnitCapabilities;

static UnitCapabilities read_intel_unit(int dir_fd)
{
    UnitCapabilities unit = {};
    uint64_t ecap;
    bool scalable;

    if (sysfs_read_u64(dir_fd, "iommu/intel-iommu/ecap", 16, &ecap) < 0)
        return unit;
    scalable = (ecap & ECAP_SCALABLE_MODE) != 0;
    unit.ats = (ecap & ECAP_DEVICE_TLB) != 0;
    unit.pri = (ecap & ECAP_PAGE_REQUEST) != 0;
    unit.pasid = scalable && (ecap & ECAP_PASID) != 0;
    unit.sva = unit.pasid && unit.pri && unit.ats && (ecap & ECAP_FIRST_LEVEL) != 0;
    unit.dirty_tracking = scalable && (ecap & ECAP_DIRTY_TRACKING) != 0;
    unit.nested = scalable && (ecap & ECAP_NESTED) != 0;
    unit.coherent = (ecap & ECAP_COHERENT) != 0;
    unit.snoop_control = (ecap & ECAP_SNOOP_CONTROL) != 0;
    unit.identity = (ecap & ECAP_PASS_THROUGH) != 0;
    return unit;
}

/*
 * Families whose drivers always have an identity domain (drivers/iommu/{amd,arm,virtio-iommu.c}); their
 * registers are not in sysfs.
 */
static bool family_has_identity(const char *family)
{
    return g_str_equal(family, "amd") || g_str_equal(family, "smmu-v3") || g_str_equal(family, "smmu") ||
           g_str_equal(family, "virtio");
}

static UnitCapabilities read_unit(int dir_fd, const char *family)
{
    UnitCapabilities unit = {};

    if (g_str_equal(family, "intel"))
        return read_intel_unit(dir_fd);
    unit.identity = family_has_identity(family);
    return unit;
}

static void add(GVariantBuilder *builder, const char *name, bool has, bool enabled)
{
    g_variant_builder_add(builder, "{s(bb)}", name, has, enabled);
}

/* A capability that is in use proves that the IOMMU has it, whatever is known of the IOMMU. */
static void add_capability(GVariantBuilder *builder, const char *name, Feature feature, bool unit_has)
{
    add(builder, name, feature.enabled || (feature.has && unit_has), feature.enabled);
}

static GVariant *build(const DeviceCapabilities *device, const UnitCapabilities *unit, const char *family,
                       DomainType type)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{s(bb)}"));

    add_capability(&builder, "ats", device->ats, unit->ats);
    add_capability(&builder, "pri", device->pri, unit->pri);
    add_capability(&builder, "pasid", device->pasid, unit->pasid);
    /* Auxiliary domains left the kernel between 5.15 and 6.1; PASID took their place. */
    add(&builder, "aux", false, false);
    /* In use only as long as somebody holds a PASID or a nested page table, which nothing in sysfs shows. */
    add(&builder, "sva", device->ats.has && device->pri.has && device->pasid.has && unit->sva, false);
    add(&builder, "dirty-tracking", unit->dirty_tracking, false);
    add(&builder, "nested", unit->nested, false);
    add(&builder, "coherent", unit->coherent, unit->coherent);
    add(&builder, "snoop-control", unit->snoop_control, false);
    add(&builder, "identity", unit->identity || type == DOMAIN_TYPE_IDENTITY, type == DOMAIN_TYPE_IDENTITY);
    add(&builder, "dma-fq", iommu_family_has_dma_fq(family) || type == DOMAIN_TYPE_DMA_FQ,
        type == DOMAIN_TYPE_DMA_FQ);
    return g_variant_builder_end(&builder);
}

int features_read(int root_fd, const char *syspath, GVariant **ret)
{
    g_autoptr(Device) device = NULL;
    _cleanup_close_ int fd = -EBADF;
    DeviceCapabilities capabilities;
    UnitCapabilities unit = {};
    DomainType type = _DOMAIN_TYPE_INVALID;
    uint64_t inode;
    const char *family;
    int r;

    r = device_read(root_fd, syspath, NULL, &device);
    if (r < 0)
        return r;
    fd = sysfs_open_dir(root_fd, syspath);
    if (fd < 0)
        return fd == -ENOENT ? -ENODEV : fd;
    r = sysfs_inode(fd, ".", &inode);
    if (r < 0 || inode != device->inode)
        return -ENODEV;
    r = read_capabilities(fd, &capabilities);
    if (r < 0)
        return r;
    family = device->facts->iommu ?: "";
    unit = read_unit(fd, family);
    if (device->group >= 0)
        (void) group_read_type(root_fd, (unsigned) device->group, &type);
    if (faccessat(fd, "uevent", F_OK, 0) < 0)
        return -ENODEV;
    *ret = build(&capabilities, &unit, family, type);
    return 0;
}
