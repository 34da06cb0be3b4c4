/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "type-error.h"

#include <errno.h>

typedef enum BoundDriver {
    ANY_DRIVER,
    DRIVER_WITHOUT_OWN_DMA, /* one that lets the DMA API manage its domain: it keeps the group since
                               Linux 6.4 */
} BoundDriver;

static const Device *find_bound(const GroupView *view, BoundDriver which)
{
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = g_ptr_array_index(view->devices, i);

        if (device->driver && (which == ANY_DRIVER || !device->facts->manages_dma))
            return device;
    }
    return NULL;
}

static RefusalCode still_bound(const Device *device, char **ret_detail)
{
    *ret_detail = g_strdup_printf("%s is bound to %s", device->facts->name, device->driver);
    return REFUSAL_STILL_BOUND;
}

static RefusalCode switch_failed(int error, char **ret_detail)
{
    *ret_detail = g_strdup(g_strerror(-error));
    return REFUSAL_SWITCH_FAILED;
}

/* EPERM, since 6.4: no member, a driver that uses the DMA API, or a user-space owner (owner_cnt). */
static RefusalCode explain_permission(const GroupView *view, int error, char **ret_detail)
{
    const Device *bound = find_bound(view, DRIVER_WITHOUT_OWN_DMA);

    if (bound)
        return still_bound(bound, ret_detail);
    if (view->devices->len == 0) {
        *ret_detail = g_strdup("the group has no devices");
        return REFUSAL_NOT_SUPPORTED;
    }
    bound = find_bound(view, ANY_DRIVER);
    if (!bound)
        return switch_failed(error, ret_detail);
    *ret_detail = g_strdup_printf("%s, through %s", bound->facts->name, bound->driver);
    return REFUSAL_OWNED_BY_USER;
}

/* EBUSY: before 6.4 any bound driver; since 7.0 a member that is being reset. */
static RefusalCode explain_busy(const GroupView *view, char **ret_detail)
{
    const Device *bound = find_bound(view, ANY_DRIVER);

    if (bound)
        return still_bound(bound, ret_detail);
    *ret_detail = g_strdup("a member is being reset, or attached by somebody else");
    return REFUSAL_BUSY;
}

/*
 * EINVAL: a type that is forced or not offered; before 6.4 also any group of more than one device. A kernel
 * since 6.4 says EPERM before it looks at the type, so EINVAL while a driver is bound tells the older one.
 */
static RefusalCode explain_invalid(const GroupView *view, DomainType type, char **ret_detail)
{
    const char *word = domain_type_to_string(type);

    if (view->devices->len > 1 && find_bound(view, DRIVER_WITHOUT_OWN_DMA)) {
        *ret_detail = g_strdup_printf("%u devices", view->devices->len);
        return REFUSAL_MULTIPLE_MEMBERS;
    }
    if (view->devices->len > 1) {
        *ret_detail = g_strdup_printf(
            "%s: forced otherwise, or a kernel that switches only groups of one device", word);
        return REFUSAL_NOT_SUPPORTED;
    }
    *ret_detail = g_strdup_printf("%s is not given to this device", word);
    return REFUSAL_FORCED;
}

RefusalCode type_error_explain(const GroupView *view, DomainType type, int error, char **ret_detail)
{
    *ret_detail = NULL;
    switch (-error) {
    case EPERM:
        return explain_permission(view, error, ret_detail);
    case EBUSY:
        return explain_busy(view, ret_detail);
    case EINVAL:
        return explain_invalid(view, type, ret_detail);
    case EACCES:
        return REFUSAL_MISSING_CAPABILITY;
    case EOPNOTSUPP:
        *ret_detail = g_strdup(domain_type_to_string(type));
        return REFUSAL_TYPE_NOT_GIVEN;
    case ENOENT:
    case ENODEV:
        *ret_detail = g_strdup("the group is gone, or has other members now");
        return REFUSAL_DEVICE_CHANGED;
    default:
        return switch_failed(error, ret_detail);
    }
}
