/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "managed-device.h"

#include <string.h>

#include "sysfs.h"

ManagedDevice *managed_device_new(Device *device, const char *syspath)
{
    ManagedDevice *managed = g_new0(ManagedDevice, 1);

    managed->key = device_key(device);
    managed->syspath = g_strdup(syspath);
    managed->device = device;
    managed->rule_type = _DOMAIN_TYPE_INVALID;
    return managed;
}

void managed_device_free(ManagedDevice *managed)
{
    if (!managed)
        return;
    g_free(managed->key);
    g_free(managed->syspath);
    device_free(managed->device);
    g_free(managed->rule_origin);
    g_free(managed);
}

void managed_device_set(ManagedDevice *managed, Device *device)
{
    const Device *old = managed->device;

    if (g_strcmp0(old->driver, device->driver) != 0)
        managed->changed |= DEVICE_DRIVER;
    if (old->facts->dma_mask_bits != device->facts->dma_mask_bits)
        managed->changed |= DEVICE_DMA_MASK_BITS;
    if (old->group != device->group)
        managed->changed |= DEVICE_GROUP;
    if (g_strcmp0(old->facts->iommu, device->facts->iommu) != 0)
        managed->changed |= DEVICE_IOMMU;
    if (old->facts->manages_dma != device->facts->manages_dma)
        managed->changed |= DEVICE_MANAGES_DMA;
    if (g_strcmp0(old->model_name, device->model_name) != 0)
        managed->changed |= DEVICE_MODEL_NAME;
    device_free(managed->device);
    managed->device = device;
}

void managed_device_set_wish(ManagedDevice *managed, const MemberWish *wish)
{
    DomainType type = wish && wish->has_wish ? wish->type : _DOMAIN_TYPE_INVALID;
    const char *origin = wish && wish->origin && *wish->origin ? wish->origin : NULL;

    if (managed->rule_type != type) {
        managed->rule_type = type;
        managed->changed |= DEVICE_RULE_TYPE;
    }
    if (g_strcmp0(managed->rule_origin, origin) != 0) {
        g_free(managed->rule_origin);
        managed->rule_origin = g_strdup(origin);
        managed->changed |= DEVICE_RULE_ORIGIN;
    }
}

bool managed_device_unbinds(const ManagedDevice *managed)
{
    return device_unbinds(managed->device);
}

char **managed_device_relatives(const ManagedDevice *managed, int root_fd)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    g_auto(GStrv) entries = NULL;

    if (managed->device->physical_function)
        g_strv_builder_add(names, managed->device->physical_function);
    if (sysfs_list(root_fd, managed->syspath, &entries) < 0)
        return g_strv_builder_end(names);
    for (char **entry = entries; *entry; entry++) {
        /* "supplier:pci:0000:00:01.0" */
        const char *bus = g_str_has_prefix(*entry, "supplier:") || g_str_has_prefix(*entry, "consumer:")
            ? *entry + strlen("supplier:") : NULL;
        const char *colon = bus ? strchr(bus, ':') : NULL;

        if (colon)
            g_strv_builder_add(names, colon + 1);
    }
    return g_strv_builder_end(names);
}

bool syspath_is_below(const char *name, const char *ancestor)
{
    size_t length = strlen(ancestor);

    return strncmp(name, ancestor, length) == 0 && (name[length] == '\0' || name[length] == '/');
}
