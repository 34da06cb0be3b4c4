/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <string.h>

#include "cleanup.h"
#include "group.h"
#include "log.h"
#include "sysfs.h"
#include "udev-facts.h"

/* Events come in bursts: one look for all of them. */
#define SETTLE_USEC (200 * G_GUINT64_CONSTANT(1000))
/* Devices that are looked up in udev's database before the loop is asked whether something else is to be
 * done. */
#define UDEV_AT_ONCE 32

/* --- the dirty set */

static void forget_use(ManagedGroup *group)
{
    if (group->tried_in_use)
        managed_group_forget_tries(group);
    managed_group_forget_use(group);
}

static void look_at(Manager *manager, ManagedGroup *group, unsigned work)
{
    if (group->changing) {
        group->events_missed = true;
        return;
    }
    if (work & DIRTY_USE)
        forget_use(group);
    if (work & DIRTY_READ)
        manager_read_group(manager, group);
    else
        manager_evaluate(manager, group);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
    Manager *manager = userdata;
    g_autoptr(GHashTable) dirty = g_steal_pointer(&manager->dirty);
    GHashTableIter iter;
    gpointer id, work;

    manager->dirty = g_hash_table_new(NULL, NULL);
    CLEAR_SOURCE(manager->settle_timer);
    g_hash_table_iter_init(&iter, dirty);
    while (g_hash_table_iter_next(&iter, &id, &work)) {
        ManagedGroup *group = manager_group(manager, GPOINTER_TO_UINT(id));

        if (group)
            look_at(manager, group, GPOINTER_TO_UINT(work));
    }
    manager_count_untranslated(manager);
    return 0;
}

static void wait_to_settle(Manager *manager)
{
    if (!manager->settle_timer)
        (void) sd_event_add_time_relative(manager->event, &manager->settle_timer, CLOCK_MONOTONIC,
                                          SETTLE_USEC, 0, on_settled, manager);
}

void manager_set_dirty(Manager *manager, unsigned group, DirtyWork work)
{
    unsigned before = GPOINTER_TO_UINT(g_hash_table_lookup(manager->dirty, GUINT_TO_POINTER(group)));

    g_hash_table_insert(manager->dirty, GUINT_TO_POINTER(group), GUINT_TO_POINTER(before | work));
    wait_to_settle(manager);
}

/* --- devices and their groups */

static ManagedGroup *group_for(Manager *manager, int id)
{
    ManagedGroup *group;

    if (id < 0)
        return NULL;
    group = manager_group(manager, (unsigned) id);
    if (!group) {
        group = managed_group_new(manager, (unsigned) id);
        g_hash_table_insert(manager->groups, GUINT_TO_POINTER(group->id), group);
    }
    return group;
}

/* The members of GROUP are about to be others: what a call asked for ends, also if they will once be the
 * same again. While the daemon starts it finds them one by one, and call_store_find() compares. */
static void end_call(Manager *manager, const ManagedGroup *group)
{
    if (!manager->starting && group->key)
        (void) call_store_drop(manager->calls, group->key);
}

static void leave_group(Manager *manager, ManagedDevice *device)
{
    ManagedGroup *group =
        device->device->group < 0 ? NULL : manager_group(manager, (unsigned)device->device->group);

    if (!group)
        return;
    end_call(manager, group);
    if (!managed_group_remove_member(group, device))
        return;
    if (group->members->len == 0) {
        manager_forget_group(manager, group);
        return;
    }
    manager_touch(manager, group);
    manager_set_dirty(manager, group->id, DIRTY_READ);
}

static void forget_device(Manager *manager, ManagedDevice *device)
{
    leave_group(manager, device);
    if (device->device->group < 0)
        wait_to_settle(manager);
    autoprobe_holds_forget(manager->autoprobe_holds, device->key);
    notify_device(manager, device, false);
    g_hash_table_remove(manager->by_path, device->syspath);
    g_hash_table_remove(manager->devices, device->key);
}

static ManagedDevice *device_at(const Manager *manager, const char *syspath)
{
    return g_hash_table_lookup(manager->by_path, syspath);
}

/* A device of the same name elsewhere, whose removal was not heard of. */
static void forget_namesake(Manager *manager, const Device *device)
{
    g_autofree char *key = device_key(device);
    ManagedDevice *older = manager_device(manager, key);

    if (older)
        forget_device(manager, older);
}

