/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-give-back.h"

#include <errno.h>

#include "cleanup.h"
#include "kernel-events.h"

static void fail_rebind(const Sequence *sequence, const HeldDevice *held, int error, bool persist)
{
    if (!held_device_is_present(sequence->root_fd, held)) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, held->name, error,
                      "it was removed during the change");
        return;
    }
    if (error == -EEXIST) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, held->name, error,
                      "it was given to another driver than %s", held->driver);
        return;
    }
    sequence_fail(sequence, REFUSAL_REBIND_FAILED, held->name, error, "%s, %s: %s", held->name, held->driver,
                  g_strerror(-error));
    if (persist)
        sequence_broken(sequence, held->name, "%s is without its driver %s", held->name, held->driver);
}

/* A failure that leaves a device without a driver: not one that was taken out, or that somebody else has
 * given a driver. */
static bool is_lost(const Sequence *sequence, const HeldDevice *held, int error)
{
    return error < 0 && error != -EEXIST && held_device_is_present(sequence->root_fd, held);
}

/* The last chance has more patience: whatever the reason, a device is not left lying after one refusal. */
static int bind_one(const Sequence *sequence, HeldDevice *held, bool persist, int events)
{
    uint64_t deadline = sequence_now() + sequence->limits->bind_usec;

    for (unsigned try = 0;; try++) {
        int r = held_device_bind(sequence, held, events);

        if (!persist || try >= 3 || !is_lost(sequence, held, r) || !sequence_back_off(try, deadline))
            return r;
    }
}

static bool bind_all(const Sequence *sequence, const GPtrArray *held, bool persist, int events)
{
    bool back = true;

    for (guint i = held->len; i-- > 0 && (back || persist);) {
        HeldDevice *device = g_ptr_array_index(held, i);
        int r = bind_one(sequence, device, persist, events);

        if (r < 0)
            fail_rebind(sequence, device, r, persist);
        if (is_lost(sequence, device, r))
            back = false;
    }
    return back;
}

static bool settle_all(const Sequence *sequence, const GPtrArray *held, bool persist, int events)
{
    bool back = true;

    for (guint i = held->len; i-- > 0 && (back || persist);) {
        HeldDevice *device = g_ptr_array_index(held, i);
        int r;

        if (!device->given_back)
            continue; /* bind_all() has said why */
        r = held_device_settle(sequence, device, events);
        if (r < 0)
            fail_rebind(sequence, device, r, persist);
        if (is_lost(sequence, device, r))
            back = false;
    }
    return back;
}

static bool restore_overrides(const Sequence *sequence, const GPtrArray *held)
{
    bool restored = true;

    for (guint i = held->len; i-- > 0;) {
        const HeldDevice *device = g_ptr_array_index(held, i);
        int r = -EIO;

        for (unsigned try = 0; try < 3 && r < 0; try++)
            r = held_device_restore_override(sequence, device);
        if (r >= 0 || !held_device_is_present(sequence->root_fd, device))
            continue;
        restored = false;
        sequence_note(sequence, "driver_override of %s could not be given back: %s", device->name,
                      g_strerror(-r));
    }
    return restored;
}

bool change_give_back(const Sequence *sequence, const GPtrArray *held, bool persist, bool *ret_restored)
{
    _cleanup_close_ int events = kernel_events_open();
    bool back;

    back = bind_all(sequence, held, persist, events);
    if (back || persist)
        back = settle_all(sequence, held, persist, events) && back;
    if (!back && !persist)
        return false;
    *ret_restored = restore_overrides(sequence, held);
    return back;
}
