/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change.h"

#include <errno.h>

#include "change-authorise.h"
#include "cleanup.h"
#include "log.h"
#include "manager.h"
#include "persist.h"
#include "report.h"

static void change_end(Change *change)
{
    manager_drop_change(change->manager, change);
}

/* --- life */

void change_options_clear(ChangeOptions *options)
{
    g_clear_pointer(&options->allow, g_strfreev);
    g_clear_pointer(&options->reason, g_free);
}

static void fill_item(Change *change, const ManagedGroup *group)
{
    g_autoptr(GStrvBuilder) syspaths = g_strv_builder_new();
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    g_autoptr(GStrvBuilder) relatives = g_strv_builder_new();

    queue_item_clear(&change->item);
    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];
        g_auto(GStrv) related = managed_device_relatives(managed, change->manager->root_fd);

        g_strv_builder_add(syspaths, managed->syspath);
        g_strv_builder_add(names, managed->device->facts->name);
        g_strv_builder_addv(relatives, (const char **) related);
    }
    change->item.syspaths = g_strv_builder_end(syspaths);
    change->item.names = g_strv_builder_end(names);
    change->item.relatives = g_strv_builder_end(relatives);
}

static Change *change_new(Manager *manager, unsigned group, ChangeOrigin origin)
{
    Change *change = g_new0(Change, 1);

    change->manager = manager;
    change->origin = origin;
    change->item.group = group;
    g_ptr_array_add(manager->changes, change);
    return change;
}

Change *change_new_for_rule(Manager *manager, const ManagedGroup *group, ChangeRequest *request)
{
    Change *change = change_new(manager, group->id, CHANGE_BY_RULE);

    change->item.by_rule = true;
    change->request = request;
    fill_item(change, group);
    return change;
}

Change *change_new_for_recovery(Manager *manager, unsigned group, const char *key)
{
    const ManagedGroup *managed = manager_group(manager, group);
    Change *change = change_new(manager, group, CHANGE_BY_RECOVERY);

    change->item.first = true;
    change->record_key = g_strdup(key);
    if (managed)
        fill_item(change, managed);
    return change;
}

void change_free(Change *change)
{
    if (!change)
        return;
    (void) job_free(change->job);
    (void) auth_question_free(change->question);
    (void) call_place_free(change->place);
    sd_bus_message_unref(change->message);
    change_survey_free(change->survey);
    change_request_free(change->request);
    change_options_clear(&change->options);
    queue_item_clear(&change->item);
    g_free(change->record_key);
    g_free(change->step);
    g_free(change);
}

/* --- answers */

void change_answer(Change *change, RefusalCode code, const char *object, const char *detail)
{
    const ManagedGroup *group = manager_group(change->manager, change->item.group);
    g_autoptr(sd_bus_message) message = g_steal_pointer(&change->message);
    g_autofree char *name = g_strdup_printf("group %u", change->item.group);
    g_autofree char *target = g_strdup_printf("%u", change->item.group);
    ChangeAnswer answer = {
        .code = code,
        .object = object && *object ? object : name,
        .target = target,
        .detail = detail && *detail ? detail : NULL,
        .type = group ? group->type : _DOMAIN_TYPE_INVALID,
    };

    if (message)
        change->reply(message, &answer);
}

void change_refuse(Change *change, RefusalCode code, const char *detail)
{
    if (code != REFUSAL_NONE)
        report_refused(change, code, NULL, detail);
    else if (change->request->origin) /* authorised */
        refusal_rate_forget(change->manager->refusal_rate, change->caller.uid);
    change_answer(change, code, NULL, detail);
    change_end(change);
}

/* --- the turn */

static void on_step(Job *job, const char *name, void *userdata)
{
    Change *change = userdata;
    ManagedGroup *group = manager_group(change->manager, change->item.group);

    g_free(change->step);
    change->step = g_strdup(name);
    if (!group)
        return;
    managed_group_set_step(group, name);
    manager_touch(change->manager, group);
    if (change->item.late) {
        change->item.late = false;
        manager_change_goes_on(change->manager, change);
    }
}

static void on_run_late(Job *job, void *userdata)
{
    Change *change = userdata;

    change->item.late = true;
    manager_change_late(change->manager, change);
    change_answer(change, REFUSAL_TIMEOUT, NULL, change->step ?: "looking at the devices");
}

static void change_finish(Change *change);

static void on_run_done(Job *job, int error, GVariant *answer, void *userdata)
{
    Change *change = userdata;
    g_autoptr(ChangeResult) result = answer ? change_result_from_variant(answer) : NULL;
    bool done = result && result->code == REFUSAL_NONE;
    g_autofree char *detail = NULL;

    change->job = job_free(change->job);
    manager_change_done(change->manager, change, result, error);
    if (done && change->origin == CHANGE_BY_CALL) {
        change_finish(change);
        return;
    }
    if (result)
        detail = report_detail(result);
    if (result)
        change_answer(change, result->code, result->object, detail);
    else
        change_answer(change, REFUSAL_INTERRUPTED, NULL, NULL);
    change_end(change);
}

int change_start(Change *change)
{
    static const JobCallbacks callbacks = { .step = on_step, .late = on_run_late, .done = on_run_done };
    Manager *manager = change->manager;

    change->running = true;
    change->started_at = (uint64_t) g_get_monotonic_time();
    if (change->origin == CHANGE_BY_RECOVERY)
        return job_recover(manager->event, manager->root_fd, change->record_key, &manager->settings.limits,
                           &callbacks, change, &change->job);
    return job_run(manager->event, manager->root_fd, change->request, &callbacks, change, &change->job);
}

