/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A file of udev's database, and what is taken of it into the facts of a device. */
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fuzz.h"
#include "udev-data.h"

#include "udev-facts.c"

#define KEYS_MAX 64

static void check_properties(GHashTable *properties)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, properties);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_assert_null(strpbrk(key, "=\n"));
        g_assert_null(strchr(value, '\n'));
    }
}

/* What libudev 252 takes for itself, and writes through NULL for if it is empty. udevd, which alone it
 * listens to, sends neither of them so. */
static bool is_for_libudev(const char *key)
{
    return g_str_equal(key, "TAGS") || g_str_equal(key, "CURRENT_TAGS");
}

/* A device with PROPERTIES, as libudev makes it of a message of udev's. */
static struct udev_device *device_of(struct udev *udev, GHashTable *properties)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    char **environment = environ;
    struct udev_device *device;
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, properties);
    while (keys->len < KEYS_MAX && g_hash_table_iter_next(&iter, &key, &value))
        if (!is_for_libudev(key))
            g_ptr_array_add(keys, g_strdup_printf("%s=%s", (char *) key, (char *) value));
    g_ptr_array_add(keys, g_strdup("DEVPATH=/devices/platform/fuzz"));
    g_ptr_array_add(keys, g_strdup("SUBSYSTEM=net"));
    g_ptr_array_add(keys, g_strdup("ACTION=add"));
    g_ptr_array_add(keys, g_strdup("SEQNUM=1"));
    g_ptr_array_add(keys, NULL);
    environ = (char **) keys->pdata;
    device = udev_device_new_from_environment(udev);
    environ = environment;
    return device;
}

static void check_facts(struct udev_device *udev)
{
    g_autoptr(GStrvBuilder) mac_builder = g_strv_builder_new(), serial_builder = g_strv_builder_new();
    g_auto(GStrv) macs = NULL, serials = NULL;
    g_autoptr(Device) device = g_new0(Device, 1);

    device->facts = device_facts_new("platform", "fuzz", "platform/fuzz");
    take_child(udev, mac_builder, serial_builder);
    macs = g_strv_builder_end(mac_builder);
    serials = g_strv_builder_end(serial_builder);
    udev_facts_take(udev, false, device);
    device_set_udev(device, device->facts->properties, macs, serials);
    g_assert_true(device->facts->udev_known);
    if (device->model_name)
        check_shown(device->model_name);
    for (char **mac = device->facts->mac_addresses; *mac; mac++)
        g_assert_cmpuint(strlen(*mac), ==, strlen("00:11:22:33:44:55"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GHashTable) properties = NULL;
    g_autoptr(UdevDevice) device = NULL;
    static struct udev *udev;
    static int fd = -1;

    if (fd < 0) {
        fd = fuzz_file("run/udev/data/b259:0");
        udev = udev_new();
    }
    fuzz_fill(fd, data, size);
    if (udev_data_read(fuzz_tree()->fd, "b259:0", &properties) < 0)
        return 0;
    check_properties(properties);
    device = device_of(udev, properties);
    if (device)
        check_facts(device);
    return 0;
}
