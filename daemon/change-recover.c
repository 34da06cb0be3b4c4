/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-recover.h"

#include <errno.h>

#include "change-give-back.h"
#include "cleanup.h"
#include "findings.h"
#include "group.h"
#include "record.h"
#include "stub-probe.h"

/*
 * What a killed change left behind: every device that was recorded with a driver and has none gets that
 * driver back, and driver_override what it said. Read from what is there, not from how far the change had
 * come, so it can be killed and run again. The type stays as it is: both are good.
 */

static HeldDevice *held_from_record(const RecordMember *entry, const char *syspath)
{
    HeldDevice *held = held_device_new(entry->bus, entry->name, syspath);

    held->inode = entry->inode;
    held->vendor = entry->vendor;
    held->device = entry->device;
    held->class_code = entry->class_code;
    held->driver = g_strdup(entry->driver);
    held->has_driver_override = entry->has_driver_override;
    held->driver_override = g_strdup(entry->driver_override);
    return held;
}

/* Appends the device of ENTRY to LIST, opened, if it is still that one; a note says if not. Returns
 * -errno if that cannot be told. */
static int find_recorded(const Sequence *sequence, const RecordMember *entry, GPtrArray *list)
{
    g_autoptr(HeldDevice) held = NULL;
    g_autofree char *syspath = NULL;
    int r;

    r = device_find(sequence->root_fd, entry->bus, entry->name, &syspath);
    if (r >= 0) {
        held = held_from_record(entry, syspath);
        r = held_device_open(sequence->root_fd, held);
    }
    if (r == -ENODEV) {
        sequence_note(sequence, "%s is gone, or another device now", entry->name);
        return 0;
    }
    if (r < 0)
        return r;
    g_ptr_array_add(list, g_steal_pointer(&held));
    return 0;
}

static bool lacks_driver(const HeldDevice *held)
{
    g_autofree char *driver = NULL;

    return held_device_driver(held, &driver) >= 0 && !driver;
}

static int has_vfio_driver(const Sequence *sequence, char **members)
{
    for (char **member = members; *member; member++) {
        g_autoptr(Device) device = NULL;
        int r = device_read(sequence->root_fd, *member, NULL, &device);

        if (r < 0)
            return r;
        if (device->driver && driver_is_vfio(device->driver))
            return 1;
    }
    return 0;
}

static bool tells_owner(const Finding *finding)
{
    return finding->kind == FINDING_OWNER || finding->severity > FINDING_DISRUPTIVE;
}

/*
 * True if a user-space driver owns a member of the group through VFIO: binding a kernel driver beside it
 * crashes Linux 5.15 (BUG_ON in drivers/vfio/vfio.c) and is refused by later ones. Where a member has such a
 * driver, what cannot be told counts as owned.
 */
static bool has_owner(const Sequence *sequence, unsigned group)
{
    g_autoptr(GPtrArray) findings = NULL;
    g_auto(GStrv) members = NULL;
    int r;

    r = group_list_members(sequence->root_fd, group, &members);
    if (r >= 0)
        r = has_vfio_driver(sequence, members);
    if (r == 0)
        return false;
    if (r > 0)
        r = findings_collect(sequence->root_fd, members, FINDINGS_OWNER_ONLY, &findings);
    if (r < 0) {
        sequence_fail(sequence, REFUSAL_OWNED_BY_USER, NULL, r,
                      "it cannot be told whether a member is in use");
        return true;
    }
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        if (tells_owner(finding)) {
            sequence_fail(sequence, REFUSAL_OWNED_BY_USER, finding->member, 0, "%s", finding->text);
            return true;
        }
    }
    return false;
}

/* The group HELD is in now: numbers are reused, so the recorded one proves nothing. */
static int current_group(const Sequence *sequence, const HeldDevice *held, unsigned *ret)
{
    g_autoptr(Device) device = NULL;
    int r;

    r = device_read(sequence->root_fd, held->syspath, NULL, &device);
    if (r < 0)
        return r;
    if (device->group < 0)
        return -ENODEV;
    *ret = (unsigned) device->group;
    return 0;
}