ManagedDevice *manager_update_device(Manager *manager, const char *syspath)
{
    ManagedDevice *managed = device_at(manager, syspath);
    g_autoptr(Device) device = NULL;
    ManagedGroup *group;
    bool is_new = false;

    if (device_read(manager->root_fd, syspath, managed ? managed->device : NULL, &device) < 0) {
        if (managed)
            forget_device(manager, managed);
        return NULL;
    }
    if (managed && (managed->device->inode != device->inode || managed->device->group != device->group)) {
        /* The same name, another device: nothing of the old one is true of it. */
        if (managed->device->inode != device->inode) {
            forget_device(manager, managed);
            managed = NULL;
        } else {
            leave_group(manager, managed);
        }
    }
    if (!managed && device->group < 0 && !g_str_equal(device->facts->bus, "pci"))
        return NULL;
    if (!managed)
        forget_namesake(manager, device);
    group = group_for(manager, device->group);
    if (managed) {
        if (group && g_strcmp0(managed->device->driver, device->driver) != 0)
            group->changed |= GROUP_LIVE_TYPES;
        manager_saw_kernel_features(manager, kernel_features_of_device(managed->device, device));
        managed_device_set(managed, g_steal_pointer(&device));
    } else {
        is_new = !manager->starting;
        managed = managed_device_new(g_steal_pointer(&device), syspath);
        g_hash_table_replace(manager->devices, managed->key, managed);
        g_hash_table_replace(manager->by_path, managed->syspath, managed);
        g_queue_push_tail(&manager->udev_pending, g_strdup(managed->key));
        notify_device(manager, managed, true);
        manager_judge_function(manager, managed);
    }
    if (group) {
        if (!g_ptr_array_find(group->members, managed, NULL))
            end_call(manager, group);
        (void) managed_group_add_member(group, managed);
        group->has_newcomer |= is_new;
        if (!manager->starting)
            manager_announce(manager, group);
        manager_touch(manager, group);
    }
    return managed;
}

void manager_reread_members(Manager *manager, ManagedGroup *group)
{
    unsigned id = group->id;
    g_auto(GStrv) paths = g_new0(char *, group->members->len + 1);

    for (guint i = 0; i < group->members->len; i++)
        paths[i] = g_strdup(((const ManagedDevice *) group->members->pdata[i])->syspath);
    for (char **path = paths; *path && manager_group(manager, id); path++)
        (void) manager_update_device(manager, *path);
}

/* --- what udev knows, asked when nothing else is to be done: the name for people always, the rest if rules
 * ask for it */

static void ask_udev_about(Manager *manager, const char *key)
{
    ManagedDevice *managed = manager_device(manager, key);
    const ManagedGroup *group = managed && managed->device->group >= 0
        ? manager_group(manager, (unsigned) managed->device->group) : NULL;

    if (!managed || udev_facts_read(manager->root_fd, manager->rules_are_late, managed->device) < 0)
        return;
    managed->changed |= DEVICE_MODEL_NAME;
    if (!group)
        return;
    manager_touch(manager, group);
    if (manager->rules_are_late)
        manager_set_dirty(manager, (unsigned) managed->device->group, DIRTY_DECIDE);
}

static int on_udev_pending(sd_event_source *source, void *userdata)
{
    Manager *manager = userdata;

    for (unsigned i = 0; i < UDEV_AT_ONCE; i++) {
        g_autofree char *key = g_queue_pop_head(&manager->udev_pending);

        if (!key) {
            CLEAR_SOURCE(manager->udev_source);
            return 0;
        }
        ask_udev_about(manager, key);
    }
    return 0;
}

static void start_asking_udev(Manager *manager)
{
    if (!manager->watch || manager->udev_source || g_queue_is_empty(&manager->udev_pending))
        return;
    if (sd_event_add_defer(manager->event, &manager->udev_source, on_udev_pending, manager) < 0)
        return;
    (void) sd_event_source_set_enabled(manager->udev_source, SD_EVENT_ON);
    (void) sd_event_source_set_priority(manager->udev_source, SD_EVENT_PRIORITY_IDLE);
}

void manager_ask_udev(Manager *manager)
{
    GHashTableIter iter;
    gpointer key;

    g_queue_clear_full(&manager->udev_pending, g_free);
    g_hash_table_iter_init(&iter, manager->devices);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_queue_push_tail(&manager->udev_pending, g_strdup(key));
    start_asking_udev(manager);
}

/* --- all of them */

static int enumerate_groups(Manager *manager, GHashTable *seen)
{
    g_autoptr(GArray) ids = NULL;
    int r = group_list(manager->root_fd, &ids);

    if (r < 0)
        return r;
    for (guint i = 0; i < ids->len; i++) {
        g_auto(GStrv) members = NULL;

        if (group_list_members(manager->root_fd, g_array_index(ids, unsigned, i), &members) < 0)
            continue; /* it has gone since */
        for (char **member = members; *member; member++)
            if (manager_update_device(manager, *member))
                g_hash_table_add(seen, g_strdup(*member));
    }
    return 0;
}

/* PCI devices without a group: nothing translates for them, which rules may have something to say about. */
static void enumerate_untranslated(Manager *manager, GHashTable *seen)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(manager->root_fd, "sys/bus/pci/devices", &names) < 0)
        return;
    for (char **name = names; *name; name++) {
        g_autofree char *key = g_strdup_printf("pci:%s", *name), *syspath = NULL;
        const ManagedDevice *known = manager_device(manager, key);

        if (known && g_hash_table_contains(seen, known->syspath))
            continue;
        if (device_find(manager->root_fd, "pci", *name, &syspath) >= 0 &&
            manager_update_device(manager, syspath))
            g_hash_table_add(seen, g_steal_pointer(&syspath));
    }
}

