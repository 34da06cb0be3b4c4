/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held-device.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "children.h"
#include "cleanup.h"
#include "iommu-policy-names.h"
#include "kernel-events.h"
#include "sysfs.h"

#define CLASS_MASS_STORAGE 0x01u
#define CLASS_NETWORK 0x02u

/*
 * A card comes back as eth0; udev gives it its name again some milliseconds later, or, if it is overrun,
 * never.
 */
#define RENAME_USEC (2 * G_USEC_PER_SEC)

/*
 * How long a driver that asks to be tried again is obeyed. Who needs longer for one answer has tried itself:
 * a probe of nvme whose controller is silent says EIO after a minute.
 */
#define TRANSIENT_USEC (5 * G_USEC_PER_SEC)

/* include/linux/errno.h of the kernel; it is not meant for user space, but old kernels let it out of
 * `bind`. */
#define KERNEL_EPROBE_DEFER 517

HeldDevice *held_device_new(const char *bus, const char *name, const char *syspath)
{
    HeldDevice *held = g_new0(HeldDevice, 1);

    held->bus = g_strdup(bus);
    held->name = g_strdup(name);
    held->syspath = g_strdup(syspath);
    held->vendor = held->device = held->class_code = FACT_NO_ID;
    held->dir_fd = -EBADF;
    return held;
}

void held_device_free(HeldDevice *held)
{
    if (!held)
        return;
    g_free(held->bus);
    g_free(held->name);
    g_free(held->syspath);
    g_free(held->driver);
    g_free(held->driver_override);
    g_clear_pointer(&held->children, g_ptr_array_unref);
    g_clear_pointer(&held->children_now, g_ptr_array_unref);
    g_clear_pointer(&held->nodes, g_array_unref);
    g_clear_pointer(&held->controllers, g_ptr_array_unref);
    g_strfreev(held->entries);
    safe_close(held->dir_fd);
    g_free(held);
}

bool held_device_is_present(int root_fd, const HeldDevice *held)
{
    uint64_t inode;

    return sysfs_inode(root_fd, held->syspath, &inode) >= 0 && inode == held->inode;
}

int held_device_open(int root_fd, HeldDevice *held)
{
    int fd = device_open(root_fd, held->syspath, held->inode);

    if (fd < 0)
        return fd;
    safe_close(held->dir_fd);
    held->dir_fd = fd;
    return 0;
}

int held_device_driver(const HeldDevice *held, char **ret)
{
    int r = sysfs_link_name(held->dir_fd, "driver", ret);

    if (r == -ENOENT) {
        *ret = NULL;
        return 0;
    }
    return r;
}

bool held_device_has_driver(const HeldDevice *held)
{
    g_autofree char *driver = NULL;

    return held_device_driver(held, &driver) >= 0 && g_strcmp0(driver, held->driver) == 0;
}

static int write_override(const Sequence *sequence, const HeldDevice *held, const char *driver)
{
    /* An empty write does nothing; a newline alone clears (drivers/base/driver.c, driver_set_override()). */
    return sequence_write(sequence, held->dir_fd, "driver_override", driver ?: "\n");
}

static bool is_token(const char *override)
{
    return g_strcmp0(override, IOMMU_POLICY_OVERRIDE_TOKEN) == 0;
}

int held_device_read_override(HeldDevice *held, char **ret_other)
{
    g_autofree char *override = NULL;
    int r;

    r = device_read_override(held->dir_fd, &override);
    held->has_driver_override = r != -ENOENT;
    if (r < 0)
        return held->has_driver_override ? r : 0;
    if (is_token(override))
        g_clear_pointer(&override, g_free);
    if (override && g_strcmp0(override, held->driver) != 0) {
        *ret_other = g_steal_pointer(&override);
        return -EBUSY;
    }
    g_free(held->driver_override);
    held->driver_override = g_steal_pointer(&override);
    return 0;
}

/*
 * Our token where nobody has said anything, and where we said the driver's name in a bind that is now
 * undone. An override that was set before the change stays: it names the driver to which the device goes
 * back.
 */
