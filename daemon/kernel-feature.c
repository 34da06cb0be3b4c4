/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-feature.h"

static const char *const words[_KERNEL_FEATURE_MAX] = {
    [KERNEL_LIVE_FQ] = "live-fq",
    [KERNEL_MULTI_DEVICE] = "multi-device",
    [KERNEL_MANAGED_STAYS_BOUND] = "managed-stays-bound",
    [KERNEL_GROUPS_AT_PROBE] = "groups-at-probe",
};

const char *kernel_feature_to_string(KernelFeature feature)
{
    return (int) feature >= 0 && feature < _KERNEL_FEATURE_MAX ? words[feature] : NULL;
}

unsigned kernel_features_of_type(DomainType type)
{
    return type == DOMAIN_TYPE_DMA_FQ ? KERNEL_FEATURE_BIT(KERNEL_LIVE_FQ) : 0;
}

static bool has_managed_driver(const ManagedGroup *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        const Device *device = ((const ManagedDevice *) group->members->pdata[i])->device;

        if (device->driver && device->facts->manages_dma)
            return true;
    }
    return false;
}

unsigned kernel_features_of_change(const ManagedGroup *group, DomainType from, const ChangeResult *result)
{
    /* The older kernels make this one switch as well, whatever driver the only member has, and none of
     * several. */
    bool lazily = from == DOMAIN_TYPE_DMA && result->type == DOMAIN_TYPE_DMA_FQ;
    bool many = group->members->len > 1;
    unsigned shown;

    if (result->code != REFUSAL_NONE || result->how == CHANGE_NOTHING || result->type < 0)
        return 0;
    shown = kernel_features_of_type(result->type);
    if (many)
        shown |= KERNEL_FEATURE_BIT(KERNEL_MULTI_DEVICE);
    if ((many || !lazily) && has_managed_driver(group))
        shown |= KERNEL_FEATURE_BIT(KERNEL_MANAGED_STAYS_BOUND);
    return shown;
}

unsigned kernel_features_of_device(const Device *before, const Device *now)
{
    bool got_both = before->group < 0 && now->group >= 0 && !before->driver && now->driver;

    return before->inode == now->inode && got_both ? KERNEL_FEATURE_BIT(KERNEL_GROUPS_AT_PROBE) : 0;
}
