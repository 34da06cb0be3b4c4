/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-bus.h"

#include <errno.h>
#include <string.h>

#include "fake-device.h"
#include "request.h"

Bus *bus_get(Machine *machine, const char *name)
{
    return g_hash_table_lookup(machine->buses, name);
}

/* The device that was written to bind, unbind or drivers_probe; NULL if this bus has none of that name. */
static Device *find_device(Bus *bus, const char *value)
{
    g_autofree char *name = g_strdup(value);
    Device *device;

    name[strcspn(name, "\n")] = '\0';
    device = g_hash_table_lookup(bus->machine->devices, name);
    return device && device->bus == bus ? device : NULL;
}

bool driver_matches(const Driver *driver, const Device *device)
{
    g_autofree char *id = g_strdup_printf("%04x:%04x", device->vendor, device->product);
    g_autofree char *class = g_strdup_printf("%06x", device->class);

    if (device->override)
        return g_str_equal(device->override, driver->name);
    for (char **word = driver->ids; word && *word; word++)
        if (g_str_equal(*word, "any") || g_ascii_strcasecmp(*word, id) == 0
            || (g_str_has_prefix(*word, "class=") && g_str_has_prefix(class, *word + 6)))
            return true;
    return false;
}

static int bind_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Driver *driver = owner;
    Device *device = find_device(driver->bus, value);

    if (!device || !driver_matches(driver, device))
        return -ENODEV;
    if (device_is_locked(device))
        return device_wait_lock(device, request);
    if (device->driver)
        return -EBUSY;
    return device_probe(device, driver);
}

static int unbind_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Driver *driver = owner;
    Device *device = find_device(driver->bus, value);

    if (!device)
        return -ENODEV;
    if (device_is_locked(device))
        return device_wait_lock(device, request);
    if (device->driver != driver)
        return -ENODEV;
    return device_unbind(device, request);
}

static int probe_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Bus *bus = owner;
    Device *device = find_device(bus, value);

    if (!device)
        return -ENODEV;
    if (device_is_locked(device))
        return device_wait_lock(device, request);
    if (!device->driver)
        bus_probe_device(bus, device, false);
    return 0;
}

static int autoprobe_show(Node *node, void *owner, GString *text)
{
    const Bus *bus = owner;

    g_string_append(text, bus->autoprobe ? "1\n" : "0\n");
    return 0;
}

static int autoprobe_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Bus *bus = owner;

    bus->autoprobe = *value != '0';
    return 0;
}

static int rescan_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    const Bus *bus = owner;

    devices_rescan(bus->machine);
    return 0;
}

Bus *bus_new(Machine *machine, const char *name)
{
    static const AttributeOperations probe = {NULL, probe_store}, rescan = {NULL, rescan_store};
    static const AttributeOperations autoprobe = {autoprobe_show, autoprobe_store};
    g_autofree char *path = g_strdup_printf("sys/bus/%s", name);
    Bus *bus = g_new0(Bus, 1);

    bus->machine = machine;
    bus->name = g_strdup(name);
    bus->autoprobe = true;
    bus->driver_table = g_hash_table_new(g_str_hash, g_str_equal);
    bus->absent = g_ptr_array_new();
    bus->node = tree_add_directories(machine->tree, path);
    bus->devices = tree_add(machine->tree, bus->node, "devices", S_IFDIR | 0755);
    bus->drivers = tree_add(machine->tree, bus->node, "drivers", S_IFDIR | 0755);
    (void) tree_add_attribute(machine->tree, bus->node, "drivers_probe", 0200, &probe, bus);
    (void) tree_add_attribute(machine->tree, bus->node, "drivers_autoprobe", 0644, &autoprobe, bus);
    if (g_str_equal(name, "pci"))
        (void) tree_add_attribute(machine->tree, bus->node, "rescan", 0200, &rescan, bus);
    g_hash_table_insert(machine->buses, bus->name, bus);
    return bus;
}

