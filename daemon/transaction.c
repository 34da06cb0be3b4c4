/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transaction.h"

#include <errno.h>

#include "change-cause.h"
#include "change-recover.h"
#include "change-switch.h"
#include "cleanup.h"
#include "findings.h"
#include "group-view.h"
#include "record.h"
#include "type-write.h"

/*
 * The change of one group, from lock to result:
 *
 *   1  lock, read afresh, plan, compare with what was authorised
 *   2  passive findings                                       nothing has been touched up to here
 *   3  live and unbound plans: one write, read back
 *      disruptive plans: change_switch(), which begins with one write too, in the hope that it is enough
 *
 * Each step either goes on (true) or has put the reason into the result (false).
 */

static int survey_group(int root_fd, const ChangeRequest *request, const GroupView *view, ChangeSurvey **ret)
{
    g_autoptr(ChangeSurvey) survey = change_survey_new();
    int r;

    transaction_plan(view, request, survey);
    if (survey->how != CHANGE_NOTHING && survey->how != CHANGE_REFUSED) {
        r = change_collect_findings(root_fd, survey, survey->findings);
        if (r < 0)
            return r;
    }
    *ret = g_steal_pointer(&survey);
    return 0;
}

int transaction_survey(int root_fd, const ChangeRequest *request, ChangeSurvey **ret)
{
    g_autoptr(GroupView) view = NULL;
    g_autoptr(ChangeSurvey) survey = NULL;
    g_autoptr(GPtrArray) blocking = NULL;
    int r;

    r = group_view_read(root_fd, request->group, &view);
    if (r < 0)
        return r;
    r = survey_group(root_fd, request, view, &survey);
    if (r < 0)
        return r;
    blocking = findings_blocking(survey->findings, request->accept, request->allow);
    if (survey->refusal == REFUSAL_NONE && blocking->len > 0)
        survey->refusal = change_findings_refusal(blocking, &survey->detail);
    /* What is being pulled looks as if it could not be judged. */
    if (survey->refusal != REFUSAL_NONE && !group_has_members(root_fd, request->group, survey->members))
        return -ENODEV;
    *ret = g_steal_pointer(&survey);
    return 0;
}

/* Notes that the group could not be read. */
static bool unreadable(const Sequence *sequence, int error)
{
    if (error == -ENOENT || error == -ENODEV)
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, error, "the group or a member is gone");
    else
        sequence_fail(sequence, REFUSAL_INTERNAL, NULL, error, "%s", g_strerror(-error));
    return false;
}

static bool read_view(const Sequence *sequence, unsigned group, GroupView **ret)
{
    int r = group_view_read(sequence->root_fd, group, ret);

    return r >= 0 || unreadable(sequence, r);
}

static bool take_lock(const Sequence *sequence, unsigned group, char **ret_key, int *ret_lock)
{
    g_autofree char *key = NULL;
    int r;

    r = record_group_key(sequence->root_fd, group, &key);
    if (r == -ENODATA)
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, 0, "the group has no devices");
    else if (r < 0)
        (void) unreadable(sequence, r);
    if (r < 0)
        return false;
    r = record_lock(sequence->root_fd, key, false);
    if (r == -EWOULDBLOCK)
        sequence_fail(sequence, REFUSAL_BUSY, NULL, r, "another change of this group is running");
    else if (r < 0)
        sequence_fail(sequence, REFUSAL_RECORD_FAILED, NULL, r, "%s.lock: %s", key, g_strerror(-r));
    if (r < 0)
        return false;
    *ret_key = g_steal_pointer(&key);
    *ret_lock = r;
    return true;
}

/* The lock is named after the first member, so who that is is asked before it is held and after. */
static bool lock_group(const Sequence *sequence, unsigned group, GroupView **ret_view, int *ret_lock)
{
    g_autoptr(GroupView) view = NULL;
    _cleanup_close_ int lock = -EBADF;
    g_autofree char *key = NULL;

    if (!take_lock(sequence, group, &key, &lock) || !read_view(sequence, group, &view))
        return false;
    if (g_strcmp0(view->key, key) != 0) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, 0, "its first member is %s now",
                      view->key ?: "gone");
        return false;
    }
    *ret_view = g_steal_pointer(&view);
    *ret_lock = TAKE_FD(lock);
    return true;
}

static const ChangeMember *find_member(const GPtrArray *members, const ChangeMember *wanted)
{
    for (guint i = 0; i < members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(members, i);

        if (g_str_equal(member->bus, wanted->bus) && g_str_equal(member->name, wanted->name) &&
            member->inode == wanted->inode)
            return member;
    }
    return NULL;
}

