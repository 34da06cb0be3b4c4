/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-authorise.h"

#include <errno.h>
#include <string.h>

#include "findings.h"
#include "iommu-policy-names.h"
#include "manager.h"
#include "persist.h"
#include "report.h"

/* --- what is asked of polkit */

DomainType change_predicted_type(DomainType type, DomainTypeSet outcome)
{
    if (type != DOMAIN_TYPE_AUTO)
        return type;
    for (DomainType candidate = 0; candidate < _DOMAIN_TYPE_MAX; candidate++)
        if (outcome == DOMAIN_TYPE_BIT(candidate))
            return candidate;
    return _DOMAIN_TYPE_INVALID;
}

void change_actions(DomainType from, DomainType to, bool disruptive, bool fatal_allowed, bool persist,
                    const char *actions[static CHANGE_ACTIONS_MAX])
{
    size_t n = 0;

    if (to < 0 || domain_type_relaxes(from, to))
        actions[n++] = IOMMU_POLICY_ACTION_RELAX;
    else if (disruptive)
        actions[n++] = IOMMU_POLICY_ACTION_TIGHTEN_DISRUPTIVE;
    else
        actions[n++] = IOMMU_POLICY_ACTION_TIGHTEN;
    if (fatal_allowed)
        actions[n++] = IOMMU_POLICY_ACTION_OVERRIDE_FINDING;
    if (persist)
        actions[n++] = IOMMU_POLICY_ACTION_MANAGE_RULES;
    actions[n] = NULL;
}

static void append_word(GString *text, const char *word)
{
    if (text->len > 0)
        g_string_append_c(text, ' ');
    g_string_append(text, word);
}

static void append_member(const Device *device, GString *devices, GString *ids, GString *drivers)
{
    append_word(devices, device->facts->name);
    if (device->facts->vendor != FACT_NO_ID) {
        g_autofree char *id = g_strdup_printf("%04x:%04x", device->facts->vendor, device->facts->device);

        append_word(ids, id);
    }
    if (device->driver)
        append_word(drivers, device->driver);
}

void change_shown_init(ChangeShown *shown, const ManagedGroup *group)
{
    GString *devices = g_string_new(NULL), *ids = g_string_new(NULL), *drivers = g_string_new(NULL);

    for (guint i = 0; group && i < group->members->len; i++)
        append_member(((const ManagedDevice *) group->members->pdata[i])->device, devices, ids, drivers);
    *shown = (ChangeShown) {
        .group = group ? g_strdup_printf("%u", group->id) : g_strdup(""),
        .devices = g_string_free(devices, FALSE),
        .ids = g_string_free(ids, FALSE),
        .drivers = g_string_free(drivers, FALSE),
        .from = "",
        .to = "",
        .disruptive = "",
        .findings = "",
    };
}

void change_shown_details(const ChangeShown *shown, AuthDetail details[static CHANGE_DETAILS])
{
    const AuthDetail all[CHANGE_DETAILS] = {
        { "group", shown->group },
        { "devices", shown->devices },
        { "ids", shown->ids },
        { "drivers", shown->drivers },
        { "from", shown->from },
        { "to", shown->to },
        { "disruptive", shown->disruptive },
        { "findings", shown->findings },
    };

    memcpy(details, all, sizeof all);
}

void change_shown_clear(ChangeShown *shown)
{
    g_free(shown->group);
    g_free(shown->devices);
    g_free(shown->ids);
    g_free(shown->drivers);
}

/* --- what is judged without reading */

bool change_has_authorised_members(const Change *change, const ManagedGroup *group)
{
    const GPtrArray *members = change->request->members;
    guint found = 0;

    for (guint i = 0; i < group->members->len; i++) {
        const Device *device = ((const ManagedDevice *) group->members->pdata[i])->device;

        for (guint j = 0; j < members->len; j++) {
            const ChangeMember *member = members->pdata[j];

            found += member->inode == device->inode && g_str_equal(member->bus, device->facts->bus) &&
                g_str_equal(member->name, device->facts->name);
        }
    }
    return found == members->len && found == group->members->len;
}

