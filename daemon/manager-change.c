/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <sys/inotify.h>

#include "cleanup.h"
#include "findings.h"
#include "log.h"
#include "record.h"
#include "report.h"

/* How often a rule's change may find other members than it was decided for before that counts as failed. */
#define DIFFERED_MAX 3
/* How often a recovery whose worker was killed is begun anew. */
#define RECOVERIES_MAX 3

static void submit_recovery(Manager *manager, unsigned group, const char *key, unsigned recoveries);

/* --- the queue */

void manager_drop_change(Manager *manager, Change *change)
{
    change_queue_remove(manager->queue, &change->item);
    if (g_ptr_array_remove(manager->changes, change))
        change_free(change);
    manager_run_queue(manager);
}

static void mark_running(Manager *manager, ManagedGroup *group)
{
    group->queued = false;
    group->changing = true;
    group->events_missed = group->use_ended = false;
    managed_group_set_state(group, GROUP_CHANGING, PENDING_NONE, NULL);
    manager_touch(manager, group);
}

void manager_run_queue(Manager *manager)
{
    QueueItem *item;

    while (!manager->stopping && (item = change_queue_next(manager->queue))) {
        Change *change = change_from_item(item);
        ManagedGroup *group = manager_group(manager, item->group);
        int r;

        if (!change_may_start(change))
            continue;
        if (group)
            mark_running(manager, group);
        r = change_start(change);
        if (r < 0) {
            manager_change_done(manager, change, NULL, r);
            change_answer(change, REFUSAL_INTERNAL, NULL, g_strerror(-r));
            manager_drop_change(manager, change);
        }
    }
}

void manager_submit(Manager *manager, Change *change)
{
    QueueItem *older = change_queue_push(manager->queue, &change->item);

    if (older)
        manager_drop_change(manager, change_from_item(older));
    manager_run_queue(manager);
}

/* --- results */

/* ZFS, a target and the like are only seen by trying, which must not be done once a minute. */
static bool only_seen_by_trying(const ChangeResult *result)
{
    for (guint i = 0; result->findings && i < result->findings->len; i++) {
        const Finding *finding = result->findings->pdata[i];

        if (finding->kind != FINDING_EXCL && finding->kind != FINDING_SIGNATURE)
            return false;
    }
    return true;
}

static void note_try(Manager *manager, ManagedGroup *group)
{
    group->tried = managed_group_fingerprint(group, rule_set_digest(manager->rules));
    group->tried_kinds = group->kinds_seen;
}

/* What a rule's change that was not done means for trying again. */
static void judge_rule_result(Manager *manager, ManagedGroup *group, const Change *change,
                              const ChangeResult *result)
{
    switch (result ? result->code : REFUSAL_INTERRUPTED) {
    case REFUSAL_NONE:
        managed_group_forget_tries(group);
        if (result->how == CHANGE_UNBOUND)
            manager_added_in_time(manager, group);
        if (change->request->type != DOMAIN_TYPE_AUTO && result->type != change->request->type)
            note_try(manager, group); /* stricter than asked: no use in asking again */
        break;
    case REFUSAL_OWNED_BY_USER:
        /* Seen, or known to the kernel alone; another try opens nothing and touches nothing. */
        group->use = USE_BUSY;
        group->owned = true;
        break;
    case REFUSAL_IN_USE:
        group->use = USE_BUSY;
        group->owned = result->how != CHANGE_DISRUPTIVE;
        group->tried_in_use = only_seen_by_trying(result);
        if (group->tried_in_use)
            note_try(manager, group);
        break;
    case REFUSAL_BUSY:
        if (group->key)
            manager_wait_for_lock(manager, group->id, group->key);
        break;
    case REFUSAL_DEVICE_CHANGED:
        if (++group->differed > DIFFERED_MAX)
            note_try(manager, group);
        break;
    case REFUSAL_STILL_BOUND:
    case REFUSAL_DISRUPTION_NOT_ALLOWED:
        group->tried_race = true;
        note_try(manager, group);
        break;
    default:
        note_try(manager, group);
        break;
    }
}

/* Nobody tries again what a call has asked for, but the group is said to have failed until something
 * differs. */
