/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include "report.h"

/* --- who waits for added devices */

static void on_added(const AddedDevice *added, void *userdata);

static GArray *inhibited_groups(const Manager *manager)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(unsigned));
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, manager->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const ManagedGroup *group = value;

        if (group->inhibitors->len > 0)
            g_array_append_val(ids, group->id);
    }
    return ids;
}

void manager_set_add_writers(Manager *manager)
{
    if (manager->starting || !manager->watch || manager->host->disabled)
        return;
    if (!manager->add_writers)
        manager->add_writers = add_writers_new(manager->event, manager->root_fd, on_added, manager);
    if (manager->stopping)
        add_writers_set(manager->add_writers, NULL, NULL, NULL);
    else
        add_writers_set(manager->add_writers, manager->rules, manager->host, inhibited_groups(manager));
}

/* --- what they have done */

static void count(Manager *manager, ManagerProperty property, unsigned *number)
{
    (*number)++;
    manager->changed |= property;
    manager_touch(manager, NULL);
}

void manager_added_in_time(Manager *manager, ManagedGroup *group)
{
    if (!group->has_newcomer)
        return;
    group->has_newcomer = false;
    count(manager, MANAGER_ADDS_BEFORE_DRIVER, &manager->adds_before_driver);
}

/* The group of ADDED, unless the device has gone since, or a change has begun. */
static ManagedGroup *group_of(Manager *manager, const AddedDevice *added)
{
    const ManagedDevice *managed = manager_update_device(manager, added->syspath);
    ManagedGroup *group;

    if (!managed || managed->device->inode != added->inode ||
        managed->device->group != (int) added->group->id)
        return NULL;
    group = manager_group(manager, added->group->id);
    return group->changing ? NULL : group;
}

static Moment moment_of(const ManagedGroup *group, const AddedDevice *added)
{
    const ManagedDevice *first = group->members->pdata[0];

    if (added->bound)
        return MOMENT_LIVE;
    return first->device->physical_function ? MOMENT_VF : MOMENT_ADD;
}

/* The event of this device may not have been read yet, or be read a second time. What was not written is
 * judged by what is found when the type is read. */
static void on_added(const AddedDevice *added, void *userdata)
{
    Manager *manager = userdata;
    ManagedGroup *group = group_of(manager, added);
    bool won = added->group->outcome == EARLY_SET && !added->bound;

    if (won)
        count(manager, MANAGER_ADDS_BEFORE_DRIVER, &manager->adds_before_driver);
    if (!group)
        return;
    if (won) {
        group->has_newcomer = false;
        report_add_before_driver(group, added);
    }
    if (added->group->outcome == EARLY_SET) {
        managed_group_set_type(group, added->group->type);
        managed_group_set_moment(group, moment_of(group, added), added->group->wanted_by,
                                 (uint64_t) g_get_monotonic_time());
        managed_group_set_result(group, added->group->wanted, NULL, NULL);
        group->auto_settled = added->group->wanted == DOMAIN_TYPE_AUTO;
        group->written = !group->auto_settled;
        manager_evaluate(manager, group);
    }
    manager_set_dirty(manager, group->id, DIRTY_READ);
}

/* --- the driver was first */

static bool is_live(const ManagedGroup *group, const Decision *decision)
{
    return (DOMAIN_TYPE_BIT(decision->wanted) & managed_group_live_types(group)) != 0;
}

void manager_judge_add(Manager *manager, ManagedGroup *group)
{
    g_autoptr(Decision) decision = NULL;

    if (!group->has_newcomer || !group->type_known || group->changing)
        return;
    decision = manager_decide_early(manager, group);
    if (manager->host->disabled || group->inhibitors->len > 0 || decision->wanted < 0 || decision->settled ||
        decision->obstacle != PENDING_NONE) {
        group->has_newcomer = false;
        return;
    }
    /* Without a driver the rule is still in time, and does it now. */
    if (!managed_group_unbinds(group))
        return;
    group->has_newcomer = false;
    if (is_live(group, decision))
        return;
    group->driver_was_first = true;
    count(manager, MANAGER_ADDS_AFTER_DRIVER, &manager->adds_after_driver);
    report_add_after_driver(group, decision);
}
