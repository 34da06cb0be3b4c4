/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "managed-group.h"

#include <string.h>

#include "cleanup.h"
#include "group.h"
#include "manager.h"
#include "record.h"

static void inhibitor_free(void *data)
{
    Inhibitor *inhibitor = data;

    CLEAR_SOURCE(inhibitor->source);
    (void) call_place_free(inhibitor->place);
    g_free(inhibitor->who);
    g_free(inhibitor->why);
    g_free(inhibitor);
}

ManagedGroup *managed_group_new(Manager *manager, unsigned id)
{
    ManagedGroup *group = g_new0(ManagedGroup, 1);

    group->manager = manager;
    group->id = id;
    group->members = g_ptr_array_sized_new(1);
    group->type = group->wanted = group->last_result.type = _DOMAIN_TYPE_INVALID;
    group->wanted_by = g_strdup("");
    group->state = GROUP_PENDING;
    group->reason = PENDING_SETTLING;
    group->inhibitors = g_ptr_array_new_with_free_func(inhibitor_free);
    return group;
}

void managed_group_free(ManagedGroup *group)
{
    if (!group)
        return;
    managed_group_forget_use(group);
    g_ptr_array_unref(group->members);
    g_free(group->key);
    g_clear_pointer(&group->reserved, g_array_unref);
    g_free(group->unsupported);
    g_free(group->wanted_by);
    g_free(group->reason_text);
    g_free(group->step);
    g_free(group->moment_by);
    g_free(group->last_result.text);
    g_strfreev(group->last_findings);
    g_ptr_array_unref(group->inhibitors);
    g_free(group);
}

/* By path, as group_list_members() lists them: the first one names records and locks, for the worker too. */
static int compare_members(const void *a, const void *b)
{
    return strcmp((*(ManagedDevice *const *) a)->device->facts->path,
                  (*(ManagedDevice *const *) b)->device->facts->path);
}

static void members_changed(ManagedGroup *group)
{
    const ManagedDevice *first;

    g_ptr_array_sort(group->members, compare_members);
    g_clear_pointer(&group->key, g_free);
    if (group->members->len > 0) {
        first = group->members->pdata[0];
        group->key = record_key(first->device->facts->bus, first->device->facts->name);
    }
    group->changed |= GROUP_DEVICES;
    group->broken = false;
    group->auto_settled = true;
    group->written = false;
    group->moment = MOMENT_UNKNOWN;
    group->refusal_told = 0;
    managed_group_forget_tries(group);
    managed_group_forget_use(group);
}

bool managed_group_add_member(ManagedGroup *group, ManagedDevice *device)
{
    if (g_ptr_array_find(group->members, device, NULL))
        return false;
    g_ptr_array_add(group->members, device);
    members_changed(group);
    return true;
}

bool managed_group_remove_member(ManagedGroup *group, ManagedDevice *device)
{
    if (!g_ptr_array_remove(group->members, device))
        return false;
    members_changed(group);
    return true;
}

void managed_group_set_type(ManagedGroup *group, DomainType type)
{
    group->written |= group->type_known && group->type != type;
    group->type_known = true;
    group->read_error = 0;
    if (group->type == type)
        return;
    group->type = type;
    group->moment = MOMENT_UNKNOWN;
    group->changed |= GROUP_TYPE | GROUP_SETTABLE_TYPES | GROUP_LIVE_TYPES;
}

void managed_group_set_name(ManagedGroup *group, const char *name)
{
    const ManagedDevice *first = group->members->len > 0 ? group->members->pdata[0] : NULL;
    const char *family = first ? first->device->facts->iommu : NULL;
    char *unsupported = group_explain_unsupported(group->type, name, family);

    if (!unsupported != !group->unsupported)
        group->changed |= GROUP_SETTABLE_TYPES | GROUP_LIVE_TYPES;
    g_free(group->unsupported);
    group->unsupported = unsupported;
}

void managed_group_set_reserved(ManagedGroup *group, const GArray *reserved)
{
    guint old = group->reserved ? group->reserved->len : 0;

    if (old == reserved->len &&
        (old == 0 || memcmp(group->reserved->data, reserved->data, old * sizeof(ReservedRegion)) == 0))
        return;
    g_clear_pointer(&group->reserved, g_array_unref);
    if (reserved->len > 0) {
        group->reserved = g_array_sized_new(FALSE, TRUE, sizeof(ReservedRegion), reserved->len);
        g_array_append_vals(group->reserved, reserved->data, reserved->len);
    }
    group->changed |= GROUP_RESERVED_REGIONS;
}

static bool set_string(char **value, const char *text)
{
    if (g_strcmp0(*value, text) == 0)
        return false;
    g_free(*value);
    *value = g_strdup(text);
    return true;
}