static int disruption(ChangeHow how)
{
    return how == CHANGE_NOTHING ? 0 : how == CHANGE_DISRUPTIVE ? 2 : 1;
}

/* The authorisation was for these members, from this type, at most so disruptive. Somebody had to type a
 * password meanwhile. */
static bool is_authorised(const Sequence *sequence, const ChangeRequest *request, const ChangeSurvey *survey)
{
    if (survey->members->len != request->members->len) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, 0, "the group has other members");
        return false;
    }
    for (guint i = 0; i < survey->members->len; i++) {
        const ChangeMember *now = g_ptr_array_index(survey->members, i);
        const ChangeMember *then = find_member(request->members, now);

        if (!then || (now->unbinds && (!then->unbinds || g_strcmp0(now->driver, then->driver) != 0))) {
            sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, now->name, 0,
                          then ? "its driver is another one now" : "it is another device now");
            return false;
        }
    }
    if (survey->how == CHANGE_NOTHING)
        return true; /* more than was asked for: somebody else has done it */
    if (survey->type_from != request->type_from) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, 0, "its type is %s now",
                      domain_type_to_string(survey->type_from));
        return false;
    }
    if (disruption(survey->how) > disruption(request->how)) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, 0, "the change would be %s now",
                      change_how_to_string(survey->how));
        return false;
    }
    return true;
}

/* Live and unbound plans: one write. Nothing is unbound, so there is nothing to record and nothing to
 * bring back but the type. */
static void write_in_place(const Sequence *sequence, const ChangeRequest *request,
                           const ChangeSurvey *survey)
{
    int r = type_write(sequence, request->group, request->type);

    if (r < 0) {
        change_explain_type_error(sequence, request->group, request->type, r);
        (void) type_restore(sequence, request->group, survey->type_from);
        return;
    }
    if (!type_is_kept(sequence, request->group, request->type, request->out, true) &&
        !type_restore(sequence, request->group, survey->type_from) &&
        sequence_has_group(sequence, request->group))
        sequence_broken(sequence, NULL, "the group is left as %s",
                        domain_type_to_string(sequence->result->type) ?: "nobody can tell");
}

/* Whatever it was that could not be done: if the members are not those any more, that is why. */
static void blame_replug(const Sequence *sequence, unsigned group)
{
    ChangeResult *result = sequence->result;

    if (result->code == REFUSAL_NONE || result->code == REFUSAL_DEVICE_CHANGED || result->broken ||
        sequence_has_group(sequence, group))
        return;
    result->code = REFUSAL_NONE;
    g_clear_pointer(&result->detail, g_free);
    g_ptr_array_set_size(result->findings, 0);
    sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, -result->error,
                  "a member was taken out or put in");
}

static void run_surveyed(const Sequence *sequence, const ChangeRequest *request, const ChangeSurvey *survey,
                         const GroupView *view)
{
    if (change_explain_findings(sequence, request, survey->findings, false))
        return;
    if (survey->how == CHANGE_DISRUPTIVE)
        change_switch(sequence, request, survey, view);
    else
        write_in_place(sequence, request, survey);
}

static void run_locked(const Sequence *sequence, const ChangeRequest *request, const GroupView *view)
{
    g_autoptr(ChangeSurvey) survey = NULL;
    Sequence judged = *sequence;
    int r;

    sequence->result->type = view->type;
    r = survey_group(sequence->root_fd, request, view, &survey);
    if (r < 0) {
        (void) unreadable(sequence, r);
        return;
    }
    sequence->result->how = survey->how;
    if (survey->how == CHANGE_REFUSED) {
        sequence_fail(sequence, survey->refusal, survey->object, 0, survey->detail ? "%s" : NULL,
                      survey->detail);
        return;
    }
    if (!is_authorised(sequence, request, survey) || survey->how == CHANGE_NOTHING)
        return;
    judged.members = survey->members;
    run_surveyed(&judged, request, survey, view);
    blame_replug(&judged, request->group);
}

typedef enum Leftover {
    LEFTOVER_NONE,
    LEFTOVER_RECOVERED, /* what was read of the group before is out of date */
    LEFTOVER_STAYS,     /* a device could not be brought back */
} Leftover;

/* What an earlier change of this group left behind under KEY is recovered. Returns false if that cannot
 * be told. */
static bool finish_record(const Sequence *sequence, const char *key, Leftover *ret)
{
    g_autoptr(ChangeResult) recovered = change_result_new();
    Sequence recovery = *sequence;
    int r;

    recovery.result = recovered;
    r = change_recover_locked(&recovery, key);
    sequence->result->kernel_usec += recovered->kernel_usec;
    if (r < 0 && r != -ENOENT) {
        sequence_fail(sequence, REFUSAL_RECORD_FAILED, NULL, r, "%s", recovered->detail ?: g_strerror(-r));
        return false;
    }
    *ret = r == -ENOENT ? LEFTOVER_NONE : recovered->broken ? LEFTOVER_STAYS : LEFTOVER_RECOVERED;
    return true;
}

