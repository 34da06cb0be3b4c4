/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bus-change-options.h"
#include "bus-error.h"
#include "change-authorise.h"
#include "cleanup.h"
#include "findings.h"
#include "iommu-policy-names.h"
#include "plain-text.h"

/* --- SetType */

static int reply_type(sd_bus_message *message, DomainType type)
{
    return sd_bus_reply_method_return(message, "s", type < 0 ? "" : domain_type_to_string(type));
}

static void reply_change(sd_bus_message *message, const ChangeAnswer *answer)
{
    if (answer->code == REFUSAL_NONE)
        (void) reply_type(message, answer->type);
    else
        (void) bus_reply_refusal(message, answer->code, answer->object, answer->target, answer->detail);
}

static void on_back_to_rules(Manager *manager, void *userdata)
{
    BusCall *call = userdata;
    const ManagedGroup *group = manager_group(manager, call->group);

    (void) reply_type(call->message, group ? group->type : _DOMAIN_TYPE_INVALID);
}

static void free_call(void *call)
{
    bus_call_free(call);
}

/* What dropping a call leads to, as it is authorised. */
typedef struct Drop {
    DomainType to; /* _DOMAIN_TYPE_INVALID: nothing is wanted then */
    bool disruptive;
    const char *actions[CHANGE_ACTIONS_MAX];
    char *summary; /* equal if nothing of this has changed */
} Drop;

static void drop_clear(Drop *drop)
{
    g_free(drop->summary);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Drop, drop_clear)

static void drop_init(Drop *drop, ManagedGroup *group, const CallRecord *record)
{
    Manager *manager = group->manager;
    g_autoptr(Decision) decision = manager_decide(manager, group, false);
    DomainType outcome = decision->wanted < 0
        ? group->type : change_predicted_type(decision->wanted, manager_auto_outcome(manager, group));

    drop->to = decision->wanted;
    drop->disruptive = decision->may_unbind && managed_group_unbinds(group);
    change_actions(group->type, outcome, drop->disruptive, false, false, drop->actions);
    drop->summary = g_strdup_printf("%s %s %d %d %d %d", record->origin, drop->actions[0], record->type,
                                    group->type, drop->to, drop->disruptive);
}

static void drop_call(BusCall *call)
{
    Manager *manager = call->manager;
    ManagedGroup *group = manager_group(manager, call->group);
    const CallRecord *record = group ? call_store_find(manager->calls, group) : NULL;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(unsigned));
    g_auto(Drop) drop = { 0 };

    if (!record) {
        bus_call_refuse(call, group ? REFUSAL_DEVICE_CHANGED : REFUSAL_NO_SUCH_GROUP, NULL,
                        group ? "no call is in force any more" : NULL);
        return;
    }
    drop_init(&drop, group, record);
    if (!g_str_equal(drop.summary, call->shown)) {
        bus_call_refuse(call, REFUSAL_DEVICE_CHANGED, NULL, "it would end in something else now");
        return;
    }
    manager_drop_call(manager, group, &call->caller);
    if (!call->options.wait) {
        on_back_to_rules(manager, call);
        bus_call_free(call);
        return;
    }
    g_array_append_val(ids, call->group);
    manager_wait(manager, ids, on_back_to_rules, call, free_call);
}

/* "": back to what the rules want, which may protect less. */
static void drop_type(BusCall *call, ManagedGroup *group)
{
    const CallRecord *record = call_store_find(call->manager->calls, group);
    g_auto(ChangeShown) shown = { 0 };
    g_auto(Drop) drop = { 0 };

    if (!record) {
        (void) reply_type(call->message, group->type);
        bus_call_free(call);
        return;
    }
    drop_init(&drop, group, record);
    call->shown = g_strdup(drop.summary);
    change_shown_init(&shown, group);
    shown.from = domain_type_to_string(group->type) ?: "";
    shown.to = drop.to < 0 ? "" : domain_type_to_string(drop.to);
    shown.disruptive = drop.disruptive ? "yes" : "no";
    bus_call_authorise(call, drop.actions, &shown, drop_call);
}

