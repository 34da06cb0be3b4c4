/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <string.h>
#include <syslog.h>

#include "findings.h"
#include "manager.h"
#include "report-entry.h"

#define RULE_ORIGIN "rule:"
#define CALL_ORIGIN "call:uid="

/* --- parts of entries */

/* Who asked may have asked a daemon that is no more: what it left says the uid, no more. */
static void add_origin(JournalEntry *entry, const char *origin, const Caller *caller)
{
    if (!origin)
        return;
    if (g_str_has_prefix(origin, RULE_ORIGIN))
        journal_entry_add(entry, "RULE", origin + strlen(RULE_ORIGIN));
    else if (g_str_has_prefix(origin, CALL_ORIGIN) && !caller)
        journal_entry_add(entry, "UID", origin + strlen(CALL_ORIGIN));
}

static void add_findings(JournalEntry *entry, const GPtrArray *findings)
{
    for (guint i = 0; findings && i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        journal_entry_add(entry, "FINDING", finding->id);
        journal_entry_add(entry, "EVIDENCE", finding->private_text ?: finding->text);
    }
}

static const Caller *caller_of(const Change *change)
{
    return change->origin == CHANGE_BY_CALL ? &change->caller : NULL;
}

static void add_request(JournalEntry *entry, const Change *change)
{
    const ChangeRequest *request = change->request;

    journal_entry_add(entry, "REASON", change->options.reason);
    if (!request)
        return;
    report_entry_add_types(entry, request->type_from, request->type);
    add_origin(entry, request->origin, caller_of(change));
}

static void add_outcome(JournalEntry *entry, const ChangeResult *result)
{
    journal_entry_add(entry, "TYPE", domain_type_to_string(result->type));
    journal_entry_add(entry, "HOW", change_how_to_string(result->how));
    add_findings(entry, result->findings);
    for (guint i = 0; i < result->notes->len; i++)
        journal_entry_add(entry, "NOTE", result->notes->pdata[i]);
    for (guint i = 0; i < result->steps->len; i++) {
        const ChangeStepTime *step = result->steps->pdata[i];
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT " %s", step->usec, step->name);

        journal_entry_add(entry, "STEP", text);
    }
}

/* --- results */

static char *join_notes(const ChangeResult *result)
{
    g_autofree char **notes = g_new0(char *, result->notes->len + 1);

    for (guint i = 0; i < result->notes->len; i++)
        notes[i] = result->notes->pdata[i];
    return g_strjoinv("; ", notes);
}

char *report_detail(const ChangeResult *result)
{
    g_autofree char *notes = join_notes(result);

    if (!*notes)
        return g_strdup(result->detail);
    return result->detail ? g_strdup_printf("%s; %s", result->detail, notes) : g_steal_pointer(&notes);
}

char *report_text(const ManagedGroup *group, const ChangeResult *result)
{
    g_autofree char *object = g_strdup_printf("group %u", group->id);
    g_autofree char *target = g_strdup_printf("%u", group->id);
    g_autofree char *detail = NULL;

    if (!result)
        return refusal_text(REFUSAL_INTERRUPTED, object, target, NULL);
    if (result->code == REFUSAL_NONE)
        return join_notes(result);
    detail = report_detail(result);
    return refusal_text(result->code, result->object ?: object, target, detail);
}

/* The change was begun, and something in it failed. */
static bool has_failed(const ChangeResult *result)
{
    switch (result ? result->code : REFUSAL_INTERRUPTED) {
    case REFUSAL_SWITCH_FAILED:
    case REFUSAL_UNBIND_FAILED:
    case REFUSAL_REBIND_FAILED:
    case REFUSAL_TYPE_NOT_KEPT:
    case REFUSAL_DEVICE_LOST:
    case REFUSAL_INTERRUPTED:
    case REFUSAL_RECORD_FAILED:
    case REFUSAL_INTERNAL:
        return true;
    default:
        return result && result->undone;
    }
}