void managed_group_set_step(ManagedGroup *group, const char *step)
{
    if (set_string(&group->step, step))
        group->changed |= GROUP_STEP;
}

void managed_group_set_state(ManagedGroup *group, GroupState state, PendingReason reason, const char *text)
{
    if (group->state != state)
        group->changed |= GROUP_STATE;
    if (group->reason != reason)
        group->changed |= GROUP_PENDING_REASON;
    group->state = state;
    group->reason = reason;
    (void) set_string(&group->reason_text, text);
}

void managed_group_set_decision(ManagedGroup *group, const Decision *decision, DomainTypeSet not_given)
{
    if (group->wanted != decision->wanted)
        group->changed |= GROUP_WANTED_TYPE;
    if (group->conflict != decision->conflict)
        group->changed |= GROUP_CONFLICT;
    if (group->out != decision->out || group->not_given != not_given)
        group->changed |= GROUP_SETTABLE_TYPES | GROUP_LIVE_TYPES;
    if (set_string(&group->wanted_by, decision->wanted_by ?: ""))
        group->changed |= GROUP_WANTED_BY;
    group->wanted = decision->wanted;
    group->conflict = decision->conflict;
    group->type_forbidden = decision->type_forbidden;
    group->out = decision->out;
    group->not_given = not_given;
    for (guint i = 0; i < group->members->len; i++)
        managed_device_set_wish(group->members->pdata[i], decision->member_wishes->pdata[i]);
}

void managed_group_set_result(ManagedGroup *group, DomainType type, const char *error, char *text)
{
    g_free(group->last_result.text);
    group->last_result.realtime_usec = (uint64_t) g_get_real_time();
    group->last_result.type = type;
    group->last_result.error = error;
    group->last_result.text = text;
    group->changed |= GROUP_LAST_RESULT;
}

void managed_group_set_moment(ManagedGroup *group, Moment moment, const char *by, uint64_t usec)
{
    group->moment = moment;
    group->moment_usec = usec;
    (void) set_string(&group->moment_by, by);
}

void managed_group_forget_tries(ManagedGroup *group)
{
    group->tried = 0;
    group->tried_in_use = group->tried_race = group->call_undone = false;
    group->differed = 0;
}

void managed_group_forget_use(ManagedGroup *group)
{
    group->use = USE_UNKNOWN;
    group->owned = false;
    CLEAR_SOURCE(group->timer);
    if (!group->survey)
        return;
    group->survey = job_free(group->survey);
    if (!group->survey_late)
        group->manager->surveys--;
    group->survey_late = false;
    manager_survey_next(group->manager);
}

bool managed_group_is_busy(const ManagedGroup *group)
{
    return group->scanning || (group->survey && !group->survey_late) || group->queued ||
        (group->changing && !group->stuck);
}

bool managed_group_unbinds(const ManagedGroup *group)
{
    for (guint i = 0; i < group->members->len; i++)
        if (managed_device_unbinds(group->members->pdata[i]))
            return true;
    return false;
}

DomainTypeSet managed_group_settable_types(const ManagedGroup *group)
{
    const DomainTypeSet all = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA) | DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ) |
        DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY) | DOMAIN_TYPE_BIT(DOMAIN_TYPE_AUTO);

    if (!group->type_known || group->unsupported || !domain_type_is_switchable(group->type) ||
        group->members->len == 0)
        return 0;
    return all & ~group->out & ~group->not_given;
}

DomainTypeSet managed_group_live_types(const ManagedGroup *group)
{
    DomainTypeSet settable = managed_group_settable_types(group);

    if (!settable)
        return 0;
    if (!managed_group_unbinds(group))
        return settable & ~DOMAIN_TYPE_BIT(group->type);
    return group->type == DOMAIN_TYPE_DMA ? settable & DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ) : 0;
}

GPtrArray *managed_group_change_members(const ManagedGroup *group)
{
    GPtrArray *members = g_ptr_array_new_with_free_func((GDestroyNotify) change_member_free);

    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];
        const DeviceFacts *facts = managed->device->facts;
        ChangeMember *member = change_member_new(facts->bus, facts->name, managed->syspath);

        member->inode = managed->device->inode;
        member->driver = g_strdup(managed->device->driver);
        member->unbinds = managed_device_unbinds(managed);
        g_ptr_array_add(members, member);
    }
    return members;
}

unsigned managed_group_fingerprint(const ManagedGroup *group, const char *digest)
{
    g_autoptr(GString) text = g_string_new(digest);

    g_string_append_printf(text, "/%d", group->wanted);
    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];

        g_string_append_printf(text, "/%s/%" G_GUINT64_FORMAT, managed->key, managed->device->inode);
    }
    return g_str_hash(text->str) ?: 1;
}
