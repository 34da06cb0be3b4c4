/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>

#include "cleanup.h"
#include "findings.h"
#include "group.h"
#include "log.h"
#include "next-step.h"
#include "report.h"

/* A survey looks at every process: several at once would only take each other's time. */
#define SURVEYS_AT_ONCE 4
/* How often a group is tried whose members are never those that were judged a moment before. */
#define DIFFERED_MAX 3

/* --- surveys for rules */

static ChangeRequest *request_for_rule(Manager *manager, const ManagedGroup *group, const Decision *decision)
{
    ChangeRequest *request = change_request_new(group->id, decision->wanted);

    request->out = decision->out;
    request->origin = g_str_has_prefix(decision->wanted_by, "call:")
                          ? g_strdup(decision->wanted_by)
                          : g_strdup_printf("rule:%s", decision->wanted_by);
    request->by_rule = true;
    request->may_unbind = decision->may_unbind;
    request->accept = decision->accept;
    request->limits = manager->settings.limits;
    return request;
}

static void take_survey(ManagedGroup *group, const ChangeSurvey *survey)
{
    uint64_t now = (uint64_t) g_get_monotonic_time();
    FindingKindSet kinds = 0;

    for (guint i = 0; i < survey->findings->len; i++)
        kinds |= FINDING_KIND_BIT(((const Finding *) survey->findings->pdata[i])->kind);
    if (group->tried && kinds != group->tried_kinds)
        managed_group_forget_tries(group);
    group->kinds_seen = kinds;
    group->surveyed_at = now;
    group->owned = survey->refusal == REFUSAL_OWNED_BY_USER;
    if (survey->refusal == REFUSAL_IN_USE || group->owned) {
        group->use = USE_BUSY;
    } else if (group->use != USE_CLEAR) {
        group->use = USE_CLEAR;
        group->clear_since = now;
    }
}

void manager_survey_next(Manager *manager)
{
    GHashTableIter iter;
    gpointer value;

    if (manager->stopping)
        return;
    g_hash_table_iter_init(&iter, manager->groups);
    while (manager->surveys < SURVEYS_AT_ONCE && g_hash_table_iter_next(&iter, NULL, &value)) {
        const ManagedGroup *group = value;

        if (group->use == USE_UNKNOWN && !group->survey && group->state == GROUP_PENDING &&
            (group->reason == PENDING_SETTLING || group->reason == PENDING_IN_USE || group->kinds_seen != 0))
            manager_set_dirty(manager, group->id, DIRTY_DECIDE);
    }
}

static void on_surveyed(Job *job, int error, GVariant *answer, void *userdata)
{
    ManagedGroup *group = userdata; /* which owns the job */
    Manager *manager = group->manager;
    g_autoptr(ChangeSurvey) survey = answer ? change_survey_from_variant(answer) : NULL;

    if (!group->survey_late)
        manager->surveys--;
    group->survey_late = false;
    group->survey = job_free(group->survey);
    if (survey) {
        take_survey(group, survey);
        report_in_use(group, survey);
    } else {
        group->use = USE_BUSY; /* nobody knows: not free */
        log_group(LOG_WARNING, group->id, NULL, "cannot tell whether it is in use");
    }
    manager_evaluate(manager, group);
    manager_survey_next(manager);
}

/* It takes no other group's turn any more. Until it returns, if ever, nobody can tell: not free. */
static void on_survey_late(Job *job, void *userdata)
{
    ManagedGroup *group = userdata;
    Manager *manager = group->manager;

    group->survey_late = true;
    group->use = USE_BUSY;
    manager->surveys--;
    log_group(LOG_WARNING, group->id, NULL, "looking at its devices does not return");
    manager_touch(manager, group);
    manager_survey_next(manager);
}

static void start_survey(Manager *manager, ManagedGroup *group, const Decision *decision)
{
    static const JobCallbacks callbacks = { .late = on_survey_late, .done = on_surveyed };
    g_autoptr(ChangeRequest) request = NULL;

    if (group->survey || manager->surveys >= SURVEYS_AT_ONCE)
        return;
    request = request_for_rule(manager, group, decision);
    if (job_survey(manager->event, manager->root_fd, request, &callbacks, group, &group->survey) >= 0)
        manager->surveys++;
}