/* Whatever can be judged without reading; what has to be read, the worker compares with what was authorised,
 * under the group's lock. Asked before anything else, and again after every wait. */
static RefusalCode judge(const Change *change, ManagedGroup *group, char **ret_detail)
{
    Manager *manager = change->manager;
    DomainType type = change->request->type;
    RefusalCode code = manager_judge_call(manager, group, type, ret_detail);

    if (code != REFUSAL_NONE || !change->options.persist)
        return code;
    if (!persist_has_member(group)) {
        *ret_detail = g_strdup("a rule names no bridges, and there is nothing else in the group");
        return REFUSAL_NOT_PERSISTABLE;
    }
    if (persist_conflicts(manager->rules, manager->host->facts, group, type, ret_detail))
        return REFUSAL_CONFLICT;
    return REFUSAL_NONE;
}

/* Time has passed while a person was asked. */
RefusalCode change_judge_again(const Change *change, ManagedGroup *group, char **ret_detail)
{
    RefusalCode code = judge(change, group, ret_detail);

    if (code != REFUSAL_NONE)
        return code;
    if (!change_has_authorised_members(change, group)) {
        *ret_detail = g_strdup("the group has other members now");
        return REFUSAL_DEVICE_CHANGED;
    }
    if (change->request->how == CHANGE_NOTHING && group->type != change->request->type_from) {
        *ret_detail = g_strdup_printf("its type is %s now", domain_type_to_string(group->type));
        return REFUSAL_DEVICE_CHANGED;
    }
    return REFUSAL_NONE;
}

/* --- the question */

RefusalCode change_survey_code(const ChangeSurvey *survey)
{
    for (guint i = 0; survey->refusal == REFUSAL_IN_USE && i < survey->findings->len; i++) {
        const Finding *finding = survey->findings->pdata[i];

        if (finding->kind == FINDING_ROOT)
            return REFUSAL_IN_USE_UNTIL_BOOT;
    }
    return survey->refusal;
}

static void refuse_as_surveyed(Change *change)
{
    RefusalCode code = change_survey_code(change->survey);

    report_refused(change, code, change->survey->object, change->survey->detail);
    change_answer(change, code, change->survey->object, change->survey->detail);
    manager_drop_change(change->manager, change);
}

static void pass(Change *change)
{
    change->request->origin = g_strdup_printf("call:uid=%u", change->caller.uid);
    if (change->survey->refusal != REFUSAL_NONE)
        refuse_as_surveyed(change);
    else
        change_authorised(change);
}

static void on_authorised(AuthQuestion *question, AuthAnswer answer, const char *action, void *userdata)
{
    Change *change = userdata;
    g_autofree char *refused = g_strdup(action); /* which ends with the question */

    change->question = auth_question_free(change->question);
    switch (answer) {
    case AUTH_YES:
        pass(change);
        return;
    case AUTH_NO:
        change_refuse(change, REFUSAL_ACCESS_DENIED, refused);
        return;
    case AUTH_INTERACTION_REQUIRED:
        change_refuse(change, REFUSAL_INTERACTION_REQUIRED, refused);
        return;
    case AUTH_CALLER_GONE:
        manager_drop_change(change->manager, change);
        return;
    }
}

static void ask(Change *change, const ManagedGroup *group, const char *const *actions)
{
    Manager *manager = change->manager;
    const AuthCaller caller = { .message = change->message, .uid = change->caller.uid };
    g_autoptr(GString) findings = g_string_new(NULL);
    g_auto(ChangeShown) shown = { 0 };
    AuthDetail details[CHANGE_DETAILS];
    int r;

    for (guint i = 0; i < change->survey->findings->len; i++)
        append_word(findings, ((const Finding *) change->survey->findings->pdata[i])->id);
    change_shown_init(&shown, group);
    shown.from = domain_type_to_string(change->survey->type_from) ?: "";
    shown.to = domain_type_to_string(change->request->type);
    shown.disruptive = change->survey->how == CHANGE_DISRUPTIVE ? "yes" : "no";
    shown.findings = findings->str;
    change_shown_details(&shown, details);
    r = auth_ask(&caller, &manager->question_limits, actions, details, CHANGE_DETAILS, on_authorised, change,
                  &change->question);
    if (r == -EDQUOT) {
        g_autofree char *limits = call_limits_text(&manager->question_limits);

        change_refuse(change, REFUSAL_TOO_MANY_CALLS, limits);
    } else if (r < 0)
        change_refuse(change, REFUSAL_ACCESS_DENIED, actions[0]);
}

