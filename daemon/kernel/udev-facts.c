/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev-facts.h"

#include "cleanup.h"

static void take_all_properties(struct udev_device *udev, GHashTable *properties)
{
    struct udev_list_entry *entry;

    udev_list_entry_foreach(entry, udev_device_get_properties_list_entry(udev))
        g_hash_table_replace(properties, g_strdup(udev_list_entry_get_name(entry)),
                             g_strdup(udev_list_entry_get_value(entry) ?: ""));
}

static void take_property(struct udev_device *udev, const char *name, GHashTable *properties)
{
    const char *value = udev_device_get_property_value(udev, name);

    if (value)
        g_hash_table_replace(properties, g_strdup(name), g_strdup(value));
}

/* ID_NET_NAME_MAC is made of the permanent address only (systemd, udev-builtin-net_id.c): "enx001122334455".
 */
static char *permanent_address(struct udev_device *child)
{
    const char *name = udev_device_get_property_value(child, "ID_NET_NAME_MAC");
    size_t length = name ? strlen(name) : 0;
    const char *hex;

    if (length < 12)
        return NULL;
    hex = name + length - 12;
    return g_strdup_printf("%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", hex, hex + 2, hex + 4, hex + 6, hex + 8,
                           hex + 10);
}

static void take_child(struct udev_device *child, GStrvBuilder *macs, GStrvBuilder *serials)
{
    g_autofree char *mac = permanent_address(child);
    const char *serial = udev_device_get_property_value(child, "ID_SERIAL_SHORT");

    if (mac)
        g_strv_builder_add(macs, mac);
    if (serial && g_strcmp0(udev_device_get_devtype(child), "partition") != 0)
        g_strv_builder_add(serials, serial);
}

static void take_children(struct udev_device *udev, GStrvBuilder *macs, GStrvBuilder *serials)
{
    g_autoptr(UdevEnumerate) enumerate = udev_enumerate_new(udev_device_get_udev(udev));
    struct udev_list_entry *entry;

    if (!enumerate || udev_enumerate_add_match_parent(enumerate, udev) < 0 ||
        udev_enumerate_add_match_subsystem(enumerate, "net") < 0 ||
        udev_enumerate_add_match_subsystem(enumerate, "block") < 0 ||
        udev_enumerate_scan_devices(enumerate) < 0)
        return;
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
    {
        g_autoptr(UdevDevice) child = udev_device_new_from_syspath(udev_device_get_udev(udev),
                                                                   udev_list_entry_get_name(entry));

        if (child)
            take_child(child, macs, serials);
    }
}

void udev_facts_take(struct udev_device *udev, bool full, Device *device)
{
    g_autoptr(GHashTable) properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GStrvBuilder) macs = g_strv_builder_new(), serials = g_strv_builder_new();
    g_auto(GStrv) mac_list = NULL, serial_list = NULL;

    if (full) {
        take_all_properties(udev, properties);
        take_children(udev, macs, serials);
    } else {
        take_property(udev, "ID_MODEL_FROM_DATABASE", properties);
    }
    mac_list = g_strv_builder_end(macs);
    serial_list = g_strv_builder_end(serials);
    device_set_udev(device, properties, mac_list, serial_list);
}