static int hold_override(const Sequence *sequence, const HeldDevice *held)
{
    g_autofree char *override = NULL;
    int r;

    if (!held->has_driver_override || held->driver_override)
        return 0;
    r = device_read_override(held->dir_fd, &override);
    if (r < 0)
        return r;
    if (is_token(override) || (override && g_strcmp0(override, held->driver) != 0))
        return 0;
    return write_override(sequence, held, IOMMU_POLICY_OVERRIDE_TOKEN);
}

/* The driver's name in place of our token, so that only this driver matches. */
static int offer_to_driver(const Sequence *sequence, const HeldDevice *held)
{
    g_autofree char *override = NULL;
    int r;

    if (!held->has_driver_override)
        return 0;
    r = device_read_override(held->dir_fd, &override);
    if (r < 0)
        return r;
    return is_token(override) ? write_override(sequence, held, held->driver) : 0;
}

int held_device_restore_override(const Sequence *sequence, const HeldDevice *held)
{
    g_autofree char *override = NULL;
    int r;

    if (!held->has_driver_override)
        return 0;
    r = device_read_override(held->dir_fd, &override);
    if (r < 0)
        return r;
    if (!override || (!is_token(override) && g_strcmp0(override, held->driver) != 0))
        return 0;
    if (g_strcmp0(override, held->driver_override) == 0)
        return 0;
    return write_override(sequence, held, held->driver_override);
}

/*
 * The name was taken over by a new device between our look and our write, and the write may have hit that
 * one: the kernel is asked to find it a driver. Not we: it is none of ours.
 */
static void probe_successor(const Sequence *sequence, const HeldDevice *held)
{
    g_autofree char *probe = g_strdup_printf("sys/bus/%s/drivers_probe", held->bus);

    (void) sequence_write(sequence, sequence->root_fd, probe, held->name);
    sequence_note(sequence, "%s was replaced by another device during the change", held->name);
}

/* Which of the ENTRIES of the directory before went away with the driver. What is renumbered each time
 * keeps its stem: usb3 is usb1 again. */
static char **entries_gone(const HeldDevice *held, char **before)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    g_auto(GStrv) now = NULL;

    if (sysfs_list(held->dir_fd, ".", &now) < 0)
        return NULL;
    for (char **entry = before; *entry; entry++)
        if (!g_strv_contains((const char *const *) now, *entry) && !g_str_equal(*entry, "driver") &&
            !strchr(*entry, ':'))
            g_ptr_array_add(gone, g_strdup(*entry));
    g_ptr_array_add(gone, NULL);
    return (char **) g_ptr_array_steal(gone, NULL);
}

static bool same_stem(const char *a, const char *b)
{
    size_t length_a = strlen(a), length_b = strlen(b);

    while (length_a > 0 && g_ascii_isdigit(a[length_a - 1]))
        length_a--;
    while (length_b > 0 && g_ascii_isdigit(b[length_b - 1]))
        length_b--;
    return length_a == length_b && memcmp(a, b, length_a) == 0;
}

static bool entries_are_back(const HeldDevice *held)
{
    g_auto(GStrv) now = NULL;

    if (sysfs_list(held->dir_fd, ".", &now) < 0)
        return false;
    for (char **entry = held->entries; *entry; entry++) {
        bool found = false;

        for (char **candidate = now; *candidate && !found; candidate++)
            found = same_stem(*entry, *candidate);
        if (!found)
            return false;
    }
    return true;
}

/*
 * `bind` and `unbind` take a name, not a descriptor: whose it is is looked at with the file already open, so
 * that only a re-plug between that look and the write can make it another device's.
 */
static int write_name(const Sequence *sequence, const HeldDevice *held, int dir_fd, const char *path)
{
    _cleanup_close_ int fd = sysfs_open_write(dir_fd, path);

    if (!held_device_is_present(sequence->root_fd, held))
        return -ENODEV;
    return fd < 0 ? fd : sequence_write_fd(sequence, fd, held->name);
}

/*
 * The driver that was recorded is asked to let go, not the one that the device has: what others have given
 * to another driver since the look is not ours to unbind.
 */