static JournalMessage result_message(const Change *change, const ChangeResult *result, int *ret_level)
{
    *ret_level = LOG_WARNING;
    if (result && result->broken) {
        *ret_level = LOG_ERR;
        return JOURNAL_BROKEN;
    }
    if (result && result->code == REFUSAL_NONE) {
        *ret_level = LOG_NOTICE;
        return change->origin == CHANGE_BY_RECOVERY ? JOURNAL_RECOVERED : JOURNAL_CHANGE_DONE;
    }
    return has_failed(result) ? JOURNAL_CHANGE_FAILED : JOURNAL_REFUSED;
}

static unsigned refusal_hash(RefusalCode code, const GPtrArray *findings)
{
    g_autoptr(GString) text = g_string_new(refusal_name(code));

    for (guint i = 0; findings && i < findings->len; i++)
        g_string_append_printf(text, " %s", ((const Finding *) findings->pdata[i])->id);
    return g_str_hash(text->str) ?: 1;
}

/* A rule asks again and again; what stands in its way is told when it is another thing. */
static bool is_news(ManagedGroup *group, unsigned refusal)
{
    bool news = group->refusal_told != refusal;

    group->refusal_told = refusal;
    return news;
}

static void say_result(JournalEntry *entry, const Change *change, const ManagedGroup *group,
                       const ChangeResult *result, const char *text)
{
    uint64_t total = (uint64_t) g_get_monotonic_time() - change->started_at;
    bool done = result && result->code == REFUSAL_NONE;

    /* The times are fields, too, for whoever adds them up. */
    journal_entry_add_number(entry, "CHANGE_USEC", total);
    journal_entry_add_number(entry, "WORKER_USEC", result ? result->total_usec : 0);
    journal_entry_add_number(entry, "KERNEL_USEC", result ? result->kernel_usec : 0);
    journal_entry_say(
        entry,
        "group %u: %s %s %s (%s) in %" G_GUINT64_FORMAT " µs, of which the kernel %" G_GUINT64_FORMAT
        "%s%s%s%s",
        group->id, change->origin == CHANGE_BY_RECOVERY ? "recovery" : "change to",
        change->request ? domain_type_to_string(change->request->type) : "", done ? "done" : "not done",
        change->request && change->request->origin ? change->request->origin : "left by an earlier change",
        total, result ? result->kernel_usec : 0, *text ? ": " : "", text,
        change->options.reason ? "; reason: " : "", change->options.reason ?: "");
}

void report_result(const Change *change, ManagedGroup *group, const ChangeResult *result, const char *text)
{
    RefusalCode code = result ? result->code : REFUSAL_INTERRUPTED;
    int level;
    JournalMessage message = result_message(change, result, &level);
    JournalEntry *entry;

    if (code == REFUSAL_NONE)
        group->refusal_told = 0;
    else if (change->origin == CHANGE_BY_RULE && message == JOURNAL_REFUSED &&
             !is_news(group, refusal_hash(code, result->findings)))
        return;
    entry = report_entry_new(message, level, group);
    add_request(entry, change);
    journal_entry_add(entry, "RESULT", code == REFUSAL_NONE ? "done" : refusal_name(code));
    if (result)
        add_outcome(entry, result);
    say_result(entry, change, group, result, text);
    journal_write(change->manager->journal, entry, caller_of(change));
}

/* --- on the way to a change */

/* NULL if the journal has no room for a refusal of CALLER with CODE. *ret_end is the end of its sentence. */
static JournalEntry *refusal_new(Manager *manager, const Caller *caller, RefusalCode code, unsigned id,
                                 const char **ret_end)
{
    RefusalRoom room = refusal_rate_take(manager->refusal_rate, caller->uid, code,
                                         (uint64_t) g_get_monotonic_time());
    const ManagedGroup *group = manager_group(manager, id);
    JournalEntry *entry;

    if (room == REFUSAL_ROOM_NONE)
        return NULL;
    *ret_end = room == REFUSAL_ROOM_MORE ? ""
        : "; more refusals of this user are not written within the minute";
    entry = journal_entry_new(JOURNAL_REFUSED, LOG_NOTICE);
    if (group)
        report_entry_add_group(entry, group);
    else if (id != NO_GROUP)
        journal_entry_add_number(entry, "GROUP", id);
    journal_entry_add(entry, "RESULT", refusal_name(code));
    return entry;
}

