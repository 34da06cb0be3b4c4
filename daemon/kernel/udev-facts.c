/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev-facts.h"

#include "cleanup.h"
#include "udev-data.h"

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

/* UDEV: of DEVICE, or NULL where its children are not asked for. */
static void set_facts(struct udev_device *udev, GHashTable *properties, Device *device)
{
    g_autoptr(GStrvBuilder) macs = g_strv_builder_new(), serials = g_strv_builder_new();
    g_auto(GStrv) mac_list = NULL, serial_list = NULL;

    if (udev)
        take_children(udev, macs, serials);
    mac_list = g_strv_builder_end(macs);
    serial_list = g_strv_builder_end(serials);
    device_set_udev(device, properties, mac_list, serial_list);
}

static GHashTable *properties_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void udev_facts_take(struct udev_device *udev, bool full, Device *device)
{
    g_autoptr(GHashTable) properties = properties_new();

    if (full)
        take_all_properties(udev, properties);
    else
        take_property(udev, "ID_MODEL_FROM_DATABASE", properties);
    set_facts(full ? udev : NULL, properties, device);
}

static void add(GHashTable *properties, const char *name, char *value)
{
    g_hash_table_replace(properties, g_strdup(name), value);
}

/* What the `uevent` file of the device reads (drivers/base/core.c, dev_uevent(); drivers/pci/pci-driver.c,
 * pci_uevent()), and what libudev adds to it. */
static void add_kernel_properties(const Device *device, GHashTable *properties)
{
    const DeviceFacts *facts = device->facts;

    add(properties, "DEVPATH", g_strconcat("/devices/", facts->path, NULL));
    add(properties, "SUBSYSTEM", g_strdup(facts->bus));
    if (device->driver)
        add(properties, "DRIVER", g_strdup(device->driver));
    if (facts->modalias)
        add(properties, "MODALIAS", g_strdup(facts->modalias));
    if (!g_str_equal(facts->bus, "pci"))
        return;
    add(properties, "PCI_SLOT_NAME", g_strdup(facts->name));
    add(properties, "PCI_CLASS", g_strdup_printf("%04X", facts->class_code));
    add(properties, "PCI_ID", g_strdup_printf("%04X:%04X", facts->vendor, facts->device));
    add(properties, "PCI_SUBSYS_ID", g_strdup_printf("%04X:%04X", facts->subsystem_vendor, facts->subsystem_device));
}

static void set_all_facts(GHashTable *properties, Device *device)
{
    g_autofree char *absolute = g_strconcat("/sys/devices/", device->facts->path, NULL);
    g_autoptr(UdevContext) context = udev_new();
    g_autoptr(UdevDevice) udev = context ? udev_device_new_from_syspath(context, absolute) : NULL;

    add_kernel_properties(device, properties);
    set_facts(udev, properties, device);
}

int udev_facts_read(int root_fd, bool full, Device *device)
{
    static const char model[] = "ID_MODEL_FROM_DATABASE";
    g_autofree char *id = g_strdup_printf("+%s:%s", device->facts->bus, device->facts->name);
    g_autoptr(GHashTable) properties = NULL, few = NULL;
    const char *value;
    int r;

    r = udev_data_read(root_fd, id, &properties);
    if (r < 0)
        return r;
    if (full) {
        set_all_facts(properties, device);
        return 0;
    }
    few = properties_new();
    value = g_hash_table_lookup(properties, model);
    if (value)
        add(few, model, g_strdup(value));
    set_facts(NULL, few, device);
    return 0;
}
