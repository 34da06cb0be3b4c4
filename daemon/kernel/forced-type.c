/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forced-type.h"

#include <errno.h>

#include "default-type.h"
#include "pci-config.h"

/* What is known of one device when it is asked whether a type is forced on it. */
typedef struct Sight {
    const Host *host;
    const Device *device;
    const HostUnit *unit; /* NULL: not known */
    const ShownType *shown;
} Sight;

typedef enum Forced {
    FORCED_NOT,
    FORCED_PERHAPS, /* nothing that is shown tells */
    FORCED_SURELY,
} Forced;

static bool is_behind(const Sight *sight, const char *family)
{
    return g_strcmp0(sight->device->facts->iommu, family) == 0;
}

/* The kernel gave TYPE by itself, where it gives another. */
static bool differs_from_default(const Sight *sight, DomainType type)
{
    return sight->shown->as_found && sight->shown->type == type &&
        !(default_type_outcome(sight->host, sight->device->facts->iommu) & DOMAIN_TYPE_BIT(type));
}

static Forced by_distrust(const Sight *sight)
{
    return sight->device->facts->untrusted == TRISTATE_YES ? FORCED_SURELY : FORCED_NOT;
}

/*
 * VT-d without pass-through (ECAP.PT): 6.12 and later force DMA, 6.1 makes identity of page tables. A group
 * that shows identity has been given it. DMA as the kernel made it, where the default is another, is what
 * forcing looks like.
 */
static Forced by_missing_pass_through(const Sight *sight)
{
    if (!is_behind(sight, "intel") || !sight->unit || sight->unit->unit.identity != TRISTATE_NO ||
        sight->shown->type == DOMAIN_TYPE_IDENTITY)
        return FORCED_NOT;
    if (sight->shown->type == DOMAIN_TYPE_DMA_FQ && sight->shown->as_found)
        return FORCED_NOT; /* made so by the kernel */
    return differs_from_default(sight, DOMAIN_TYPE_DMA) ? FORCED_SURELY : FORCED_PERHAPS;
}

/*
 * AMD-Vi: what could use PASID is kept in identity, if the IOMMU has what that takes, and unless memory is
 * encrypted, which such a device might not reach otherwise. force_isolation on the kernel command line ends
 * it.
 */
static Forced by_pasid(const Sight *sight)
{
    if (!is_behind(sight, "amd") || sight->device->pasid != TRISTATE_YES ||
        sight->shown->type != DOMAIN_TYPE_IDENTITY || sight->host->encrypts_memory == TRISTATE_YES)
        return FORCED_NOT;
    if (sight->unit && (sight->unit->unit.pasid == TRISTATE_NO || sight->unit->unit.pri == TRISTATE_NO))
        return FORCED_NOT;
    if (host_has_word(sight->host, "amd_iommu", "force_isolation") &&
        sight->host->boot_default != DOMAIN_TYPE_IDENTITY)
        return FORCED_NOT;
    if (differs_from_default(sight, DOMAIN_TYPE_IDENTITY))
        return FORCED_SURELY;
    return sight->host->encrypts_memory == TRISTATE_NO && sight->unit &&
            sight->unit->unit.pasid == TRISTATE_YES && sight->unit->unit.pri == TRISTATE_YES
        ? FORCED_SURELY
        : FORCED_PERHAPS;
}

/* VT-d's quirks for some integrated graphics and sound devices: a list in the driver that nothing shows. */
static Forced by_graphics_quirk(const Sight *sight)
{
    uint32_t class = sight->device->facts->class_code;

    if (!is_behind(sight, "intel") || class == FACT_NO_ID || (class >> 16 != 0x03 && class >> 8 != 0x0403))
        return FORCED_NOT;
    return differs_from_default(sight, DOMAIN_TYPE_IDENTITY) ? FORCED_PERHAPS : FORCED_NOT;
}

static const struct {
    DomainType type;
    Forced (*judge)(const Sight *sight);
    const char *reason;
} causes[] = {
    /* drivers/iommu/iommu.c, iommu_get_default_domain_type(); 5.15: iommu_get_def_domain_type() */
    { DOMAIN_TYPE_DMA, by_distrust, "the device is removable, or behind an external port" },
    /* drivers/iommu/intel/iommu.c, device_def_domain_type(); seen on 6.1 and 6.12 with pt=off */
    { DOMAIN_TYPE_DMA, by_missing_pass_through, "its IOMMU lacks pass-through (VT-d, ECAP.PT)" },
    /* drivers/iommu/amd/iommu.c, amd_iommu_def_domain_type() */
    { DOMAIN_TYPE_IDENTITY, by_pasid, "AMD's IOMMU driver keeps devices with PASID in identity" },
    /* drivers/iommu/intel/iommu.c, device_def_domain_type() and its quirks */
    { DOMAIN_TYPE_IDENTITY, by_graphics_quirk,
      "it got identity by itself, and VT-d's driver keeps some graphics and sound devices there" },
};

void forced_type_member(const Host *host, const Device *device, const ShownType *shown, DecisionMember *ret)
{
    const Sight sight = { host, device, host_unit(host, device->iommu), shown };

    *ret = (DecisionMember) {
        .facts = device->facts,
        .kernel_type = _DOMAIN_TYPE_INVALID,
        .unbinds = device_unbinds(device),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(causes); i++) {
        Forced forced = causes[i].judge(&sight);

        if (forced == FORCED_SURELY) {
            ret->kernel_type = causes[i].type;
            ret->kernel_reason = causes[i].reason;
            ret->maybe_reason = NULL;
            return;
        }
        if (forced == FORCED_PERHAPS && !ret->maybe_reason) {
            ret->maybe_type = causes[i].type;
            ret->maybe_reason = causes[i].reason;
        }
    }
}

DomainTypeSet forced_type_outcome(const Host *host, const DecisionMember *members, size_t n)
{
    DomainTypeSet forced = 0, outcome = 0;

    for (size_t i = 0; i < n; i++) {
        outcome |= default_type_outcome(host, members[i].facts->iommu);
        if (members[i].kernel_type >= 0)
            forced |= DOMAIN_TYPE_BIT(members[i].kernel_type);
        if (members[i].maybe_reason)
            outcome |= DOMAIN_TYPE_BIT(members[i].maybe_type);
    }
    return forced ?: outcome ?: host->auto_outcome;
}

bool forced_type_asks_pasid(const char *iommu_family, DomainType shown)
{
    return shown == DOMAIN_TYPE_IDENTITY && g_strcmp0(iommu_family, "amd") == 0;
}

Tristate forced_type_read_pasid(int root_fd, const char *syspath)
{
    g_autofree char *own = g_strconcat(syspath, "/config", NULL);
    g_autofree char *physical = g_strconcat(syspath, "/physfn/config", NULL);
    PciConfig config;
    int r;

    r = pci_config_read(root_fd, physical, &config);
    if (r == -ENOENT)
        r = pci_config_read(root_fd, own, &config);
    if (r == -ENOENT)
        return TRISTATE_NO;
    if (r < 0 || config.size < sizeof(config.bytes))
        return r >= 0 && config.size == PCI_CFG_SPACE_SIZE ? TRISTATE_NO : TRISTATE_UNKNOWN;
    return pci_config_pasid(&config).has ? TRISTATE_YES : TRISTATE_NO;
}