/* --- what follows from a decision */

static int on_group_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    ManagedGroup *group = userdata; /* which owns the source */

    CLEAR_SOURCE(group->timer);
    if (group->use == USE_BUSY)
        group->use = USE_UNKNOWN;
    manager_evaluate(group->manager, group);
    return 0;
}

static void wait_before_next(Manager *manager, ManagedGroup *group, uint64_t wait_usec)
{
    if (group->timer)
        return;
    if (sd_event_add_time_relative(manager->event, &group->timer, CLOCK_MONOTONIC, wait_usec, 0,
                                   on_group_timer, group) < 0)
        log_group(LOG_ERR, group->id, NULL, "no timer: it is only looked at again when something happens");
}

static void submit_for_rule(Manager *manager, ManagedGroup *group, const Decision *decision)
{
    ChangeRequest *request = request_for_rule(manager, group, decision);
    bool without_unbinding = DOMAIN_TYPE_BIT(decision->wanted) & managed_group_live_types(group);

    request->members = managed_group_change_members(group);
    request->type_from = group->type_known ? group->type : manager->host->boot_default;
    request->how = managed_group_unbinds(group) ? (without_unbinding ? CHANGE_LIVE : CHANGE_DISRUPTIVE)
                                                : CHANGE_UNBOUND;
    group->queued = true;
    manager_submit(manager, change_new_for_rule(manager, group, request));
}

static int state_level(const NextStep *step)
{
    if (step->state == GROUP_FAILED || step->state == GROUP_BROKEN || step->state == GROUP_STUCK)
        return LOG_ERR;
    return LOG_INFO;
}

/* A state that lasts is worth a line; those on the way to it are not, nor the rest that a group is found in,
 * nor what has an entry of its own: the success of a change, a use, a forbidden type. */
static bool worth_a_line(const ManagedGroup *group, const NextStep *step)
{
    if (group->state == step->state && group->reason == step->reason)
        return false;
    if (step->state == GROUP_CHANGING || step->reason == PENDING_SETTLING ||
        step->reason == PENDING_IN_USE || step->reason == PENDING_FORBIDDEN_TYPE)
        return false;
    return (step->state != GROUP_SETTLED && step->state != GROUP_DISABLED) ||
        (group->state != GROUP_CHANGING && group->reason != PENDING_SETTLING);
}

static void log_state(const ManagedGroup *group, const NextStep *step, const Decision *decision)
{
    const char *reason = pending_reason_to_string(step->reason);
    g_autoptr(GString) text = NULL;

    if (!worth_a_line(group, step))
        return;
    text = g_string_new(group_state_to_string(step->state));
    if (*reason)
        g_string_append_printf(text, " (%s)", reason);
    if (*group->wanted_by)
        g_string_append_printf(text, ", %s wanted by %s", domain_type_to_string(group->wanted),
                               group->wanted_by);
    if (step->state == GROUP_PENDING && decision->obstacle_text)
        g_string_append_printf(text, ": %s", decision->obstacle_text);
    log_group(state_level(step), group->id, NULL, text->str);
}

/* --- the end of a use */

/* The end of a use that comes while somebody looks would not be in what he saw. */
static bool waits_for_end_of_use(const ManagedGroup *group)
{
    return group->survey || group->queued || group->changing ||
        (group->state == GROUP_PENDING && group->reason == PENDING_IN_USE);
}

static void on_use_ended(void *userdata)
{
    Manager *manager = userdata;
    GHashTableIter iter;
    gpointer value;
    bool awaited = false;

    g_hash_table_iter_init(&iter, manager->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ManagedGroup *group = value;

        if (!waits_for_end_of_use(group))
            continue;
        if (group->changing)
            group->use_ended = true;
        else
            manager_set_dirty(manager, group->id, DIRTY_USE);
        awaited = true;
    }
    /* Nobody is woken by the mounts and the virtual machines of a settled machine. */
    if (!awaited) {
        manager->mount_watch = mount_watch_free(manager->mount_watch);
        manager->vfio_watch = vfio_watch_free(manager->vfio_watch);
    }
}