/* --- what the survey found */

static bool is_allowed(const Change *change, const char *id)
{
    return change->options.allow && g_strv_contains((const char *const *) change->options.allow, id);
}

/* The type is there already. It still has to be asked whether this call may keep it against rules that want
 * another one; returns false if there is nothing of that kind. */
static bool outranks_rules(Manager *manager, ManagedGroup *group, DomainType type,
                           DomainType *ret_rules_want)
{
    const CallRecord *call = call_store_find(manager->calls, group);
    g_autoptr(Decision) decision = NULL;

    if (call && call->type == type)
        return false;
    decision = manager_decide(manager, group, false);
    *ret_rules_want = call && decision->wanted < 0 ? call->type : decision->wanted;
    return *ret_rules_want >= 0 && *ret_rules_want != type;
}

/* An id that neither FINDINGS nor the refusal of the last change (which knows what only the active probe
 * sees) has, or NULL. */
static const char *unknown_id(const Change *change, const ManagedGroup *group, const GPtrArray *findings)
{
    for (char **id = change->options.allow; id && *id; id++) {
        bool known = group->last_findings && g_strv_contains((const char *const *)group->last_findings, *id);

        for (guint i = 0; i < findings->len && !known; i++)
            known = g_str_equal(((const Finding *) findings->pdata[i])->id, *id);
        if (!known)
            return *id;
    }
    return NULL;
}

/* Whether a fatal finding is among those allowed; and which disruptive kinds are, for a rule file. */
static bool note_allowed(Change *change)
{
    bool fatal = false;

    for (guint i = 0; i < change->survey->findings->len; i++) {
        const Finding *finding = change->survey->findings->pdata[i];

        if (!is_allowed(change, finding->id))
            continue;
        if (finding->severity == FINDING_FATAL)
            fatal = true;
        else if (finding->severity == FINDING_DISRUPTIVE)
            change->accepted |= FINDING_KIND_BIT(finding->kind);
    }
    return fatal;
}

/* Only what is shown to polkit may be allowed: a finding that comes while a person is asked stands in the
 * way, whatever ids the caller has guessed. The ids of the last refusal are those of disruptive findings,
 * which ask for no authorisation of their own. */
static void keep_shown_ids(Change *change, const ManagedGroup *group)
{
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();

    for (char **id = change->request->allow; id && *id; id++) {
        bool shown = group->last_findings &&
            g_strv_contains((const char *const *) group->last_findings, *id);

        for (guint i = 0; i < change->survey->findings->len && !shown; i++)
            shown = g_str_equal(((const Finding *) change->survey->findings->pdata[i])->id, *id);
        if (shown)
            g_strv_builder_add(ids, *id);
    }
    g_strfreev(change->request->allow);
    change->request->allow = g_strv_builder_end(ids);
}

static void ask_for_plan(Change *change, ManagedGroup *group)
{
    Manager *manager = change->manager;
    const ChangeSurvey *survey = change->survey;
    const char *actions[CHANGE_ACTIONS_MAX];
    DomainType from = survey->type_from, rules_want = _DOMAIN_TYPE_INVALID;
    bool fatal = note_allowed(change);

    keep_shown_ids(change, group);
    if (survey->how == CHANGE_NOTHING) {
        if (outranks_rules(manager, group, change->request->type, &rules_want)) {
            from = rules_want;
        } else if (!change->options.persist) {
            change_refuse(change, REFUSAL_NONE, NULL);
            return;
        }
    }
    change_actions(from, change_predicted_type(change->request->type, manager_auto_outcome(manager, group)),
                   survey->how == CHANGE_DISRUPTIVE, fatal, change->options.persist, actions);
    if (change->caller.uid == 0)
        pass(change);
    else
        ask(change, group, actions);
}