void report_refused(const Change *change, RefusalCode code, const char *object, const char *detail)
{
    const char *end;
    JournalEntry *entry = refusal_new(change->manager, &change->caller, code, change->item.group, &end);
    g_autofree char *name = g_strdup_printf("group %u", change->item.group);
    g_autofree char *target = g_strdup_printf("%u", change->item.group);
    g_autofree char *text = refusal_text(code, object && *object ? object : name, target, detail);

    if (!entry)
        return;
    add_request(entry, change);
    if (change->survey) {
        journal_entry_add(entry, "HOW", change_how_to_string(change->survey->how));
        add_findings(entry, change->survey->findings);
    }
    journal_entry_say(entry, "%s: a call for %s was refused: %s%s", name,
                      domain_type_to_string(change->request->type), text, end);
    journal_write(change->manager->journal, entry, caller_of(change));
}

void report_call_refused(Manager *manager, const RefusedCall *call)
{
    const char *end;
    JournalEntry *entry = refusal_new(manager, call->caller, call->code, call->group, &end);
    const ManagedGroup *group = manager_group(manager, call->group);
    g_autofree char *name = call->group != NO_GROUP ? g_strdup_printf("group %u", call->group) : NULL;
    g_autofree char *target = g_strdup_printf("%u", call->group);
    const char *object = call->object ?: name ?: call->method;
    g_autofree char *text = refusal_text(call->code, object, target, call->detail);

    if (!entry)
        return;
    journal_entry_add(entry, "METHOD", call->method);
    if (group)
        report_entry_add_types(entry, group->type, call->type);
    journal_entry_add(entry, "REASON", call->reason);
    journal_entry_say(entry, "%s%sa call of %s was refused: %s%s", name ?: "", name ? ": " : "",
                      call->method, text, end);
    journal_write(manager->journal, entry, call->caller);
}

void report_override(const Change *change, const ManagedGroup *group)
{
    char **allow = change->request->allow;
    g_autofree char *ids = NULL;
    JournalEntry *entry;

    if (!allow || !*allow)
        return;
    ids = g_strjoinv(" ", allow);
    entry = report_entry_new(JOURNAL_OVERRIDE, LOG_NOTICE, group);
    add_request(entry, change);
    journal_entry_add(entry, "HOW", change_how_to_string(change->request->how));
    for (char **id = allow; *id; id++)
        journal_entry_add(entry, "FINDING", *id);
    journal_entry_say(entry, "group %u: a change to %s goes on in spite of %s (%s)%s%s", group->id,
                      domain_type_to_string(change->request->type), ids, change->request->origin,
                      change->options.reason ? "; reason: " : "", change->options.reason ?: "");
    journal_write(change->manager->journal, entry, caller_of(change));
}

void report_in_use(ManagedGroup *group, const ChangeSurvey *survey)
{
    g_autofree char *name = NULL, *text = NULL, *origin = NULL;
    JournalEntry *entry;

    if (survey->refusal != REFUSAL_IN_USE && survey->refusal != REFUSAL_OWNED_BY_USER) {
        group->refusal_told = 0;
        return;
    }
    if (!is_news(group, refusal_hash(survey->refusal, survey->findings)))
        return;
    name = g_strdup_printf("group %u", group->id);
    text = refusal_text(survey->refusal, survey->object ?: name, NULL, survey->detail);
    origin = g_strconcat(g_str_has_prefix(group->wanted_by, CALL_ORIGIN) ? "" : RULE_ORIGIN,
                         group->wanted_by, NULL);
    entry = report_entry_new(JOURNAL_REFUSED, LOG_INFO, group);
    report_entry_add_types(entry, survey->type_from, group->wanted);
    add_origin(entry, origin, NULL);
    journal_entry_add(entry, "HOW", change_how_to_string(survey->how));
    journal_entry_add(entry, "RESULT", refusal_name(survey->refusal));
    add_findings(entry, survey->findings);
    journal_entry_say(entry, "group %u: %s, wanted by %s, has to wait: %s", group->id,
                      domain_type_to_string(group->wanted), group->wanted_by, text);
    journal_write(group->manager->journal, entry, NULL);
}

/* --- a change that hangs */

