/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "device-watch.h"
#include "kernel-events.h"

/*
 * What udevd itself uses. Beyond net.core.rmem_max it needs CAP_NET_ADMIN; without, the kernel's limit
 * stands and an overflow is only met earlier.
 */
#define RECEIVE_BUFFER (128 * 1024 * 1024)

/* Events taken in one turn of the loop. */
#define EVENTS_PER_TURN 64

struct DeviceWatch {
    struct udev *udev;
    struct udev_monitor *kernel_monitor, *udev_monitor;
    sd_event_source *kernel_source, *udev_source;
    DeviceWatchCallback callback;
    void *userdata;
    unsigned busy;  /* callbacks that are running */
    bool forgotten; /* device_watch_free() was called by one of them */
};

/* What comes and goes with the beginning and the end of a use. */
static const char *const use_subsystems[] = { "block", "net" };

/*
 * IOMMUs themselves. When one comes late (virtio-iommu is a module) or goes, groups appear or vanish around
 * devices that are there already, without an event for any of them.
 */
#define IOMMU_SUBSYSTEM "iommu"

static bool contains(const char *const *words, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (g_str_equal(words[i], word))
            return true;
    return false;
}

#define CONTAINS(words, word) contains((words), G_N_ELEMENTS(words), (word))

static void report(DeviceWatch *watch, DeviceEvent event, const char *syspath, struct udev_device *device)
{
    watch->callback(event, syspath, device, watch->userdata);
}

static void on_kernel_device(DeviceWatch *watch, const char *syspath, struct udev_device *device)
{
    static const struct {
        const char *action;
        DeviceEvent event;
    } events[] = {
        { "add", DEVICE_EVENT_KERNEL_ADD },
        { "change", DEVICE_EVENT_KERNEL_CHANGE },
        { "remove", DEVICE_EVENT_REMOVE },
        { "bind", DEVICE_EVENT_BIND },
        { "unbind", DEVICE_EVENT_UNBIND },
    };
    const char *subsystem = udev_device_get_subsystem(device), *action = udev_device_get_action(device);

    if (!subsystem || !action)
        return;
    if (g_str_equal(subsystem, IOMMU_SUBSYSTEM)) {
        report(watch, DEVICE_EVENT_OVERFLOW, NULL, NULL);
        return;
    }
    if (!g_strv_contains(kernel_events_buses, subsystem))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
        if (g_str_equal(events[i].action, action)) {
            report(watch, events[i].event, syspath, NULL);
            return;
        }
}

static void on_udev_device(DeviceWatch *watch, const char *syspath, struct udev_device *device)
{
    static const char *const actions[] = { "add", "change", "bind", "move" };
    const char *subsystem = udev_device_get_subsystem(device), *action = udev_device_get_action(device);

    if (!subsystem || !action)
        return;
    if (CONTAINS(use_subsystems, subsystem))
        report(watch, DEVICE_EVENT_USE, syspath, device);
    else if (g_strv_contains(kernel_events_buses, subsystem) && CONTAINS(actions, action))
        report(watch, DEVICE_EVENT_UDEV, syspath, device);
}

typedef void (*DeviceFunction)(DeviceWatch *watch, const char *syspath, struct udev_device *device);

static void take_device(DeviceWatch *watch, struct udev_device *device, DeviceFunction function)
{
    const char *syspath = udev_device_get_syspath(device);

    /* Modules, drivers and the like live elsewhere below /sys. */
    if (syspath && g_str_has_prefix(syspath, "/sys/devices/"))
        function(watch, syspath + 1, device);
}

/* Frees WATCH if a callback asked for that. */
static void release(DeviceWatch *watch)
{
    if (!watch->forgotten || watch->busy > 0)
        return;
    g_clear_pointer(&watch->kernel_monitor, udev_monitor_unref);
    g_clear_pointer(&watch->udev_monitor, udev_monitor_unref);
    g_clear_pointer(&watch->udev, udev_unref);
    g_free(watch);
}

/*
 * libudev believes a message of the kernel's group only if its sender is port 0, which is the kernel and
 * nobody else, and its credentials are root's; one of udev's group only from root; all else it drops and
 * says EAGAIN (systemd, src/libsystemd/sd-device/device-monitor.c, device_monitor_receive_device()).
 */
static void receive(DeviceWatch *watch, struct udev_monitor *monitor, DeviceFunction function)
{
    watch->busy++;
    for (unsigned i = 0; i < EVENTS_PER_TURN && !watch->forgotten; i++) {
        g_autoptr(UdevDevice) device = NULL;

        errno = 0;
        device = udev_monitor_receive_device(monitor);
        if (device)
            take_device(watch, device, function);
        else {
            if (errno == ENOBUFS)
                report(watch, DEVICE_EVENT_OVERFLOW, NULL, NULL);
            break;
        }
    }
    watch->busy--;
    release(watch);
}

static int on_kernel_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    DeviceWatch *watch = userdata;

    receive(watch, watch->kernel_monitor, on_kernel_device);
    return 0;
}

static int on_udev_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    DeviceWatch *watch = userdata;

    receive(watch, watch->udev_monitor, on_udev_device);
    return 0;
}

/*
 * udev's messages carry their subsystem where the kernel can sort them out before we wake up; the kernel's
 * own do not.
 */
static int add_filters(struct udev_monitor *monitor)
{
    for (const char *const *bus = kernel_events_buses; *bus; bus++)
        if (udev_monitor_filter_add_match_subsystem_devtype(monitor, *bus, NULL) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < G_N_ELEMENTS(use_subsystems); i++)
        if (udev_monitor_filter_add_match_subsystem_devtype(monitor, use_subsystems[i], NULL) < 0)
            return -ENOMEM;
    return 0;
}

static int open_monitor(DeviceWatch *watch, const char *name, struct udev_monitor **ret)
{
    g_autoptr(UdevMonitor) monitor = NULL;
    int r;

    errno = 0;
    monitor = udev_monitor_new_from_netlink(watch->udev, name);
    if (!monitor)
        return errno > 0 ? -errno : -EIO;
    if (g_str_equal(name, "udev") && (r = add_filters(monitor)) < 0)
        return r;
    (void) udev_monitor_set_receive_buffer_size(monitor, RECEIVE_BUFFER);
    r = udev_monitor_enable_receiving(monitor);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&monitor);
    return 0;
}

int device_watch_new(sd_event *event, DeviceWatchCallback callback, void *userdata, DeviceWatch **ret)
{
    g_autoptr(DeviceWatch) watch = g_new0(DeviceWatch, 1);
    int r;

    watch->callback = callback;
    watch->userdata = userdata;
    watch->udev = udev_new();
    if (!watch->udev)
        return -ENOMEM;
    if ((r = open_monitor(watch, "kernel", &watch->kernel_monitor)) < 0 ||
        (r = open_monitor(watch, "udev", &watch->udev_monitor)) < 0)
        return r;
    r = sd_event_add_io(event, &watch->kernel_source, udev_monitor_get_fd(watch->kernel_monitor), EPOLLIN,
                        on_kernel_monitor, watch);
    if (r < 0)
        return r;
    r = sd_event_add_io(event, &watch->udev_source, udev_monitor_get_fd(watch->udev_monitor), EPOLLIN,
                        on_udev_monitor, watch);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&watch);
    return 0;
}

DeviceWatch *device_watch_free(DeviceWatch *watch)
{
    if (!watch)
        return NULL;
    watch->forgotten = true;
    watch->kernel_source = sd_event_source_disable_unref(watch->kernel_source);
    watch->udev_source = sd_event_source_disable_unref(watch->udev_source);
    release(watch);
    return NULL;
}