int held_device_unbind(const Sequence *sequence, HeldDevice *held)
{
    g_autofree char *unbind = g_strdup_printf("sys/bus/%s/drivers/%s/unbind", held->bus, held->driver);
    g_autofree char *before = NULL, *after = NULL;
    g_auto(GStrv) entries = NULL;
    int r, look;

    if (!held_device_is_present(sequence->root_fd, held))
        return -ENODEV;
    r = held_device_driver(held, &before);
    if (r < 0)
        return r;
    if (g_strcmp0(before, held->driver) != 0)
        return -ESTALE;
    r = hold_override(sequence, held);
    if (r < 0)
        return r;
    if (held->children && held->children->len == 0 && !held->entries)
        (void) sysfs_list(held->dir_fd, ".", &entries);

    held->given_back = false;
    sequence_step(sequence, sequence->limits->unbind_usec, "unbind %s", held->name);
    r = write_name(sequence, held, sequence->root_fd, unbind);

    /* Look what it did rather than what it said. */
    if (!held_device_is_present(sequence->root_fd, held)) {
        if (r >= 0)
            probe_successor(sequence, held);
        return -ENODEV;
    }
    look = held_device_driver(held, &after);
    if (look < 0)
        return look;
    if (after && !g_str_equal(after, held->driver))
        return -ESTALE;
    if (after)
        return r < 0 ? r : -EBUSY;
    if (entries)
        held->entries = entries_gone(held, entries);
    return 0;
}

/* The kernel means "later", or the device was not ready yet; seen right after an unbind on real hardware. */
static bool is_transient(int error)
{
    return error == -EAGAIN || error == -EIO || error == -ETIMEDOUT || error == -KERNEL_EPROBE_DEFER;
}

/*
 * The driver's module was removed while the device was held. A synthetic `add` makes udev load it again; as
 * the override names this driver, the module takes the device by itself when it comes.
 */
static int summon_driver(const Sequence *sequence, const HeldDevice *held, int events, uint64_t deadline)
{
    int r;

    sequence_step(sequence, sequence->limits->probe_usec, "wait for driver %s", held->driver);
    r = sequence_write(sequence, held->dir_fd, "uevent", "add");
    if (r < 0)
        return r;
    deadline = MIN(deadline, sequence_now() + sequence->limits->probe_usec);
    while (!held_device_has_driver(held)) {
        r = kernel_events_wait(events, held->syspath, deadline);
        if (r < 0)
            return r;
    }
    return 0;
}

static int try_bind(const Sequence *sequence, const HeldDevice *held, int events, uint64_t deadline)
{
    g_autofree char *bind = g_strdup_printf("sys/bus/%s/drivers/%s/bind", held->bus, held->driver);
    int r;

    r = write_name(sequence, held, sequence->root_fd, bind);
    if (r == -ENOENT && !held_device_has_driver(held))
        r = summon_driver(sequence, held, events, deadline);
    if (held_device_has_driver(held))
        return 0;
    return r < 0 ? r : -ENODEV;
}

static int bind_unbound(const Sequence *sequence, const HeldDevice *held, int events)
{
    uint64_t start = sequence_now(), deadline = start + sequence->limits->bind_usec;
    int r;

    r = offer_to_driver(sequence, held);
    if (r < 0)
        return r;
    sequence_step(sequence, sequence->limits->bind_usec, "bind %s", held->name);
    for (unsigned try = 0;; try++) {
        r = try_bind(sequence, held, events, deadline);
        if (r >= 0 || !is_transient(r) || !sequence_back_off(try, MIN(deadline, start + TRANSIENT_USEC)))
            return r;
    }
}

/* driver_override was written by others meanwhile, so that no driver but theirs can have the device. */
static bool is_promised_to_others(const HeldDevice *held)
{
    g_autofree char *override = NULL;

    return held->has_driver_override && device_read_override(held->dir_fd, &override) >= 0 && override &&
           !is_token(override) && g_strcmp0(override, held->driver) != 0;
}

/*
 * The device goes to whom it was promised. He may have tried himself, too early: the kernel probes nothing
 * while a driver is being unbound (drivers/base/bus.c, bus_rescan_devices_helper()), and does not say so.
 */
static void probe_for_others(const Sequence *sequence, const HeldDevice *held)
{
    g_autofree char *probe = g_strdup_printf("sys/bus/%s/drivers_probe", held->bus);

    (void) write_name(sequence, held, sequence->root_fd, probe);
}