static void start_change(BusCall *call, ManagedGroup *group)
{
    ChangeCall change = {
        .message = call->message,
        .caller = call->caller,
        .place = g_steal_pointer(&call->place),
        .type = call->type,
        .options = call->options,
        .reply = reply_change,
    };

    call->options = (ChangeOptions) { 0 };
    change_new_for_call(call->manager, group, &change);
    bus_call_free(call);
}

static void set_type(BusCall *call)
{
    ManagedGroup *group = manager_group(call->manager, call->group);

    if (!group)
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
    else if (call->type < 0)
        drop_type(call, group);
    else
        start_change(call, group);
}

/* A call of a group, whose TYPE and OPTIONS (taken over) have been read. */
static int begin_with_options(ManagedGroup *group, CallLimits *limits, sd_bus_message *message,
                              DomainType type, ChangeOptions *options, BusCallNext next)
{
    BusCall *call;
    int r = bus_call_new(group->manager, limits, message, &call);

    if (r != 0)
        return r;
    call->group = group->id;
    call->type = type;
    call->options = *options;
    *options = (ChangeOptions) { 0 };
    bus_call_identify(call, next);
    return 1;
}

int bus_group_set_type(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    ManagedGroup *group = userdata;
    ChangeOptions options = { 0 };
    DomainType type;
    int r = bus_read_change_type(message, &type);

    if (r == 0)
        r = bus_read_change_options(message, false, &options);
    if (r == 0)
        r = begin_with_options(group, &group->manager->change_limits, message, type, &options, set_type);
    change_options_clear(&options);
    return r < 0 ? r : 1;
}

/* --- Plan and GetFindings */

static int append_entry(sd_bus_message *reply, const char *key, const char *value)
{
    return sd_bus_message_append(reply, "{sv}", key, "s", value ?: "");
}

