/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A message of the kernel's as it comes over netlink: "ACTION@DEVPATH", NUL, "KEY=VALUE", NUL, ... The
 * worker reads it itself; for the loop libudev does, whose device is made here as libudev makes it.
 */
#include <unistd.h>

#include "fuzz.h"

#include "device-watch.c"
#undef RECEIVE_BUFFER
#include "kernel-events.c"

#define KEYS_MAX 64
#define SYSPATH "sys/devices/pci0000:00/0000:00:04.0"

static void on_event(DeviceEvent event, const char *syspath, struct udev_device *udev, void *userdata)
{
    unsigned *n = userdata;

    (*n)++;
    if (event == DEVICE_EVENT_OVERFLOW)
        g_assert_null(syspath);
    else
        g_assert_true(g_str_has_prefix(syspath, "sys/devices/"));
}

/* libudev takes the properties from the environment as it takes them from a message. */
static struct udev_device *device_of_message(struct udev *udev, char *message, size_t size)
{
    static char *keys[KEYS_MAX + 1];
    char **environment = environ;
    struct udev_device *device;
    size_t n = 0;

    for (char *p = message + strlen(message) + 1; p < message + size && n < KEYS_MAX; p += strlen(p) + 1)
        keys[n++] = p;
    keys[n] = NULL;
    environ = keys;
    device = udev_device_new_from_environment(udev);
    environ = environment;
    return device;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *message = g_malloc0(size + 1);
    g_autoptr(UdevDevice) device = NULL;
    const char *devpath;
    unsigned n = 0;
    DeviceWatch watch = { .callback = on_event, .userdata = &n };
    static struct udev *udev;

    if (!udev)
        udev = udev_new();
    if (size > 0)
        memcpy(message, data, size);
    if (concerns(message, SYSPATH)) {
        const char *path = strchr(message, '@') + 1;

        g_assert_true(g_str_has_prefix(path, strchr(SYSPATH, '/')));
        g_assert_true(concerns(message, "sys/devices/pci0000:00"));
        g_assert_false(concerns(message, SYSPATH "0"));
    }
    if (kernel_events_parse_add(message, size, &devpath)) {
        g_assert_true(g_str_has_prefix(devpath, "/devices/"));
        g_assert_true(devpath + strlen(devpath) < message + size);
    }
    device = device_of_message(udev, message, size);
    if (device) {
        take_device(&watch, device, on_kernel_device);
        g_assert_cmpuint(n, <=, 1);
        take_device(&watch, device, on_udev_device);
        g_assert_cmpuint(n, <=, 2);
    }
    return 0;
}