int held_device_bind(const Sequence *sequence, HeldDevice *held, int events)
{
    g_autofree char *driver = NULL;
    int r;

    if (!held_device_is_present(sequence->root_fd, held))
        return -ENODEV;
    r = held_device_driver(held, &driver);
    if (r < 0)
        return r;
    if (driver && !g_str_equal(driver, held->driver))
        return -EEXIST;
    if (!driver)
        r = bind_unbound(sequence, held, events);
    if (r == -ENODEV && is_promised_to_others(held)) {
        probe_for_others(sequence, held);
        r = -EEXIST;
    }
    held->given_back = r >= 0;
    return r;
}

/* After a crash nobody knows what was there: a disk controller should have a disk again and a network
 * card an interface. */
static bool works_again_unknown(const HeldDevice *held, const GPtrArray *now)
{
    uint32_t base = held->class_code == FACT_NO_ID ? 0 : held->class_code >> 16;

    if (base == CLASS_MASS_STORAGE)
        return children_have(now, false);
    if (base == CLASS_NETWORK)
        return children_have(now, true);
    return true;
}

/* An NVMe controller has its nodes before its probe has ended, and says itself how far that is
 * (drivers/nvme/host/sysfs.c, nvme_sysfs_show_state()). */
static bool controllers_are_live(const HeldDevice *held)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(held->dir_fd, "nvme", &names) < 0)
        return true;
    for (char **name = names; *name; name++) {
        g_autofree char *path = g_strdup_printf("nvme/%s/state", *name);
        g_autofree char *state = NULL;

        if (sysfs_read(held->dir_fd, path, &state) < 0 || !g_str_equal(state, "live"))
            return false;
    }
    return true;
}

/*
 * True if all that can be seen of the device is as it was before the unbind. Where nothing was to be seen,
 * the return of `bind` itself is the proof, but for disk controllers: of these one is known to fail later.
 */
static bool works_again(int root_fd, HeldDevice *held)
{
    g_clear_pointer(&held->children_now, g_ptr_array_unref);
    if (children_read(root_fd, held->syspath, &held->children_now) < 0)
        return false;
    if (!held->children)
        return works_again_unknown(held, held->children_now);
    if (held->children->len > 0)
        return children_are_back(held->children, held->children_now);
    if (held->entries && held->entries[0])
        return entries_are_back(held) && controllers_are_live(held);
    return held->class_code == FACT_NO_ID || held->class_code >> 16 != CLASS_MASS_STORAGE;
}

/* True while udev has still to give an interface the name it had; without udev nobody would. */
static bool awaits_name(int root_fd, const HeldDevice *held)
{
    return held->children && faccessat(root_fd, "run/udev/control", F_OK, 0) >= 0 &&
           !children_have_names(held->children, held->children_now);
}

/*
 * `bind` returning without an error proves little: on Linux 6.1 the nvme driver goes on probing behind its
 * back, the order of events is add of the controller, `bind`, add of the disk, and up to a minute later a
 * failed probe ends in an `unbind` that nobody is told about. From 6.12 on the same driver probes inside
 * `bind`, and the `bind` event comes last.
 *
 * So this is waited for, in the order of what it proves: the disks and interfaces that were there before (as
 * many; the names of disks may differ): at once on 6.12, after some 100 ms on 6.1; for a device that had
 * none: the entries of its sysfs directory that its driver had made (usb1, drm, sound), an NVMe controller
 * among them live; for a disk controller where neither says anything: that it keeps its driver until
 * ProbeSec is over. The link is looked at each time; when it goes, the probe has failed. Events only wake.
 */
int held_device_settle(const Sequence *sequence, HeldDevice *held, int events)
{
    uint64_t deadline = sequence_now() + sequence->limits->probe_usec;
    bool told = false, works = false;

    for (;;) {
        int r;

        if (!held_device_has_driver(held))
            return held_device_is_present(sequence->root_fd, held) ? -EIO : -ENODEV;
        if (works_again(sequence->root_fd, held)) {
            if (!awaits_name(sequence->root_fd, held))
                return 0;
            if (!works)
                deadline = MIN(deadline, sequence_now() + RENAME_USEC);
            works = true;
        }
        if (!told)
            sequence_step(sequence, sequence->limits->probe_usec, "wait for %s", held->name);
        told = true;
        r = kernel_events_wait(events, held->syspath, deadline);
        if (r == -ETIMEDOUT)
            return held_device_has_driver(held) ? 0 : -EIO;
        if (r < 0)
            return r;
    }
}