static int append_findings(sd_bus_message *reply, const GPtrArray *findings, bool with_private_text)
{
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    for (guint i = 0; r >= 0 && i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];
        const char *const entries[][2] = {
            { "id", finding->id },
            { "member", finding->member },
            { "kind", finding_kind_to_string(finding->kind) },
            { "object", finding->object },
            { "text", with_private_text && finding->private_text ? finding->private_text : finding->text },
            { "severity", finding_severity_to_string(finding->severity) },
        };

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (size_t n = 0; r >= 0 && n < G_N_ELEMENTS(entries); n++)
            r = append_entry(reply, entries[n][0], entries[n][1]);
        if (r >= 0)
            r = sd_bus_message_close_container(reply);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_step(sd_bus_message *reply, const char *step, const ChangeMember *member, const char *text)
{
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r >= 0)
        r = append_entry(reply, "step", step);
    if (r >= 0)
        r = append_entry(reply, "member", member ? member->name : NULL);
    if (r >= 0)
        r = append_entry(reply, "driver", member ? member->driver : NULL);
    if (r >= 0)
        r = append_entry(reply, "text", text);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_member_step(sd_bus_message *reply, const char *step, const ChangeMember *member)
{
    g_autofree char *text = g_strdup_printf("%s %s %s %s", step, member->name,
                                            g_str_equal(step, "bind") ? "to" : "from", member->driver);

    return member->unbinds && member->driver ? append_step(reply, step, member, text) : 0;
}

static int append_steps(sd_bus_message *reply, const ChangeSurvey *survey, unsigned group, DomainType type)
{
    g_autofree char *write =
        g_strdup_printf("write %s to the type of group %u", domain_type_to_string(type), group);
    bool unbinds = survey->how == CHANGE_DISRUPTIVE;
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    for (guint i = 0; r >= 0 && unbinds && i < survey->members->len; i++)
        r = append_member_step(reply, "unbind", survey->members->pdata[i]);
    if (r >= 0 && survey->how != CHANGE_NOTHING && survey->how != CHANGE_REFUSED)
        r = append_step(reply, "write-type", NULL, write);
    for (guint i = survey->members->len; r >= 0 && unbinds && i > 0; i--)
        r = append_member_step(reply, "bind", survey->members->pdata[i - 1]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static bool allows_fatal(const BusCall *call, const ChangeSurvey *survey)
{
    for (guint i = 0; call->options.allow && i < survey->findings->len; i++) {
        const Finding *finding = survey->findings->pdata[i];

        if (finding->severity == FINDING_FATAL &&
            g_strv_contains((const char *const *) call->options.allow, finding->id))
            return true;
    }
    return false;
}

static int append_plan(sd_bus_message *reply, const BusCall *call, const ChangeSurvey *survey,
                       RefusalCode code, const char *detail)
{
    ManagedGroup *group = manager_group(call->manager, call->group);
    DomainTypeSet outcome = manager_auto_outcome(call->manager, group);
    g_autofree char *object = g_strdup_printf("group %u", call->group);
    g_autofree char *target = g_strdup_printf("%u", call->group), *text = NULL;
    const char *actions[CHANGE_ACTIONS_MAX] = { "" };
    bool refused = code != REFUSAL_NONE;
    int r;

    if (refused)
        text = refusal_text(code, object, target, detail);
    else if (survey->refusal != REFUSAL_NONE)
        text = refusal_text(change_survey_code(survey), survey->object ?: object, target, survey->detail);
    if (!refused && survey->how != CHANGE_NOTHING && survey->how != CHANGE_REFUSED)
        change_actions(survey->type_from,
                       change_predicted_type(call->type, outcome),
                       survey->how == CHANGE_DISRUPTIVE, allows_fatal(call, survey), false, actions);
    r = sd_bus_message_append(reply, "s", change_how_to_string(refused ? CHANGE_REFUSED : survey->how));
    if (r >= 0)
        r = append_steps(reply, survey, call->group, call->type);
    if (r >= 0)
        r = append_findings(reply, survey->findings, call->caller.uid == 0);
    return r < 0 ? r : sd_bus_message_append(reply, "ss", text ?: "", actions[0]);
}

static void on_planned(Job *job, int error, GVariant *answer, void *userdata)
{
    BusCall *call = userdata;
    ManagedGroup *group = manager_group(call->manager, call->group);
    g_autoptr(ChangeSurvey) survey = answer ? change_survey_from_variant(answer) : NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *detail = NULL;
    RefusalCode code;

    if (bus_call_was_late(call))
        return;
    if (!group || error == -ENOENT) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
        return;
    }
    code = manager_judge_call(call->manager, group, call->type, &detail);
    if (error == -ENODEV)
        bus_call_refuse(call, REFUSAL_DEVICE_CHANGED, NULL, "a member was taken out or put in");
    else if (!survey)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, job_error_text(error));
    else if (sd_bus_message_new_method_return(call->message, &reply) < 0 ||
             append_plan(reply, call, survey, code, detail) < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, NULL);
    else
        bus_call_done(call, reply);
}

static void on_look_late(Job *job, void *userdata)
{
    bus_call_late(userdata, NULL, "looking at the devices");
}

static void start_plan(BusCall *call)
{
    static const JobCallbacks callbacks = { .done = on_planned, .late = on_look_late };
    ManagedGroup *group = manager_group(call->manager, call->group);
    g_autoptr(ChangeRequest) request = NULL;
    int r;

    if (!group) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
        return;
    }
    if (group->stuck) {
        /* Its type is what a look begins with, and that waits for what hangs. */
        bus_call_refuse(call, REFUSAL_STUCK, NULL, group->step);
        return;
    }
    request = change_request_new(group->id, call->type);
    request->out = group->out;
    request->may_unbind = call->options.may_unbind;
    request->allow = g_strdupv(call->options.allow);
    request->limits = call->manager->settings.limits;
    r = job_survey(call->manager->event, call->manager->root_fd, request, &callbacks, call, &call->job);
    if (r < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, g_strerror(-r));
}

