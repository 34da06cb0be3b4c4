/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <libudev.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include <glib.h>

/* Cleanup of what GLib does not know, on GLib's own g_autoptr, and of file descriptors. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FILE, fclose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus, sd_bus_flush_close_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_slot, sd_bus_slot_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_event, sd_event_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_event_source, sd_event_source_disable_unref)

typedef struct udev UdevContext;
typedef struct udev_device UdevDevice;
typedef struct udev_enumerate UdevEnumerate;
typedef struct udev_monitor UdevMonitor;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevContext, udev_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevDevice, udev_device_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevEnumerate, udev_enumerate_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevMonitor, udev_monitor_unref)

/* Closes FD if it is one; errno is kept. Returns -EBADF, so that `fd = safe_close(fd)` reads well. */
static inline int safe_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        (void) close(fd);
    errno = saved;
    return -EBADF;
}

static inline void cleanup_close(int *fd)
{
    *fd = safe_close(*fd);
}

/* A file descriptor that is closed when its variable leaves scope; initialise it with -EBADF. */
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))

/* Hands a file descriptor over: the variable no longer owns it. */
#define TAKE_FD(fd)            \
    ({                         \
        int *_fdp_ = &(fd);    \
        int _fd_ = *_fdp_;     \
        *_fdp_ = -EBADF;       \
        _fd_;                  \
    })

/* sd_event_source, sd_bus_slot and friends: replace what VAR holds by nothing. */
#define CLEAR_SOURCE(var) ((var) = sd_event_source_disable_unref(var))
#define CLEAR_SLOT(var) ((var) = sd_bus_slot_unref(var))