static void report_step(JournalMessage message, int level, const ManagedGroup *group, const Change *change,
                        const char *what)
{
    JournalEntry *entry = report_entry_new(message, level, group);

    add_request(entry, change);
    journal_entry_add(entry, "STEP", change->step);
    journal_entry_say(entry, "group %u: %s", group->id, what);
    journal_write(change->manager->journal, entry, caller_of(change));
}

void report_stuck(const ManagedGroup *group, const Change *change)
{
    g_autofree char *what =
        g_strdup_printf("%s does not return; the other groups go on", change->step ?: "a change");

    report_step(JOURNAL_STUCK, LOG_ERR, group, change, what);
}

void report_goes_on(const ManagedGroup *group, const Change *change)
{
    report_step(JOURNAL_GOES_ON, LOG_NOTICE, group, change, "what hung has returned, the change goes on");
}

void report_given_up(const ManagedGroup *group)
{
    JournalEntry *entry = report_entry_new(JOURNAL_BROKEN, LOG_ERR, group);

    journal_entry_add(entry, "RESULT", refusal_name(REFUSAL_INTERRUPTED));
    journal_entry_say(entry,
                      "group %u: its recovery was ended again and again; the record stays for the next "
                      "start",
                      group->id);
    journal_write(group->manager->journal, entry, NULL);
}

/* --- added devices */

void report_add_before_driver(const ManagedGroup *group, const AddedDevice *added)
{
    JournalEntry *entry = report_entry_new(JOURNAL_ADD_BEFORE_DRIVER, LOG_INFO, group);

    report_entry_add_types(entry, added->group->from, added->group->wanted);
    journal_entry_add(entry, "RULE", added->group->wanted_by);
    journal_entry_add(entry, "TYPE", domain_type_to_string(added->group->type));
    journal_entry_add(entry, "HOW", change_how_to_string(CHANGE_UNBOUND));
    journal_entry_add_number(entry, "ADD_USEC", added->usec);
    journal_entry_say(entry,
                      "group %u: a device was added, and has %s, wanted by %s, before a driver was bound "
                      "(%" G_GUINT64_FORMAT " µs after the event)",
                      group->id, domain_type_to_string(added->group->type), added->group->wanted_by,
                      added->usec);
    journal_write(group->manager->journal, entry, NULL);
}

static const char *bound_driver(const ManagedGroup *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];

        if (managed_device_unbinds(managed))
            return managed->device->driver;
    }
    return NULL;
}

void report_add_after_driver(const ManagedGroup *group, const Decision *decision)
{
    JournalEntry *entry = report_entry_new(JOURNAL_ADD_AFTER_DRIVER, LOG_INFO, group);

    report_entry_add_types(entry, group->type, decision->wanted);
    journal_entry_add(entry, "RULE", decision->wanted_by);
    journal_entry_add(entry, "DRIVER", bound_driver(group));
    journal_entry_say(entry,
                      "group %u: a device was added, and its driver was bound before %s, wanted by %s, was "
                      "written",
                      group->id, domain_type_to_string(decision->wanted), decision->wanted_by);
    journal_write(group->manager->journal, entry, NULL);
}

/* --- types */

void report_drift(const ManagedGroup *group, DomainType type)
{
    JournalEntry *entry = report_entry_new(JOURNAL_DRIFT, LOG_NOTICE, group);

    report_entry_add_types(entry, group->type, type);
    journal_entry_say(entry, "group %u: its type has become %s without us (drift); it was %s", group->id,
                      domain_type_to_string(type), domain_type_to_string(group->type));
    journal_write(group->manager->journal, entry, NULL);
}

void report_call_dropped(const ManagedGroup *group, DomainType dropped, const Caller *caller)
{
    JournalEntry *entry = report_entry_new(JOURNAL_CALL_DROPPED, LOG_NOTICE, group);

    report_entry_add_types(entry, dropped, group->wanted);
    journal_entry_say(entry, "group %u: a call ends what an earlier one asked for (%s); the rules want %s",
                      group->id, domain_type_to_string(dropped),
                      group->wanted < 0 ? "nothing" : domain_type_to_string(group->wanted));
    journal_write(group->manager->journal, entry, caller);
}

/* --- rules */