int bus_group_plan(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    ManagedGroup *group = userdata;
    ChangeOptions options = { 0 };
    DomainType type;
    int r = bus_read_change_type(message, &type);

    if (r == 0)
        r = bus_read_change_options(message, true, &options);
    if (r == 0 && type < 0) {
        type = group->wanted;
        if (type < 0) {
            (void) bus_reply_refusal(message, REFUSAL_INVALID_TYPE, "", NULL,
                                    "no rule wants a type for this group");
            r = 1;
        }
    }
    if (r == 0)
        r = begin_with_options(group, &group->manager->look_limits, message, type, &options, start_plan);
    change_options_clear(&options);
    return r < 0 ? r : 1;
}

static void on_findings(Job *job, int error, GVariant *answer, void *userdata)
{
    BusCall *call = userdata;
    g_autoptr(GPtrArray) findings = answer ? findings_from_variant(answer) : NULL;
    g_autoptr(sd_bus_message) reply = NULL;

    if (bus_call_was_late(call))
        return;
    if (error == -ENODEV)
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
    else if (!findings)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, job_error_text(error));
    else if (sd_bus_message_new_method_return(call->message, &reply) < 0 ||
             append_findings(reply, findings, call->caller.uid == 0) < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, NULL);
    else
        bus_call_done(call, reply);
}

static void start_findings(BusCall *call)
{
    static const JobCallbacks callbacks = { .done = on_findings, .late = on_look_late };
    const ManagedGroup *group = manager_group(call->manager, call->group);
    g_autofree char **members = NULL;
    int r;

    if (!group) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
        return;
    }
    members = g_new0(char *, group->members->len + 1);
    for (guint i = 0; i < group->members->len; i++)
        members[i] = ((const ManagedDevice *) group->members->pdata[i])->syspath;
    r = job_findings(call->manager->event, call->manager->root_fd, members, &callbacks, call, &call->job);
    if (r < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, g_strerror(-r));
}

/* A call of a group, which has no argument. */
static int begin(ManagedGroup *group, CallLimits *limits, sd_bus_message *message, BusCallNext next)
{
    ChangeOptions none = { 0 };

    return begin_with_options(group, limits, message, _DOMAIN_TYPE_INVALID, &none, next);
}

int bus_group_get_findings(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    ManagedGroup *group = userdata;

    return begin(group, &group->manager->look_limits, message, start_findings);
}

/* --- Explain */