/* Who may not change the group is told so before anything else; but nobody types a password to learn that a
 * device is in use. */
static void judge_survey(Change *change, ManagedGroup *group)
{
    const ChangeSurvey *survey = change->survey;
    bool interactive = sd_bus_message_get_allow_interactive_authorization(change->message) > 0;

    managed_group_set_type(group, survey->type_from);
    manager_touch(change->manager, group);
    if (survey->how == CHANGE_REFUSED || (survey->refusal != REFUSAL_NONE && interactive))
        refuse_as_surveyed(change);
    else
        ask_for_plan(change, group);
}

static void on_all_findings(Job *job, int error, GVariant *answer, void *userdata)
{
    Change *change = userdata;
    ManagedGroup *group = manager_group(change->manager, change->item.group);
    g_autoptr(GPtrArray) findings = answer ? findings_from_variant(answer) : NULL;
    const char *id;

    change->job = job_free(change->job);
    if (!group || !findings) {
        change_refuse(change, REFUSAL_NO_SUCH_GROUP, NULL);
        return;
    }
    id = unknown_id(change, group, findings);
    if (id)
        change_refuse(change, REFUSAL_NO_SUCH_FINDING, id);
    else
        judge_survey(change, group);
}

static void on_survey_late(Job *job, void *userdata)
{
    change_refuse(userdata, REFUSAL_TIMEOUT, "looking at the devices");
}

/* A survey only looks at the members that the plan unbinds. An id that it has not seen may be one of the
 * others'. */
static void look_for_all_findings(Change *change, const ManagedGroup *group)
{
    static const JobCallbacks callbacks = { .late = on_survey_late, .done = on_all_findings };
    g_autofree char **members = g_new0(char *, group->members->len + 1);
    int r;

    for (guint i = 0; i < group->members->len; i++)
        members[i] = ((const ManagedDevice *) group->members->pdata[i])->syspath;
    r = job_findings(change->manager->event, change->manager->root_fd, members, &callbacks, change,
                     &change->job);
    if (r < 0)
        change_refuse(change, REFUSAL_INTERNAL, g_strerror(-r));
}

static void on_surveyed(Job *job, int error, GVariant *answer, void *userdata)
{
    Change *change = userdata;
    ManagedGroup *group = manager_group(change->manager, change->item.group);

    change->job = job_free(change->job);
    change->survey = answer ? change_survey_from_variant(answer) : NULL;
    if (!group || error == -ENOENT) {
        change_refuse(change, REFUSAL_NO_SUCH_GROUP, NULL);
        return;
    }
    if (error == -ENODEV) {
        change_refuse(change, REFUSAL_DEVICE_CHANGED, "a member was taken out or put in");
        return;
    }
    if (!change->survey) {
        change_refuse(change, REFUSAL_INTERNAL, job_error_text(error));
        return;
    }
    change->request->type_from = change->survey->type_from;
    change->request->how = change->survey->how;
    change->request->members = g_ptr_array_ref(change->survey->members);
    if (unknown_id(change, group, change->survey->findings))
        look_for_all_findings(change, group);
    else
        judge_survey(change, group);
}

void change_authorise(Change *change, ManagedGroup *group)
{
    static const JobCallbacks callbacks = { .late = on_survey_late, .done = on_surveyed };
    Manager *manager = change->manager;
    g_autofree char *detail = NULL;
    RefusalCode code = judge(change, group, &detail);
    int r;

    if (code != REFUSAL_NONE) {
        change_refuse(change, code, detail);
        return;
    }
    r = job_survey(manager->event, manager->root_fd, change->request, &callbacks, change, &change->job);
    if (r < 0)
        change_refuse(change, REFUSAL_INTERNAL, g_strerror(-r));
}