static void judge_call_result(ManagedGroup *group, const ChangeResult *result)
{
    managed_group_forget_tries(group);
    group->call_undone = result && result->code != REFUSAL_NONE && result->undone;
}

/* A call may name findings that only a change sees, which are disruptive. A fatal one asks for an
 * authorisation of its own, so it has to be seen before that. */
static void keep_finding_ids(ManagedGroup *group, const ChangeResult *result)
{
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();

    g_clear_pointer(&group->last_findings, g_strfreev);
    if (!result || !result->findings || result->findings->len == 0)
        return;
    for (guint i = 0; i < result->findings->len; i++) {
        const Finding *finding = result->findings->pdata[i];

        if (finding->severity == FINDING_DISRUPTIVE)
            g_strv_builder_add(ids, finding->id);
    }
    group->last_findings = g_strv_builder_end(ids);
}

static Moment moment_of(const ManagedGroup *group, const Change *change, const ChangeResult *result)
{
    const ManagedDevice *first = group->members->len > 0 ? group->members->pdata[0] : NULL;

    if (change->origin == CHANGE_BY_CALL)
        return MOMENT_CALL;
    switch (result->how) {
    case CHANGE_LIVE:
        return MOMENT_LIVE;
    case CHANGE_DISRUPTIVE:
        return MOMENT_IDLE;
    default:
        return first && first->device->physical_function ? MOMENT_VF : MOMENT_ADD;
    }
}

static void note_moment(ManagedGroup *group, const Change *change, const ChangeResult *result)
{
    const char *origin = change->request ? change->request->origin : NULL;

    if (!origin || result->code != REFUSAL_NONE || result->how == CHANGE_NOTHING)
        return;
    if (g_str_has_prefix(origin, "rule:"))
        origin += strlen("rule:");
    managed_group_set_moment(group, moment_of(group, change, result), origin,
                             (uint64_t) g_get_monotonic_time());
}

static void take_result(Manager *manager, ManagedGroup *group, const Change *change,
                        const ChangeResult *result)
{
    DomainType asked = change->request ? change->request->type : _DOMAIN_TYPE_INVALID;
    g_autofree char *text = report_text(group, result);
    RefusalCode code = result ? result->code : REFUSAL_INTERRUPTED;

    report_result(change, group, result, text);
    keep_finding_ids(group, result);
    if (change->request)
        managed_group_set_result(group, asked, code == REFUSAL_NONE ? NULL : refusal_bus_name(code),
                                 g_steal_pointer(&text));
    if (result) {
        group->broken = result->broken;
        if (change->request)
            manager_saw_kernel_features(manager, kernel_features_of_change(group, change->request->type_from,
                                                                           result));
        if (result->type >= 0)
            managed_group_set_type(group, result->type);
        note_moment(group, change, result);
    }
    if (code == REFUSAL_NONE && change->request && result->how != CHANGE_NOTHING) {
        group->auto_settled = asked == DOMAIN_TYPE_AUTO;
        group->written = asked != DOMAIN_TYPE_AUTO; /* else the kernel has chosen once more */
    }
    if (change->origin == CHANGE_BY_RULE)
        judge_rule_result(manager, group, change, result);
    else
        judge_call_result(group, result);
}

static void give_up(Manager *manager, ManagedGroup *group)
{
    group->broken = true;
    report_given_up(group);
}

/* A worker has ended without a word: somebody has killed it. What it left in /run is put right, if it was
 * itself a recovery as often as may be. */
static void recover_after(Manager *manager, const Change *change)
{
    ManagedGroup *group = manager_group(manager, change->item.group);

    if (change->origin != CHANGE_BY_RECOVERY)
        manager_recover_group(manager, change->item.group);
    else if (change->recoveries < RECOVERIES_MAX)
        submit_recovery(manager, change->item.group, change->record_key, change->recoveries + 1);
    else if (group)
        give_up(manager, group);
}