static int append_trail(sd_bus_message *reply, const GPtrArray *trail)
{
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    for (guint i = 0; r >= 0 && i < trail->len; i++) {
        const TrailEntry *entry = trail->pdata[i];

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
            r = append_entry(reply, "member", entry->member);
        if (r >= 0)
            r = append_entry(reply, "origin", entry->origin);
        if (r >= 0)
            r = append_entry(reply, "verdict", wish_verdict_to_string(entry->verdict));
        if (r >= 0)
            r = append_entry(reply, "text", entry->text);
        if (r >= 0)
            r = sd_bus_message_close_container(reply);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void explain(BusCall *call)
{
    ManagedGroup *group = manager_group(call->manager, call->group);
    g_autoptr(Decision) decision = group ? manager_explain(call->manager, group) : NULL;
    g_autoptr(sd_bus_message) reply = NULL;

    if (!group)
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
    else if (sd_bus_message_new_method_return(call->message, &reply) < 0 ||
             sd_bus_message_append(
                 reply, "s", decision->wanted < 0 ? "" : domain_type_to_string(decision->wanted)) < 0 ||
             append_trail(reply, decision->trail) < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, NULL);
    else
        bus_call_done(call, reply);
}

int bus_group_explain(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    ManagedGroup *group = userdata;

    return begin(group, &group->manager->explain_limits, message, explain);
}

/* --- Refresh */

static void on_refreshed(Manager *manager, void *userdata)
{
    BusCall *call = userdata;
    const ManagedGroup *group = manager_group(manager, call->group);

    if (!group)
        (void) bus_reply_group_refusal(call->message, REFUSAL_NO_SUCH_GROUP, call->group, NULL);
    else if (group->scanning)
        (void) bus_reply_group_refusal(call->message, REFUSAL_BUSY, call->group, "the service is stopping");
    else if (group->stuck)
        (void) bus_reply_group_refusal(call->message, REFUSAL_STUCK, call->group, group->step);
    else if (group->read_error == -ETIMEDOUT)
        (void) bus_reply_group_refusal(call->message, REFUSAL_TIMEOUT, call->group, "reading the type");
    else
        (void) sd_bus_reply_method_return(call->message, NULL);
}

static void refresh(BusCall *call)
{
    Manager *manager = call->manager;
    ManagedGroup *group = manager_group(manager, call->group);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(unsigned));

    if (!group) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
        return;
    }
    g_array_append_val(ids, group->id);
    manager_read_group(manager, group);
    manager_wait(manager, ids, on_refreshed, call, free_call);
}

int bus_group_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    ManagedGroup *group = userdata;

    return begin(group, &group->manager->change_limits, message, refresh);
}

/* --- Inhibit */

static void refuse_inhibitor(BusCall *call)
{
    g_autofree char *detail = call_limits_text(&call->manager->inhibit_limits);

    bus_call_refuse(call, REFUSAL_TOO_MANY_CALLS, NULL, detail);
}

static void inhibit(BusCall *call)
{
    Manager *manager = call->manager;
    ManagedGroup *group = manager_group(manager, call->group);
    g_autoptr(CallPlace) place = NULL;
    _cleanup_close_ int fd = -EBADF;

    if (!group) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
        return;
    }
    if (call_limits_enter(&manager->inhibit_limits, sd_bus_message_get_sender(call->message), &place) < 0 ||
        call_place_identify(place, call->caller.uid) < 0) {
        refuse_inhibitor(call);
        return;
    }
    fd = manager_inhibit(manager, group, call->who, call->why, place);
    if (fd < 0) {
        bus_call_refuse(call, REFUSAL_INTERNAL, NULL, g_strerror(-fd));
        return;
    }
    place = NULL;
    (void) sd_bus_reply_method_return(call->message, "h", fd);
    bus_call_free(call);
}

static void authorise_inhibit(BusCall *call)
{
    static const char *const actions[] = { IOMMU_POLICY_ACTION_MANAGE_RULES, NULL };
    const ManagedGroup *group = manager_group(call->manager, call->group);
    g_auto(ChangeShown) shown = { 0 };

    if (!group) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_GROUP, NULL, NULL);
        return;
    }
    change_shown_init(&shown, group);
    bus_call_authorise(call, actions, &shown, inhibit);
}

int bus_group_inhibit(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    ManagedGroup *group = userdata;
    const char *who, *why;
    BusCall *call;
    int r = sd_bus_message_read(message, "ss", &who, &why);

    if (r < 0)
        return r;
    if (!*who || strlen(who) > BUS_REASON_MAX || strlen(why) > BUS_REASON_MAX)
        return bus_reply_bad_option(message, "who",
                                    "must not be empty, and who and why take at most 1024 bytes");
    r = bus_call_new(group->manager, &group->manager->change_limits, message, &call);
    if (r != 0)
        return r;
    call->group = group->id;
    call->who = plain_text(who, BUS_REASON_MAX); /* for the journal */
    call->why = plain_text(why, BUS_REASON_MAX);
    bus_call_identify(call, authorise_inhibit);
    return 1;
}
