/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "device.h"

/*
 * Keeps drivers from virtual functions while these appear, so that their types can be written first.
 *
 * Whoever makes virtual functions opens sriov_numvfs of their physical function, which inotify(7) tells
 * at once; the kernel then waits for 100 ms before the first of them is there (sriov_enable(),
 * drivers/pci/iov.c). So sriov_drivers_autoprobe is 0 from that open on, until the file has been closed,
 * no write to it is under way any more, and the types of those that have appeared are settled; then it
 * is again what it was, and the kernel is told to look for their drivers. Where the administrator's own
 * setting is 0, nothing is held and nothing is bound.
 *
 * Before the 0 a record is written (autoprobe-record.h), and it is removed last of all: whatever is
 * killed, the setting comes back, at the next start or by ExecStopPost=.
 */
typedef struct AutoprobeHolds AutoprobeHolds;

typedef struct AutoprobeCallbacks {
    /* NAMES have appeared at the physical function KEY, and no driver may bind to them until
     * autoprobe_holds_release() with this KEY and ROUND, or some time has passed. NULL: released at once. */
    void (*appeared)(const char *key, unsigned round, char **names, void *userdata);
    /* Nothing is held any more. May be NULL. */
    void (*idle)(void *userdata);
} AutoprobeCallbacks;

/* Returns 0 with *ret owned by the caller, or -errno. */
int autoprobe_holds_new(sd_event *event, int root_fd, const AutoprobeCallbacks *callbacks, void *userdata,
                        AutoprobeHolds **ret);

/* From now on, or (WANTED false) no longer, holds the virtual functions of DEVICE at SYSPATH; a hold
 * that has begun comes to its end. Returns 0 or -errno; -ENODEV: it is gone. */
int autoprobe_holds_watch(AutoprobeHolds *holds, const char *syspath, const Device *device, bool wanted);

/* The physical function KEY is gone, and its setting with it. */
void autoprobe_holds_forget(AutoprobeHolds *holds, const char *key);

/* Brings what an earlier daemon has held to its end. Returns 0, or -errno of listing. */
int autoprobe_holds_recover(AutoprobeHolds *holds);

/* The types are settled, or will not be. */
void autoprobe_holds_release(AutoprobeHolds *holds, const char *key, unsigned round);

bool autoprobe_holds_are_idle(const AutoprobeHolds *holds);

/* Puts back every setting; the records of holds that had not ended stay, for who binds the drivers then. */
AutoprobeHolds *autoprobe_holds_free(AutoprobeHolds *holds);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AutoprobeHolds, autoprobe_holds_free)
