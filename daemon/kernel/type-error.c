/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "type-error.h"

#include <errno.h>

typedef bool (*DeviceTest)(const Device *device);

static const Device *find(const GroupView *view, DeviceTest test)
{
    for (guint i = 0; i < view->devices->len; i++)
        if (test(view->devices->pdata[i]))
            return view->devices->pdata[i];
    return NULL;
}

static bool is_bound(const Device *device)
{
    return device->driver;
}

/* To a driver that lets the DMA API manage its domain: it keeps the group since Linux 6.4. */
static bool is_bound_for_dma(const Device *device)
{
    return device->driver && !device->facts->manages_dma;
}

/* Others that manage DMA themselves (pcieport, pci-stub) never hand it to a program. */
static bool is_handed_on(const Device *device)
{
    return device->driver && driver_is_vfio(device->driver);
}

static bool is_untrusted(const Device *device)
{
    return device->facts->untrusted == TRISTATE_YES;
}

static RefusalCode still_bound(const Device *device, char **ret_detail)
{
    *ret_detail = g_strdup_printf("%s is bound to %s", device->facts->name, device->driver);
    return REFUSAL_STILL_BOUND;
}

/*
 * EPERM, since 6.4: no member, a driver that uses the DMA API, or a user-space owner (owner_cnt). A driver
 * that is just being bound counts before its `driver` link is there (seen on 6.12).
 */
static RefusalCode explain_permission(const GroupView *view, char **ret_detail)
{
    const Device *device = find(view, is_bound_for_dma);

    if (device)
        return still_bound(device, ret_detail);
    if (view->devices->len == 0) {
        *ret_detail = g_strdup("the group has no devices");
        return REFUSAL_NOT_SUPPORTED;
    }
    device = find(view, is_handed_on);
    if (device) {
        *ret_detail = g_strdup_printf("%s, through %s", device->facts->name, device->driver);
        return REFUSAL_OWNED_BY_USER;
    }
    device = view->devices->pdata[0];
    *ret_detail = g_strdup_printf("none shows at %s: one is just being bound to it or to another member",
                                  device->facts->name);
    return REFUSAL_STILL_BOUND;
}

/* EBUSY: before 6.4 any bound driver of an only member; since 7.0 a member that is being reset. */
static RefusalCode explain_busy(const GroupView *view, char **ret_detail)
{
    const Device *device = find(view, view->devices->len == 1 ? is_bound : is_bound_for_dma);

    if (device)
        return still_bound(device, ret_detail);
    device = view->devices->len > 0 ? view->devices->pdata[0] : NULL;
    *ret_detail = device ? g_strdup(device->facts->name) : NULL;
    return REFUSAL_BEING_RESET;
}

/* What is known of IOMMU drivers that force a type, for one that has just said no. */
static const char *forcing_reason(const Device *device)
{
    const char *iommu = device->facts->iommu ?: "";
    uint32_t class = device->facts->class_code == FACT_NO_ID ? 0 : device->facts->class_code >> 8;

    if (g_str_equal(iommu, "amd"))
        return "AMD's IOMMU driver keeps devices with PASID, as graphics, in identity";
    if (g_str_equal(iommu, "intel") && (class >> 8 == 0x03 || class == 0x0403))
        return "VT-d's driver keeps some integrated graphics and sound devices in identity";
    if (g_str_equal(iommu, "intel"))
        return "VT-d's driver keeps every device in DMA where the IOMMU lacks pass-through";
    return "its IOMMU's driver has another for it";
}

/*
 * EINVAL: a type that is forced or not offered; before 6.4 also any group of more than one device. A kernel
 * since 6.4 says EPERM before it looks at the type, so EINVAL while a driver is bound tells the older one.
 */
static RefusalCode explain_invalid(const GroupView *view, DomainType type, char **ret_detail)
{
    const char *word = domain_type_to_string(type);
    const Device *device = find(view, is_untrusted);

    if (view->devices->len > 1 && find(view, is_bound_for_dma)) {
        *ret_detail = g_strdup_printf("%u devices", view->devices->len);
        return REFUSAL_MULTIPLE_MEMBERS;
    }
    if (device && (type == DOMAIN_TYPE_IDENTITY || type == DOMAIN_TYPE_DMA_FQ)) {
        *ret_detail = g_strdup(device->facts->name);
        return REFUSAL_UNTRUSTED;
    }
    if (view->devices->len != 1) {
        *ret_detail = g_strdup_printf("%s: forced otherwise, or a kernel that switches only groups of one "
                                      "device", word);
        return REFUSAL_NOT_SUPPORTED;
    }
    device = view->devices->pdata[0];
    *ret_detail = g_strdup_printf("%s is not given to %s: %s", word, device->facts->name,
                                  forcing_reason(device));
    return REFUSAL_FORCED;
}

RefusalCode type_error_explain(const GroupView *view, DomainType type, int error, char **ret_detail)
{
    char *unsupported = view ? group_view_unsupported(view) : NULL;

    *ret_detail = unsupported;
    if (unsupported)
        return REFUSAL_NOT_SUPPORTED;
    switch (-error) {
    case EPERM:
        return explain_permission(view, ret_detail);
    case EBUSY:
        return explain_busy(view, ret_detail);
    case EINVAL:
        return explain_invalid(view, type, ret_detail);
    case EACCES:
        return REFUSAL_MISSING_CAPABILITY;
    case EROFS:
        return REFUSAL_READ_ONLY;
    case EOPNOTSUPP:
        *ret_detail = g_strdup(domain_type_to_string(type));
        return REFUSAL_TYPE_NOT_GIVEN;
    case ENOENT:
    case ENODEV:
        *ret_detail = g_strdup("the group is gone, or has other members now");
        return REFUSAL_DEVICE_CHANGED;
    default:
        *ret_detail = g_strdup(g_strerror(-error));
        return REFUSAL_SWITCH_FAILED;
    }
}
