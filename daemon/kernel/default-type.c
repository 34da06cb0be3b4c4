/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "default-type.h"

#include "command-line.h"
#include "kernel-config.h"
#include "sysfs.h"

#define DMA DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA)
#define DMA_FQ DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ)
#define IDENTITY DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY)

/* Of Ironlake, whose VT-d is made strict if its graphics may use it
 * (drivers/iommu/intel/iommu.c, quirk_calpella_no_shadow_gtt()). */
#define HOST_BRIDGE "sys/bus/pci/devices/0000:00:00.0/device"

typedef struct Default {
    Tristate passthrough;
    Tristate strict;
} Default;

/* One of three lines (drivers/iommu/Kconfig). */
static void read_config(int root_fd, Default *type)
{
    g_autofree char *line = NULL;

    if (kernel_config_find(root_fd, "CONFIG_IOMMU_DEFAULT_", &line) < 0)
        return;
    type->passthrough = g_str_equal(line, "CONFIG_IOMMU_DEFAULT_PASSTHROUGH=y");
    type->strict = g_str_equal(line, "CONFIG_IOMMU_DEFAULT_DMA_STRICT=y");
}

static Default read_default(int root_fd, const Host *host)
{
    Default type = { TRISTATE_UNKNOWN, TRISTATE_UNKNOWN };
    CommandLine words;

    command_line_read(host->facts->kernel_command_line, host->facts->architecture, &words);
    if (words.passthrough == TRISTATE_UNKNOWN || words.strict == TRISTATE_UNKNOWN)
        read_config(root_fd, &type);
    /* A configured pass-through is given up where memory is encrypted (iommu_subsys_init()). */
    if (type.passthrough == TRISTATE_YES && host->encrypts_memory != TRISTATE_NO)
        type.passthrough = host->encrypts_memory == TRISTATE_YES ? TRISTATE_NO : TRISTATE_UNKNOWN;
    if (words.passthrough != TRISTATE_UNKNOWN)
        type.passthrough = words.passthrough;
    if (words.strict != TRISTATE_UNKNOWN)
        type.strict = words.strict;
    return type;
}

static bool is_ironlake(int root_fd)
{
    static const uint64_t bridges[] = { 0x0040, 0x0044, 0x0062, 0x006a };
    uint64_t device;

    if (sysfs_read_u64(root_fd, HOST_BRIDGE, 16, &device) >= 0)
        for (size_t i = 0; i < G_N_ELEMENTS(bridges); i++)
            if (device == bridges[i])
                return true;
    return false;
}

/* Whether UNIT's driver turns the lazy default into the strict one. Where VT-d's first stage is used, in
 * scalable mode, new entries need no telling; which stage it is nothing shows. */
static Tristate makes_strict(int root_fd, const HostUnit *unit)
{
    if (g_str_equal(unit->family, "amd"))
        return unit->unit.caching;
    if (!g_str_equal(unit->family, "intel"))
        return TRISTATE_NO;
    if (unit->unit.caching != TRISTATE_YES || unit->unit.pasid == TRISTATE_NO)
        return unit->unit.caching;
    return iommu_kernel_scalable(root_fd) == TRISTATE_NO ? TRISTATE_YES : TRISTATE_UNKNOWN;
}

/* One unit is enough for all. */
static Tristate units_make_strict(int root_fd, const Host *host)
{
    Tristate strict = TRISTATE_NO;
    bool any_intel = false;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->units);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HostUnit *unit = value;
        Tristate answer = makes_strict(root_fd, unit);

        any_intel |= g_str_equal(unit->family, "intel");
        if (answer == TRISTATE_YES)
            return TRISTATE_YES;
        if (answer == TRISTATE_UNKNOWN)
            strict = TRISTATE_UNKNOWN;
    }
    return any_intel && is_ironlake(root_fd) ? TRISTATE_UNKNOWN : strict;
}

void default_type_read(int root_fd, Host *host)
{
    Default type = read_default(root_fd, host);
    DomainTypeSet translated;

    if (type.strict != TRISTATE_YES) {
        Tristate by_driver = units_make_strict(root_fd, host);

        if (by_driver != TRISTATE_NO)
            type.strict = by_driver;
    }
    host->boot_default = _DOMAIN_TYPE_INVALID;
    translated = type.strict == TRISTATE_YES ? DMA : type.strict == TRISTATE_NO ? DMA_FQ : DMA | DMA_FQ;
    host->auto_outcome = type.passthrough == TRISTATE_YES ? IDENTITY
        : type.passthrough == TRISTATE_NO                 ? translated
                                                          : translated | IDENTITY;
    for (DomainType one = DOMAIN_TYPE_DMA; one <= DOMAIN_TYPE_IDENTITY; one++)
        if (host->auto_outcome == DOMAIN_TYPE_BIT(one))
            host->boot_default = one;
}

DomainTypeSet default_type_outcome(const Host *host, const char *family)
{
    static const char *const always_lazy[] = { "intel", "amd", "smmu-v3", "smmu", NULL };

    if ((host->auto_outcome & DMA_FQ) && (!family || !g_strv_contains(always_lazy, family)))
        return host->auto_outcome | DMA;
    return host->auto_outcome;
}