/* Before it is looked, so that no end is missed. Without them the look once a minute remains. */
static void watch_uses(Manager *manager, const ManagedGroup *group, NextAction action)
{
    if (action != NEXT_SURVEY && action != NEXT_SUBMIT && !waits_for_end_of_use(group))
        return;
    if (!manager->mount_watch)
        (void) mount_watch_new(manager->event, manager->root_fd, on_use_ended, manager,
                               &manager->mount_watch);
    if (!manager->vfio_watch)
        (void) vfio_watch_new(manager->event, manager->root_fd, on_use_ended, manager, &manager->vfio_watch);
    if (manager->vfio_watch)
        vfio_watch_look(manager->vfio_watch);
}

static void follow(Manager *manager, ManagedGroup *group, const Decision *decision, const NextStep *step)
{
    log_state(group, step, decision);
    if (!group->changing) {
        report_forbidden_type(group, decision);
        report_conflict(group, decision);
        report_ignored(group, decision);
    }
    managed_group_set_state(group, step->state, step->reason,
                            step->state == GROUP_PENDING ? decision->obstacle_text : NULL);
    watch_uses(manager, group, step->action);
    if (step->action != NEXT_WAIT)
        CLEAR_SOURCE(group->timer);
    switch (step->action) {
    case NEXT_NOTHING:
        break;
    case NEXT_SUBMIT:
        submit_for_rule(manager, group, decision);
        break;
    case NEXT_SURVEY:
        start_survey(manager, group, decision);
        break;
    case NEXT_WAIT:
        wait_before_next(manager, group, step->wait_usec);
        break;
    }
}

/* A rule's change that waits for its turn and is not wanted any more must not get it. */
static void drop_waiting(Manager *manager, ManagedGroup *group)
{
    QueueItem *waiting = change_queue_waiting(manager->queue, group->id);

    group->queued = false;
    if (waiting && waiting->by_rule)
        manager_drop_change(manager, change_from_item(waiting));
}

static NextBoot next_boot(Manager *manager, ManagedGroup *group, const Decision *decision)
{
    if (decision->settled || decision->wanted < 0)
        return NEXT_BOOT_NOTHING;
    return manager_next_boot(manager, group, decision->wanted, manager_decide_at_boot(manager, group));
}

void manager_evaluate(Manager *manager, ManagedGroup *group)
{
    g_autoptr(Decision) decision = NULL;
    Situation situation;
    NextStep step;

    if (manager->stopping)
        return;
    manager_judge_add(manager, group);
    decision = manager_decide(manager, group, true);
    if (decision->settled || decision->wanted < 0)
        group->driver_was_first = false; /* the race has no loser any more */
    managed_group_set_decision(group, decision, manager_types_not_given(group));
    if (!group->changing)
        drop_waiting(manager, group);
    situation = (Situation) {
        .group = group,
        .decision = decision,
        .disabled = manager->host->disabled,
        .running = !manager->phase || boot_phase_is_running(manager->phase),
        .next_boot = next_boot(manager, group, decision),
        .tried = group->tried &&
            group->tried == managed_group_fingerprint(group, rule_set_digest(manager->rules)),
        .now = (uint64_t) g_get_monotonic_time(),
        .settle_usec = manager->settings.settle_usec,
    };
    step = next_step(&situation);
    manager_touch(manager, group);
    follow(manager, group, decision, &step);
}

void manager_drop_call(Manager *manager, ManagedGroup *group, const Caller *caller)
{
    const CallRecord *call = call_store_find(manager->calls, group);
    DomainType dropped = call ? call->type : _DOMAIN_TYPE_INVALID;
    int r = call_store_drop(manager->calls, group->key);

    if (r < 0)
        log_group(LOG_WARNING, group->id, NULL,
                  "what a call asked for is remembered by the next start of the daemon");
    managed_group_forget_tries(group);
    manager_evaluate(manager, group);
    report_call_dropped(group, dropped, caller);
}