void manager_change_done(Manager *manager, Change *change, const ChangeResult *result, int error)
{
    unsigned id = change->item.group;
    ManagedGroup *group = manager_group(manager, id);
    bool cut_off = !result && error == -ECHILD;

    change_queue_remove(manager->queue, &change->item);
    manager_touch(manager, NULL);
    if (!group || !group->changing) {
        /* The members have gone; a group of the same number is another one, and read by itself. */
        if (cut_off)
            recover_after(manager, change);
        return;
    }
    group->changing = group->stuck = false;
    managed_group_set_step(group, NULL);
    if (change->origin == CHANGE_BY_RECOVERY && error == -EWOULDBLOCK)
        manager_wait_for_lock(manager, id, change->record_key);
    else
        take_result(manager, group, change, result);

    manager_reread_members(manager, group);
    if (cut_off)
        recover_after(manager, change);
    group = manager_group(manager, id);
    if (!group)
        return;
    if (!group->changing && (!result || result->type < 0 || change->origin == CHANGE_BY_RECOVERY))
        manager_read_group(manager, group);
    else if (!group->changing && (change->origin == CHANGE_BY_RULE || result->code != REFUSAL_NONE))
        manager_evaluate(manager, group); /* a call that is done does so when it has noted what was asked */
    if (group->events_missed)
        manager_set_dirty(manager, id, DIRTY_READ);
    if (group->use_ended && group->owned)
        manager_set_dirty(manager, id, DIRTY_USE);
    manager_touch(manager, group);
}

void manager_change_late(Manager *manager, Change *change)
{
    ManagedGroup *group = manager_group(manager, change->item.group);

    if (!group || !group->changing)
        return;
    group->stuck = true;
    report_stuck(group, change);
    managed_group_set_state(group, GROUP_STUCK, PENDING_NONE, NULL);
    manager_touch(manager, group);
    manager_run_queue(manager);
}

void manager_change_goes_on(Manager *manager, Change *change)
{
    ManagedGroup *group = manager_group(manager, change->item.group);

    if (!group || !group->stuck)
        return;
    group->stuck = false;
    report_goes_on(group, change);
    managed_group_set_state(group, GROUP_CHANGING, PENDING_NONE, NULL);
    manager_touch(manager, group);
}

/* --- work of others: the early pass, or a worker that outlived its daemon */

/*
 * Known by the lock it holds. What it does, and until when that may take, it has noted there: so a group
 * that was stuck before a restart is stuck after it, and becomes stuck and whole again as if the worker were
 * our own.
 */
typedef struct Orphan {
    Manager *manager;
    unsigned group;
    char *key;
    Job *job;              /* waits for the lock */
    sd_event_source *note; /* on the lock's file */
} Orphan;

void orphan_free(void *data)
{
    Orphan *orphan = data;

    (void) job_free(orphan->job);
    CLEAR_SOURCE(orphan->note);
    g_free(orphan->key);
    g_free(orphan);
}

/* What the orphan has noted, and how much time it has left; a holder that has noted nothing is about to. */
static char *orphan_step(const Orphan *orphan, uint64_t *ret_left_usec)
{
    const ChangeLimits *limits = &orphan->manager->settings.limits;
    uint64_t now = (uint64_t) g_get_monotonic_time(), until = 0;
    char *step;

    if (record_lock_read(orphan->manager->root_fd, orphan->key, &step, &until) < 0)
        step = g_strdup("another process changes it");
    if (until == 0)
        until = now + limits->bind_usec;
    *ret_left_usec = until > now ? until - now : 0;
    return step;
}

static void show_orphan(Orphan *orphan)
{
    ManagedGroup *group = manager_group(orphan->manager, orphan->group);
    g_autofree char *step = NULL;
    uint64_t left;

    step = orphan_step(orphan, &left);
    job_set_deadline(orphan->job, left);
    if (!group)
        return;
    if (left == 0 && !group->stuck)
        log_group(LOG_ERR, group->id, NULL, step);
    group->changing = true;
    group->stuck = left == 0;
    managed_group_set_step(group, step);
    managed_group_set_state(group, group->stuck ? GROUP_STUCK : GROUP_CHANGING, PENDING_NONE, NULL);
    manager_touch(orphan->manager, group);
}

static void on_orphan_late(Job *job, void *userdata)
{
    show_orphan(userdata);
}

static int on_orphan_note(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
    show_orphan(userdata);
    return 0;
}

/* Without it the next step is seen when the time of this one is over. */
static void watch_note(Orphan *orphan)
{
    _cleanup_close_ int fd = record_lock_open(orphan->manager->root_fd, orphan->key);

    if (fd >= 0)
        (void) sd_event_add_inotify_fd(orphan->manager->event, &orphan->note, fd, IN_MODIFY, on_orphan_note,
                                       orphan);
}