void report_reloaded(Manager *manager, unsigned errors, unsigned warnings, const Caller *caller)
{
    JournalEntry *entry = journal_entry_new(JOURNAL_RULES_RELOADED, LOG_INFO);

    journal_entry_add_number(entry, "ERRORS", errors);
    journal_entry_add_number(entry, "WARNINGS", warnings);
    journal_entry_add(entry, "DIGEST", rule_set_digest(manager->rules));
    journal_entry_say(entry, "the rules were read again: %u in force, %u errors, %u warnings",
                      rule_set_rules(manager->rules)->len, errors, warnings);
    journal_write(manager->journal, entry, caller);
}

void report_frozen(Manager *manager, const Caller *caller)
{
    JournalEntry *entry = journal_entry_new(JOURNAL_RULES_FROZEN, LOG_ERR);

    journal_entry_say(entry, "the rules are frozen until every rule file can be read: nothing is relaxed, "
                             "nothing is unbound");
    journal_write(manager->journal, entry, caller);
}

/* --- the boot */

static const char *pass_name(EarlyStage stage)
{
    return stage == EARLY_INITRAMFS ? "the early pass in the initramfs" : "the early pass of the host";
}

static void report_early_failure(Manager *manager, EarlyStage stage, const EarlyGroup *group)
{
    JournalEntry *entry = journal_entry_new(JOURNAL_EARLY_PASS, LOG_WARNING);

    journal_entry_add_number(entry, "GROUP", group->id);
    for (guint i = 0; i < group->members->len; i++)
        journal_entry_add(entry, "DEVICE", ((const RecordMember *) group->members->pdata[i])->name);
    journal_entry_add(entry, "STAGE", early_stage_to_string(stage));
    journal_entry_add(entry, "RULE", group->wanted_by);
    report_entry_add_types(entry, group->from, group->wanted);
    journal_entry_add(entry, "RESULT", early_outcome_to_string(group->outcome));
    journal_entry_say(entry, "group %u: %s failed: %s", group->id, pass_name(stage), group->text);
    journal_write(manager->journal, entry, NULL);
}

void report_early_pass(Manager *manager, EarlyStage stage, const EarlyNote *note)
{
    static const char *const fields[] = { "SET", "ALREADY", "BOUND", "REFUSED", "FAILED" };
    unsigned counts[_EARLY_OUTCOME_MAX] = { 0 };
    JournalEntry *entry;

    if (note->groups->len == 0 && !note->disabled && !note->frozen)
        return; /* there was nothing to do */
    for (guint i = 0; i < note->groups->len; i++)
        counts[((const EarlyGroup *) note->groups->pdata[i])->outcome]++;
    entry = journal_entry_new(JOURNAL_EARLY_PASS, LOG_INFO);
    journal_entry_add(entry, "STAGE", early_stage_to_string(stage));
    journal_entry_add(entry, "DIGEST", note->digest);
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        journal_entry_add_number(entry, fields[i], counts[i]);
    journal_entry_say(entry, "%s: %u groups set, %u had their type already, %u had a driver already, "
                      "%u refused, %u failed%s%s%s", pass_name(stage), counts[EARLY_SET],
                      counts[EARLY_ALREADY], counts[EARLY_BOUND], counts[EARLY_REFUSED],
                      counts[EARLY_FAILED], note->frozen ? "; a rule file was refused" : "",
                      note->disabled ? "; nothing was done: " : "", note->disabled ?: "");
    journal_write(manager->journal, entry, NULL);
    for (guint i = 0; i < note->groups->len; i++) {
        const EarlyGroup *group = note->groups->pdata[i];

        if (group->outcome == EARLY_FAILED)
            report_early_failure(manager, stage, group);
    }
}

void report_image(Manager *manager, bool stale)
{
    JournalEntry *entry = journal_entry_new(JOURNAL_INITRAMFS, stale ? LOG_WARNING : LOG_NOTICE);
    g_autofree char *advice = manager_image_advice(manager);

    journal_entry_add(entry, "RESULT", stale ? "stale" : "done");
    journal_entry_say(entry, "%s", advice ?: "the initramfs has the rules that are on disk");
    journal_write(manager->journal, entry, NULL);
}