void manager_evaluate_all(Manager *manager)
{
    g_autoptr(GArray) ids = manager_group_ids(manager);

    for (guint i = 0; i < ids->len; i++) {
        ManagedGroup *group = manager_group(manager, g_array_index(ids, unsigned, i));

        if (group)
            manager_evaluate(manager, group);
    }
}

/* --- reading types */

void manager_set_scanning(Manager *manager, ManagedGroup *group, bool scanning)
{
    if (group->scanning == scanning)
        return;
    group->scanning = scanning;
    manager->scanning += scanning ? 1 : -1;
    if (!scanning && manager->scanning == 0)
        manager_started(manager);
}

void manager_read_group(Manager *manager, ManagedGroup *group)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(unsigned));

    manager_set_scanning(manager, group, true);
    g_array_append_val(ids, group->id);
    scanner_read(manager->scanner, ids);
}

void manager_read_all(Manager *manager)
{
    g_autoptr(GArray) ids = manager_group_ids(manager);

    for (guint i = 0; i < ids->len; i++)
        manager_set_scanning(manager, manager_group(manager, g_array_index(ids, unsigned, i)), true);
    scanner_read(manager->scanner, ids);
}

/* A change may have told the type of a new group before this first read of it. */
static void watch_type(Manager *manager, ManagedGroup *group)
{
    if (group->watched)
        return;
    group->watched = type_watch_add(manager->type_watch, group->id) >= 0;
    if (!group->watched)
        log_group(LOG_DEBUG, group->id, NULL, "writes of others to its type are not seen");
}

static void take_pasid(const ManagedGroup *group, const char *const *pasid)
{
    for (guint i = 0; i < group->members->len; i++) {
        ManagedDevice *managed = group->members->pdata[i];

        if (g_strv_contains(pasid, managed->syspath))
            managed->device->pasid = TRISTATE_YES;
    }
}

static void take_scanned(Manager *manager, ManagedGroup *group, const ScannedGroup *scanned)
{
    bool first;

    if (scanned->error != 0) {
        group->read_error = scanned->error;
        if (scanned->error == -EBUSY && !group->changing && group->key)
            manager_wait_for_lock(manager, group->id, group->key);
        return;
    }
    first = !group->type_known && (manager->starting || group->has_newcomer);
    watch_type(manager, group);
    if (group->type_known && group->type != scanned->type && !group->changing) {
        report_drift(group, scanned->type);
        group->auto_settled = false;
        managed_group_forget_tries(group);
    }
    manager_saw_kernel_features(manager, kernel_features_of_type(scanned->type));
    managed_group_set_type(group, scanned->type);
    managed_group_set_name(group, scanned->name);
    take_pasid(group, scanned->pasid);
    /* Found at start, nobody remembers who wrote it; new, nobody has. What `auto` can end in counts as
     * written by the kernel. */
    if (first)
        group->auto_settled = DOMAIN_TYPE_BIT(scanned->type) & manager_auto_outcome(manager, group);
    manager_adopt_early(manager, group);
    managed_group_set_reserved(group, scanned->reserved);
}

void manager_group_scanned(const ScannedGroup *scanned, void *userdata)
{
    Manager *manager = userdata;
    ManagedGroup *group = manager_group(manager, scanned->id);

    if (!group)
        return;
    take_scanned(manager, group, scanned);
    manager_evaluate(manager, group);
    group = manager_group(manager, scanned->id); /* a change that cannot start looks at its members again */
    if (group)
        manager_set_scanning(manager, group, false);
}

void manager_type_written(unsigned id, void *userdata)
{
    Manager *manager = userdata;
    ManagedGroup *group = manager_group(manager, id);

    if (group && !group->changing)
        manager_set_dirty(manager, id, DIRTY_READ);
}