static void on_lock_free(Job *job, int error, GVariant *answer, void *userdata)
{
    Orphan *orphan = userdata;
    Manager *manager = orphan->manager;
    unsigned id = orphan->group;
    ManagedGroup *group = manager_group(manager, id);

    g_ptr_array_remove(manager->orphans, orphan);
    if (group) {
        group->changing = group->stuck = false;
        managed_group_set_step(group, NULL);
    }
    manager_recover_group(manager, id);
    if (group && !group->changing && !change_queue_waiting(manager->queue, id)) {
        manager_reread_members(manager, group);
        group = manager_group(manager, id);
        if (group)
            manager_read_group(manager, group);
    }
}

static Orphan *find_orphan(const Manager *manager, const char *key)
{
    for (guint i = 0; i < manager->orphans->len; i++)
        if (g_str_equal(((const Orphan *) manager->orphans->pdata[i])->key, key))
            return manager->orphans->pdata[i];
    return NULL;
}

static Orphan *orphan_new(Manager *manager, const char *key)
{
    static const JobCallbacks callbacks = { .done = on_lock_free, .late = on_orphan_late };
    Orphan *orphan = g_new0(Orphan, 1);

    orphan->manager = manager;
    orphan->key = g_strdup(key);
    if (job_wait_lock(manager->event, manager->root_fd, key, &callbacks, orphan, &orphan->job) < 0) {
        orphan_free(orphan);
        return NULL;
    }
    g_ptr_array_add(manager->orphans, orphan);
    watch_note(orphan);
    return orphan;
}

void manager_wait_for_lock(Manager *manager, unsigned id, const char *key)
{
    Orphan *orphan = find_orphan(manager, key) ?: orphan_new(manager, key);

    if (!orphan)
        return;
    orphan->group = id; /* the members may have another number since */
    show_orphan(orphan);
}

/* --- recovery at start */

/* The number of the group as it is today: numbers are not kept, members are. */
static unsigned group_of_record(const Manager *manager, const Record *record)
{
    for (guint i = 0; i < record->members->len; i++) {
        const RecordMember *member = record->members->pdata[i];
        g_autofree char *key = g_strdup_printf("%s:%s", member->bus, member->name);
        const ManagedDevice *managed = manager_device(manager, key);

        if (managed && managed->device->group >= 0)
            return (unsigned) managed->device->group;
    }
    return record->group;
}

static void submit_recovery(Manager *manager, unsigned group, const char *key, unsigned recoveries)
{
    Change *change = change_new_for_recovery(manager, group, key);

    change->recoveries = recoveries;
    manager_submit(manager, change);
}

/* The record KEY, if it is about the group ONLY; -1: whichever it is about. */
static void recover_record(Manager *manager, const char *key, int64_t only)
{
    g_autoptr(Record) record = NULL;
    g_autofree char *error = NULL;
    unsigned group;
    int r = record_load(manager->root_fd, key, &record, &error);

    if (r < 0) {
        log_error("record %s of an interrupted change cannot be read: %s; it stays", key,
                  error ?: g_strerror(-r));
        return;
    }
    group = group_of_record(manager, record);
    if (record->lent)
        log_warning("%s was left lent to pci-stub before its driver; it is taken back", key);
    if (only >= 0 && only != group)
        return;
    if (record_is_locked(manager->root_fd, key) > 0)
        manager_wait_for_lock(manager, group, key);
    else
        submit_recovery(manager, group, key, 0);
}

/* By what they are about, not by their names: those are of a first member that may have been pulled. */
static int recover_all_records(Manager *manager, int64_t only)
{
    g_auto(GStrv) keys = NULL;
    int r;

    record_discard_unfinished(manager->root_fd);
    r = record_list(manager->root_fd, &keys);
    if (r < 0)
        return r;
    for (char **key = keys; *key; key++)
        recover_record(manager, *key, only);
    return 0;
}

void manager_recover_group(Manager *manager, unsigned group)
{
    (void) recover_all_records(manager, group);
}

int manager_recover(Manager *manager)
{
    return recover_all_records(manager, -1);
}