/* --- after success of a call: it lasts, and is written down if that was asked */

/* The file is none of those that the initramfs has. */
static void tell_about_image(const Change *change)
{
    Manager *manager = change->manager;
    ManagedGroup *group = manager_group(manager, change->item.group);
    g_autofree char *advice = NULL;

    manager_check_image(manager);
    advice = manager_image_advice(manager);
    if (!advice || !group)
        return;
    managed_group_set_result(group, change->request->type, NULL,
                             g_strdup_printf("%s is written, but %s", change->step, advice));
    manager_touch(manager, group);
}

static void on_persisted(Job *job, int error, GVariant *answer, void *userdata)
{
    Change *change = userdata;
    g_autofree char *detail = NULL;

    if (error < 0) {
        detail = g_strdup_printf("%s: %s", change->step, g_strerror(-error));
        change_refuse(change, REFUSAL_PERSIST_FAILED, detail);
        return;
    }
    log_info("%s written for %s; it counts from the next reload", change->step, change->request->origin);
    tell_about_image(change);
    change_refuse(change, REFUSAL_NONE, NULL);
}

static void on_persist_late(Job *job, void *userdata)
{
    Change *change = userdata;
    g_autofree char *detail = g_strdup_printf("%s: %s", change->step, g_strerror(ETIMEDOUT));

    change_refuse(change, REFUSAL_PERSIST_FAILED, detail);
}

static void change_persist(Change *change, const ManagedGroup *group)
{
    static const JobCallbacks callbacks = { .late = on_persist_late, .done = on_persisted };
    Manager *manager = change->manager;
    PersistRequest request = {
        .type = change->request->type,
        .may_unbind = change->options.may_unbind,
        .accept = change->accepted,
        .origin = change->request->origin,
        .reason = change->options.reason,
    };
    g_autofree char *text = persist_text(group, &request);
    int r;

    g_free(change->step);
    change->step = persist_path(group);
    r = job_persist(manager->event, manager->root_fd, change->step, text, &callbacks, change, &change->job);
    if (r < 0)
        on_persisted(NULL, r, NULL, change);
}

static void change_finish(Change *change)
{
    Manager *manager = change->manager;
    ManagedGroup *group = manager_group(manager, change->item.group);
    int r;

    if (!group || group->members->len == 0) {
        change_refuse(change, REFUSAL_NO_SUCH_GROUP, NULL);
        return;
    }
    /* What was authorised for these devices must not outrank the rules for others. */
    if (!change_has_authorised_members(change, group)) {
        change_refuse(change, REFUSAL_DEVICE_CHANGED, "the group has other members now");
        return;
    }
    r = call_store_put(manager->calls, group, change->request->type, change->request->origin,
                       change->options.reason);
    if (r < 0)
        log_group(LOG_WARNING, group->id, NULL,
                  "what the call asked for will not outlive a restart of the daemon");
    if (!group->changing)
        manager_evaluate(manager, group);
    if (change->options.persist)
        change_persist(change, group);
    else
        change_refuse(change, REFUSAL_NONE, NULL);
}

/* --- the way of a call to its turn */

void change_authorised(Change *change)
{
    Manager *manager = change->manager;
    ManagedGroup *group = manager_group(manager, change->item.group);
    g_autofree char *detail = NULL;
    RefusalCode code;

    if (!group) {
        change_refuse(change, REFUSAL_NO_SUCH_GROUP, NULL);
        return;
    }
    code = change_judge_again(change, group, &detail);
    if (code != REFUSAL_NONE) {
        change_refuse(change, code, detail);
        return;
    }
    report_override(change, group);
    if (!change->options.wait)
        change_answer(change, REFUSAL_NONE, NULL, NULL);
    if (change->request->how == CHANGE_NOTHING) {
        change_finish(change);
        return;
    }
    fill_item(change, group);
    manager_submit(manager, change);
}

bool change_may_start(Change *change)
{
    ManagedGroup *group = manager_group(change->manager, change->item.group);
    g_autofree char *detail = NULL;
    RefusalCode code = REFUSAL_NO_SUCH_GROUP;

    if (change->origin != CHANGE_BY_CALL)
        return true;
    if (group)
        code = change_judge_again(change, group, &detail);
    if (code != REFUSAL_NONE) {
        change_refuse(change, code, detail);
        return false;
    }
    change->request->out = group->out;
    return true;
}

static ChangeRequest *request_for_call(Manager *manager, const ManagedGroup *group, DomainType type,
                                       const ChangeOptions *options)
{
    ChangeRequest *request = change_request_new(group->id, type);

    request->out = group->out;
    request->may_unbind = options->may_unbind;
    request->allow = g_strdupv(options->allow);
    request->limits = manager->settings.limits;
    return request;
}

void change_new_for_call(Manager *manager, ManagedGroup *group, ChangeCall *call)
{
    Change *change = change_new(manager, group->id, CHANGE_BY_CALL);

    change->caller = call->caller;
    change->place = g_steal_pointer(&call->place);
    change->message = sd_bus_message_ref(call->message);
    change->reply = call->reply;
    change->options = call->options;
    call->options = (ChangeOptions) { 0 };
    change->request = request_for_call(manager, group, call->type, &change->options);
    change_authorise(change, group);
}