static bool give_back(const Sequence *sequence, const GPtrArray *held)
{
    bool restored = false, lacking = false, back;
    unsigned group;
    int r;

    for (guint i = 0; i < held->len; i++)
        lacking |= lacks_driver(g_ptr_array_index(held, i));
    r = current_group(sequence, g_ptr_array_index(held, 0), &group);
    if (lacking && r != -ENODEV && (r < 0 || has_owner(sequence, group))) {
        sequence_broken(sequence, NULL, "a member waits for its driver until its neighbour is released");
        return false;
    }
    back = change_give_back(sequence, held, true, &restored);
    if (back && !restored)
        sequence_fail(sequence, REFUSAL_INTERNAL, NULL, 0,
                      "driver_override of a member still says what the interrupted change wrote; its record "
                      "stays");
    return back && restored;
}

static int recover(const Sequence *sequence, const char *key, const Record *record)
{
    g_autoptr(GPtrArray) held = g_ptr_array_new_with_free_func((GDestroyNotify) held_device_free);
    unsigned group;
    int r = 0;

    sequence->result->how = CHANGE_DISRUPTIVE;
    for (guint i = 0; i < record->members->len && r >= 0; i++) {
        const RecordMember *entry = g_ptr_array_index(record->members, i);

        if (entry->unbinds && entry->driver)
            r = find_recorded(sequence, entry, held);
    }
    if (r < 0)
        return r;
    if (held->len > 0) {
        if (!give_back(sequence, held)) {
            sequence->result->broken = true;
            return 0;
        }
        if (current_group(sequence, g_ptr_array_index(held, 0), &group) >= 0)
            (void) group_read_type(sequence->root_fd, group, &sequence->result->type);
    }
    return record_remove(sequence->root_fd, key);
}

/* What the early pass has lent has no driver to go back to: the kernel finds it one. */
static int end_loan(const Sequence *sequence, const char *key, const Record *record)
{
    int r = stub_probe_end(sequence->root_fd, key, record);

    if (r < 0)
        sequence_fail(sequence, REFUSAL_INTERNAL, key, r, "it is still lent to pci-stub: %s",
                      g_strerror(-r));
    return 0;
}

int change_recover_locked(const Sequence *sequence, const char *key)
{
    g_autofree char *error = NULL, *boot_id = NULL;
    g_autoptr(Record) record = NULL;
    int r;

    r = record_load(sequence->root_fd, key, &record, &error);
    if (r < 0) {
        if (r != -ENOENT)
            sequence_fail(sequence, REFUSAL_INTERNAL, key, r, "%s", error ?: g_strerror(-r));
        return r;
    }
    g_free(sequence->result->object);
    sequence->result->object = record->lent ? g_strdup(key) : g_strdup_printf("group %u", record->group);
    r = record_boot_id(sequence->root_fd, &boot_id);
    if (r < 0)
        return r;
    if (g_strcmp0(boot_id, record->boot_id) != 0) {
        sequence_note(sequence, "the record %s is of another boot and was removed", key);
        return record_remove(sequence->root_fd, key);
    }
    return record->lent ? end_loan(sequence, key, record) : recover(sequence, key, record);
}

int transaction_recover(int root_fd, const char *key, const ChangeLimits *limits, ChangeStep step,
                        void *userdata, ChangeResult **ret)
{
    g_autoptr(ChangeResult) result = change_result_new();
    _cleanup_close_ int lock = -EBADF;
    uint64_t start = sequence_now();
    Sequence sequence = {
        .root_fd = root_fd,
        .limits = limits,
        .step = step,
        .userdata = userdata,
        .result = result,
    };
    int r;

    lock = record_lock(root_fd, key, false);
    if (lock < 0)
        return lock;
    sequence.lock_fd = lock;
    sequence_begin(&sequence);
    record_lock_note(lock, "look at the devices", sequence_now() + limits->unbind_usec);
    r = change_recover_locked(&sequence, key);
    sequence_end(&sequence);
    result->total_usec = sequence_now() - start;
    if (r < 0 && r != -EBADMSG)
        return r;
    *ret = g_steal_pointer(&result);
    return r;
}