int manager_enumerate(Manager *manager)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    GHashTableIter iter;
    gpointer path, device;
    int r;

    r = enumerate_groups(manager, seen);
    if (r < 0)
        return r;
    enumerate_untranslated(manager, seen);
    g_hash_table_iter_init(&iter, manager->by_path);
    while (g_hash_table_iter_next(&iter, &path, &device))
        if (!g_hash_table_contains(seen, path))
            g_ptr_array_add(gone, device);
    for (guint i = 0; i < gone->len; i++)
        forget_device(manager, gone->pdata[i]);
    start_asking_udev(manager);
    return 0;
}

void manager_count_untranslated(Manager *manager)
{
    unsigned count = 0;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, manager->devices);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const ManagedDevice *managed = value;

        if (managed->device->group < 0 && !managed->device->is_iommu &&
            decision_untranslated(manager->rules, manager->host->facts, managed->device->facts, NULL))
            count++;
    }
    if (manager->untranslated == count)
        return;
    if (count > manager->untranslated)
        log_warning("%u devices have no IOMMU group although a rule asks for translation (not-translated)",
                    count);
    manager->untranslated = count;
    manager->changed |= MANAGER_UNTRANSLATED;
    manager_touch(manager, NULL);
}

/* --- events */

/* What a rule may do before the driver, the writers do at this moment: add-writers.h. */
static void on_added(Manager *manager, const char *syspath)
{
    const ManagedDevice *managed = manager_update_device(manager, syspath);

    start_asking_udev(manager);
    if (!managed)
        return;
    if (managed->device->group < 0) {
        wait_to_settle(manager);
        return;
    }
    manager_set_dirty(manager, (unsigned) managed->device->group, DIRTY_READ);
}

static void on_driver_changed(Manager *manager, const char *syspath, bool bound)
{
    const ManagedDevice *managed;
    ManagedGroup *group;

    /* Platform devices may get their group only when a driver probes. */
    managed = manager_update_device(manager, syspath);
    if (!managed || managed->device->group < 0)
        return;
    group = manager_group(manager, (unsigned) managed->device->group);
    /* The driver that was faster has gone: this is the moment that the rule has waited for. */
    if (group->tried_race && !managed_group_unbinds(group))
        managed_group_forget_tries(group);
    /* Somebody has given a device back that we could not: recovery finds nothing left to do, and ends it. */
    if (bound && group->broken && !group->changing)
        manager_recover_group(manager, group->id);
    manager_set_dirty(manager, group->id, DIRTY_READ | DIRTY_USE);
}

static void on_udev(Manager *manager, const char *syspath, struct udev_device *udev)
{
    ManagedDevice *managed = device_at(manager, syspath);

    if (!managed)
        return;
    udev_facts_take(udev, manager->rules_are_late, managed->device);
    managed->changed |= DEVICE_MODEL_NAME;
    if (managed->device->group < 0)
        return;
    manager_touch(manager, manager_group(manager, (unsigned) managed->device->group));
    manager_set_dirty(manager, (unsigned) managed->device->group, DIRTY_DECIDE);
}

static void on_use(Manager *manager, const char *syspath)
{
    const ManagedDevice *managed = manager_device_of_path(manager, syspath);

    if (!managed)
        return;
    if (manager->rules_are_late) {
        g_queue_push_tail(&manager->udev_pending, g_strdup(managed->key));
        start_asking_udev(manager);
    }
    for (; managed; managed = manager_device_above(manager, managed))
        if (managed->device->group >= 0)
            manager_set_dirty(manager, (unsigned) managed->device->group, DIRTY_USE);
}

/* A use may have begun or ended unheard. */
static void forget_uses(Manager *manager)
{
    GHashTableIter iter;
    gpointer group;

    g_hash_table_iter_init(&iter, manager->groups);
    while (g_hash_table_iter_next(&iter, NULL, &group))
        forget_use(group);
}

void manager_device_event(DeviceEvent event, const char *syspath, struct udev_device *udev, void *userdata)
{
    Manager *manager = userdata;
    ManagedDevice *managed;

    switch (event) {
    case DEVICE_EVENT_KERNEL_ADD:
        on_added(manager, syspath);
        break;
    case DEVICE_EVENT_KERNEL_CHANGE:
        if (!device_at(manager, syspath))
            on_added(manager, syspath);
        break;
    case DEVICE_EVENT_REMOVE:
        managed = device_at(manager, syspath);
        if (managed)
            forget_device(manager, managed);
        break;
    case DEVICE_EVENT_BIND:
    case DEVICE_EVENT_UNBIND:
        on_driver_changed(manager, syspath, event == DEVICE_EVENT_BIND);
        break;
    case DEVICE_EVENT_UDEV:
        on_udev(manager, syspath, udev);
        break;
    case DEVICE_EVENT_USE:
        on_use(manager, syspath);
        break;
    case DEVICE_EVENT_OVERFLOW:
        log_warning("events of the kernel were lost: looking at everything again");
        (void) manager_enumerate(manager);
        manager_ask_udev(manager);
        forget_uses(manager);
        manager_read_all(manager);
        break;
    }
}
