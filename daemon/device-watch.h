/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libudev.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

/*
 * Which devices come, go, are bound and unbound. Two sources: the kernel's own events (for the moment before
 * a driver binds; only messages sent by the kernel are believed) and udev's (when its database has been
 * written). Both are opened before anything is enumerated, so no event falls between.
 */
typedef struct DeviceWatch DeviceWatch;

typedef enum DeviceEvent {
    DEVICE_EVENT_KERNEL_ADD, /* kernel source: before or while a driver binds */
    DEVICE_EVENT_KERNEL_CHANGE, /* kernel source: after its add a virtual function gets the link to its
                                 * physical function, and only then is whole (drivers/pci/iov.c,
                                 * pci_iov_sysfs_link()) */
    DEVICE_EVENT_REMOVE,     /* kernel source */
    DEVICE_EVENT_BIND,       /* kernel source */
    DEVICE_EVENT_UNBIND,     /* kernel source */
    DEVICE_EVENT_UDEV,       /* udev has processed an add, change, bind or move */
    DEVICE_EVENT_USE,        /* something below changed (block, net): a use may have begun or ended */
    DEVICE_EVENT_OVERFLOW,   /* events were lost (ENOBUFS): look at everything again; syspath is NULL. Also
                              * when an IOMMU came or went: groups change then without an event */
} DeviceEvent;

/*
 * SYSPATH is "sys/devices/...". For DEVICE_EVENT_USE it is that of the child. UDEV is borrowed and only
 * given with DEVICE_EVENT_UDEV and USE.
 */
typedef void (*DeviceWatchCallback)(DeviceEvent event, const char *syspath, struct udev_device *udev,
                                    void *userdata);

/*
 * Opens both sources and attaches them to EVENT. Returns 0 or -errno. libudev leaves udev's source deaf if
 * no udevd runs at this moment (/run/udev/control is missing): the unit is ordered after it. WATCH may be
 * freed by the callback.
 */
int device_watch_new(sd_event *event, DeviceWatchCallback callback, void *userdata, DeviceWatch **ret);

DeviceWatch *device_watch_free(DeviceWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceWatch, device_watch_free)