static void driver_load(Driver *driver)
{
    static const AttributeOperations bind = {NULL, bind_store}, unbind = {NULL, unbind_store};
    Bus *bus = driver->bus;
    Tree *tree = bus->machine->tree;
    g_autofree char *module = g_strdup_printf("sys/module/%s", driver->name);

    driver->node = tree_add(tree, bus->drivers, driver->name, S_IFDIR | 0755);
    (void) tree_add_link_to(tree, driver->node, "module", tree_add_directories(tree, module));
    if (!driver->suppress_bind) {
        (void) tree_add_attribute(tree, driver->node, "bind", 0200, &bind, driver);
        (void) tree_add_attribute(tree, driver->node, "unbind", 0200, &unbind, driver);
    }
    g_hash_table_insert(bus->driver_table, driver->name, driver);
    if (bus->autoprobe)
        devices_probe_driver(driver);
}

static void driver_free(Driver *driver)
{
    g_strfreev(driver->ids);
    g_free(driver->name);
    g_free(driver);
}

int driver_add(Machine *machine, char *const *words)
{
    Bus *bus = words[0] ? bus_get(machine, words[0]) : NULL;
    Driver *driver;

    if (!bus || !words[1] || g_hash_table_contains(bus->driver_table, words[1]))
        return -EINVAL;
    driver = g_new0(Driver, 1);
    driver->bus = bus;
    driver->name = g_strdup(words[1]);
    driver->ids = g_strsplit(words_value(words, "ids") ?: "", ",", -1);
    driver->managed_dma = words_have(words, "managed-dma");
    driver->suppress_bind = words_have(words, "suppress-bind");
    driver->async = words_have(words, "async");
    if (words_have(words, "autoload"))
        g_ptr_array_add(bus->absent, driver);
    else
        driver_load(driver);
    return 0;
}

static void driver_unload(Driver *driver)
{
    g_autofree char *module = g_strdup_printf("sys/module/%s", driver->name);

    devices_detach_driver(driver);
    tree_remove(driver->bus->machine->tree, tree_find(driver->bus->machine->tree, module));
    tree_remove(driver->bus->machine->tree, driver->node);
    driver->node = NULL;
    g_hash_table_remove(driver->bus->driver_table, driver->name);
}

int driver_remove(Machine *machine, char *const *words)
{
    Bus *bus = words[0] ? bus_get(machine, words[0]) : NULL;
    Driver *driver = bus && words[1] ? g_hash_table_lookup(bus->driver_table, words[1]) : NULL;

    if (!driver)
        return -ENOENT;
    driver_unload(driver);
    if (words_have(words, "autoload"))
        g_ptr_array_add(bus->absent, driver);
    else
        driver_free(driver);
    return 0;
}

void bus_probe_device(Bus *bus, Device *device, bool load)
{
    g_autoptr(GList) drivers = NULL;

    for (guint i = bus->absent->len; load && i > 0; i--) {
        Driver *driver = g_ptr_array_index(bus->absent, i - 1);

        if (!driver_matches(driver, device))
            continue;
        g_ptr_array_remove_index(bus->absent, i - 1);
        driver_load(driver);
    }
    drivers = g_hash_table_get_values(bus->driver_table);
    for (GList *l = drivers; l && !device->driver; l = l->next)
        if (driver_matches(l->data, device))
            (void) device_probe(device, l->data);
}

void buses_free(Machine *machine)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, machine->buses);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Bus *bus = value;
        g_autoptr(GList) drivers = g_hash_table_get_values(bus->driver_table);

        g_list_free_full(g_steal_pointer(&drivers), (GDestroyNotify) driver_free);
        g_ptr_array_set_free_func(bus->absent, (GDestroyNotify) driver_free);
        g_ptr_array_unref(bus->absent);
        g_hash_table_unref(bus->driver_table);
        g_free(bus->name);
        g_free(bus);
    }
    g_hash_table_unref(machine->buses);
}
