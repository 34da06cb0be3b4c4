/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Object paths of callers, on the first line, and a device whose bus and name stand on the second and third:
 * each object has one path and no other. */
#include "fuzz.h"

#include "bus-device.c"

static void check_device(Manager *manager, const char *path, const char *bus, const char *name)
{
    Device *device = g_new0(Device, 1);
    g_autofree char *key = g_strdup_printf("%s:%s", bus, name);
    char *own = NULL;
    void *found = NULL;
    ManagedDevice *managed;

    device->facts = device_facts_new(bus, name, "platform/x");
    managed = managed_device_new(device, "sys/devices/platform/x");
    g_hash_table_insert(manager->devices, key, managed);
    own = bus_device_path(managed);
    if (own) {
        g_assert_cmpint(find_device(NULL, own, NULL, manager, &found, NULL), ==, 1);
        g_assert_true(found == managed);
        found = NULL;
    }
    if (find_device(NULL, path, NULL, manager, &found, NULL) > 0) {
        g_assert_true(found == managed);
        g_assert_cmpstr(path, ==, own);
    }
    free(own);
    g_hash_table_remove_all(manager->devices);
    managed_device_free(managed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = { data, size };
    g_autofree char *path = input_line(&input), *bus = input_line(&input), *name = input_line(&input);
    g_autoptr(GHashTable) devices = g_hash_table_new(g_str_hash, g_str_equal);
    Manager manager = { .devices = devices };

    /* sd-bus gives only what is an object path; the bus and the name are names of folders. */
    if (sd_bus_object_path_is_valid(path) > 0 && *bus && *name)
        check_device(&manager, path, bus, name);
    return 0;
}
