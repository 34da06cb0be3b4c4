/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "report.h"

/* --- the trail */

/* What only looks is not written down. */
static bool is_written_down(sd_bus_message *message)
{
    static const char *const methods[] = { "SetType", "Apply", "Reload", "Inhibit", NULL };

    return g_strv_contains(methods, sd_bus_message_get_member(message));
}

static void report(const BusCall *call, RefusalCode code, const char *object, const char *detail)
{
    const RefusedCall refused = {
        .method = sd_bus_message_get_member(call->message),
        .caller = &call->caller,
        .group = call->group,
        .type = call->type,
        .reason = call->why ?: call->options.reason,
        .code = code,
        .object = object,
        .detail = detail,
    };

    if (is_written_down(call->message))
        report_call_refused(call->manager, &refused);
}

/* --- life */

static BusCall *call_new(Manager *manager, CallLimits *limits, sd_bus_message *message)
{
    BusCall *call = g_new0(BusCall, 1);

    call->manager = manager;
    call->limits = limits;
    call->message = sd_bus_message_ref(message);
    call->group = NO_GROUP;
    call->type = _DOMAIN_TYPE_INVALID;
    call->caller.uid = (uid_t) -1;
    g_ptr_array_add(manager->bus_calls, call);
    return call;
}

static bool is_being_reported(const Manager *manager, const char *sender)
{
    for (guint i = 0; i < manager->bus_calls->len; i++) {
        const BusCall *call = manager->bus_calls->pdata[i];

        if (!call->place && g_str_equal(sd_bus_message_get_sender(call->message), sender))
            return true;
    }
    return false;
}

static void report_without_place(BusCall *call)
{
    g_autofree char *detail = call_limits_text(call->limits);

    report(call, REFUSAL_TOO_MANY_CALLS, NULL, detail);
    bus_call_free(call);
}

/* One too many of a connection, of which not even the user is known: it has its answer, and the trail asks
 * who it was, of one call of a connection at a time. */
static void refuse_place(Manager *manager, CallLimits *limits, sd_bus_message *message)
{
    const char *member = sd_bus_message_get_member(message), *sender = sd_bus_message_get_sender(message);
    g_autofree char *detail = call_limits_text(limits);
    BusCall *call;

    (void) bus_reply_refusal(message, REFUSAL_TOO_MANY_CALLS, member, NULL, detail);
    if (!sender || !is_written_down(message) || is_being_reported(manager, sender))
        return;
    call = call_new(manager, limits, message);
    call->late = true;
    bus_call_identify(call, report_without_place);
}

int bus_call_new(Manager *manager, CallLimits *limits, sd_bus_message *message, BusCall **ret)
{
    g_autoptr(CallPlace) place = NULL;

    if (call_limits_enter(limits, sd_bus_message_get_sender(message), &place) < 0) {
        refuse_place(manager, limits, message);
        return 1;
    }
    *ret = call_new(manager, limits, message);
    (*ret)->place = g_steal_pointer(&place);
    return 0;
}

void bus_call_free(BusCall *call)
{
    if (call->authorised)
        refusal_rate_forget(call->manager->refusal_rate, call->caller.uid);
    (void) g_ptr_array_remove_fast(call->manager->bus_calls, call);
    (void) call_place_free(call->place);
    (void) caller_query_free(call->query);
    (void) auth_question_free(call->question);
    (void) job_free(call->job);
    sd_bus_message_unref(call->message);
    change_options_clear(&call->options);
    g_free(call->device);
    g_free(call->who);
    g_free(call->why);
    g_free(call->shown);
    g_free(call);
}

void notify_forget_call(BusCall *call)
{
    bus_call_refuse(call, REFUSAL_BUSY, sd_bus_message_get_member(call->message), "the service is stopping");
}

void bus_call_done(BusCall *call, sd_bus_message *reply)
{
    if (reply)
        (void) sd_bus_send(NULL, reply, NULL);
    else
        (void) sd_bus_reply_method_return(call->message, NULL);
    bus_call_free(call);
}

static void answer_refusal(BusCall *call, RefusalCode code, const char *object, const char *detail)
{
    if (object)
        (void) bus_reply_refusal(call->message, code, object, NULL, detail);
    else
        (void) bus_reply_group_refusal(call->message, code, call->group, detail);
}

static void refuse_too_many(BusCall *call, const CallLimits *limits)
{
    g_autofree char *detail = call_limits_text(limits);

    bus_call_refuse(call, REFUSAL_TOO_MANY_CALLS, sd_bus_message_get_member(call->message), detail);
}

void bus_call_refuse(BusCall *call, RefusalCode code, const char *object, const char *detail)
{
    if (bus_call_was_late(call))
        return;
    call->authorised = false;
    report(call, code, object, detail);
    answer_refusal(call, code, object, detail);
    bus_call_free(call);
}

void bus_call_late(BusCall *call, const char *object, const char *detail)
{
    answer_refusal(call, REFUSAL_TIMEOUT, object, detail);
    call->late = true;
}

bool bus_call_was_late(BusCall *call)
{
    if (!call->late)
        return false;
    bus_call_free(call);
    return true;
}

/* --- whose it is */

static void on_caller(CallerQuery *query, int error, const Caller *caller, void *userdata)
{
    BusCall *call = userdata;

    call->query = caller_query_free(call->query);
    if (error < 0) {
        bus_call_free(call);
        return;
    }
    call->caller = *caller;
    if (call->place && call_place_identify(call->place, caller->uid) < 0)
        refuse_too_many(call, call->limits);
    else
        call->next(call);
}

void bus_call_identify(BusCall *call, BusCallNext next)
{
    int r;

    call->next = next;
    r = caller_query(call->message, on_caller, call, &call->query);
    if (r < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, sd_bus_message_get_member(call->message), g_strerror(-r));
}

/* --- whether it may */

static void go_on(BusCall *call)
{
    call->authorised = true;
    call->next(call);
}

static void on_answer(AuthQuestion *question, AuthAnswer answer, const char *action, void *userdata)
{
    BusCall *call = userdata;
    g_autofree char *refused = g_strdup(action); /* which ends with the question */
    const char *member = sd_bus_message_get_member(call->message);

    call->question = auth_question_free(call->question);
    switch (answer) {
    case AUTH_YES:
        go_on(call);
        return;
    case AUTH_NO:
        bus_call_refuse(call, REFUSAL_ACCESS_DENIED, member, refused);
        return;
    case AUTH_INTERACTION_REQUIRED:
        bus_call_refuse(call, REFUSAL_INTERACTION_REQUIRED, member, refused);
        return;
    case AUTH_CALLER_GONE:
        bus_call_free(call);
        return;
    }
}

void bus_call_authorise(BusCall *call, const char *const *actions, const ChangeShown *shown,
                        BusCallNext next)
{
    CallLimits *questions = &call->manager->question_limits;
    const AuthCaller caller = { .message = call->message, .uid = call->caller.uid };
    AuthDetail details[CHANGE_DETAILS];
    int r;

    call->next = next;
    if (call->caller.uid == 0) {
        go_on(call);
        return;
    }
    change_shown_details(shown, details);
    r = auth_ask(&caller, questions, actions, details, CHANGE_DETAILS, on_answer, call, &call->question);
    if (r == -EDQUOT)
        refuse_too_many(call, questions);
    else if (r < 0)
        bus_call_refuse(call, REFUSAL_ACCESS_DENIED, sd_bus_message_get_member(call->message), actions[0]);
}