static bool names_member(int root_fd, const char *key, const GroupView *view)
{
    g_autoptr(Record) record = NULL;
    g_autofree char *error = NULL;

    if (record_load(root_fd, key, &record, &error) < 0)
        return false; /* whose it is nobody can tell; the daemon has said so */
    for (guint i = 0; i < record->members->len; i++) {
        const RecordMember *member = g_ptr_array_index(record->members, i);

        for (guint n = 0; n < view->devices->len; n++) {
            const Device *device = g_ptr_array_index(view->devices, n);

            if (device->inode == member->inode && g_str_equal(device->facts->name, member->name) &&
                g_str_equal(device->facts->bus, member->bus))
                return true;
        }
    }
    return false;
}

/*
 * Records and locks are named after the first member. When that one was pulled in the middle of a change, a
 * record under its name is still about the others, and a lock still held by who works at them.
 */
static bool finish_other(const Sequence *sequence, const char *key, Leftover *ret)
{
    _cleanup_close_ int lock = record_lock(sequence->root_fd, key, false);

    if (lock >= 0)
        return finish_record(sequence, key, ret);
    if (lock == -EWOULDBLOCK)
        sequence_fail(sequence, REFUSAL_BUSY, NULL, lock, "another change of this group is running");
    else
        sequence_fail(sequence, REFUSAL_RECORD_FAILED, NULL, lock, "%s.lock: %s", key, g_strerror(-lock));
    return false;
}

static bool finish_leftover(const Sequence *sequence, const GroupView *view, Leftover *ret)
{
    g_auto(GStrv) keys = NULL;
    Leftover one;
    int r;

    if (!finish_record(sequence, view->key, ret))
        return false;
    r = record_list(sequence->root_fd, &keys);
    if (r < 0) {
        sequence_fail(sequence, REFUSAL_RECORD_FAILED, NULL, r, "%s", g_strerror(-r));
        return false;
    }
    for (char **key = keys; *key; key++) {
        if (g_str_equal(*key, view->key) || !names_member(sequence->root_fd, *key, view))
            continue;
        if (!finish_other(sequence, *key, &one))
            return false;
        *ret = MAX(*ret, one);
    }
    return true;
}

/*
 * A leftover comes first, before the facts are read that are compared with the authorised ones. A device
 * that cannot be brought back keeps its record: then only a plan that unbinds nobody may go on (the old type
 * may be what it needs), and recovery is tried again after it.
 */
static void run_change(Sequence *sequence, const ChangeRequest *request)
{
    g_autoptr(GroupView) view = NULL, fresh = NULL;
    _cleanup_close_ int lock = -EBADF;
    Leftover leftover;

    if (!lock_group(sequence, request->group, &view, &lock))
        return;
    sequence->lock_fd = lock;
    record_lock_note(lock, "look at the devices", sequence_now() + sequence->limits->unbind_usec);
    if (!finish_leftover(sequence, view, &leftover))
        return;
    if (leftover == LEFTOVER_NONE) {
        run_locked(sequence, request, view);
        return;
    }
    if (leftover == LEFTOVER_STAYS && request->how == CHANGE_DISRUPTIVE) {
        sequence_fail(sequence, REFUSAL_DEVICE_LOST, NULL, 0,
                      "a member is without its driver since an earlier change");
        return;
    }
    if (read_view(sequence, request->group, &fresh))
        run_locked(sequence, request, fresh);
    if (leftover == LEFTOVER_STAYS)
        (void) finish_leftover(sequence, view, &leftover);
}

int transaction_run(int root_fd, const ChangeRequest *request, ChangeStep step, void *userdata,
                    ChangeResult **ret)
{
    g_autoptr(ChangeResult) result = change_result_new();
    uint64_t start = sequence_now();
    Sequence sequence = {
        .root_fd = root_fd,
        .limits = &request->limits,
        .step = step,
        .userdata = userdata,
        .result = result,
        .lock_fd = -EBADF,
    };

    if (!request->members || !request->origin)
        return -EINVAL;
    result->object = g_strdup_printf("group %u", request->group);
    sequence_begin(&sequence);
    run_change(&sequence, request);
    sequence_end(&sequence);
    result->total_usec = sequence_now() - start;
    *ret = g_steal_pointer(&result);
    return 0;
}
