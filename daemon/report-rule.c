/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What rules ask for and cannot have as they stand: told once, until it is something else. */
#include <syslog.h>

#include "manager.h"
#include "report-entry.h"
#include "report.h"

/* The files that ask for a type, each once. */
static GPtrArray *asking_origins(const Decision *decision)
{
    GPtrArray *origins = g_ptr_array_new();

    for (guint i = 0; i < decision->member_wishes->len; i++) {
        const MemberWish *wish = decision->member_wishes->pdata[i];

        if (wish->has_wish && !g_ptr_array_find_with_equal_func(origins, wish->origin, g_str_equal, NULL))
            g_ptr_array_add(origins, wish->origin);
    }
    return origins;
}

static void add_origins(JournalEntry *entry, const GPtrArray *origins)
{
    for (guint i = 0; i < origins->len; i++)
        journal_entry_add(entry, "RULE", origins->pdata[i]);
}

static const char *forbidding_origin(const Decision *decision)
{
    for (guint i = 0; i < decision->trail->len; i++) {
        const TrailEntry *trail = decision->trail->pdata[i];

        if (trail->verdict == VERDICT_FORBIDS)
            return trail->origin;
    }
    return NULL;
}

void report_forbidden_type(ManagedGroup *group, const Decision *decision)
{
    bool forbidden = group->type_known && decision->type_forbidden;
    const char *origin = forbidding_origin(decision);
    JournalEntry *entry;

    if (group->forbidden_told == forbidden)
        return;
    group->forbidden_told = forbidden;
    if (!forbidden)
        return;
    entry = report_entry_new(JOURNAL_FORBIDDEN_TYPE, LOG_WARNING, group);
    report_entry_add_types(entry, group->type, decision->wanted);
    journal_entry_add(entry, "RULE", origin);
    journal_entry_say(entry, "group %u: its type %s is forbidden%s%s%s%s", group->id,
                      domain_type_to_string(group->type), origin ? " by " : "", origin ?: "",
                      decision->obstacle_text ? ", and not changed: " : "", decision->obstacle_text ?: "");
    journal_write(group->manager->journal, entry, NULL);
}

void report_conflict(ManagedGroup *group, const Decision *decision)
{
    bool conflict = group->type_known && !group->unsupported && decision->conflict;
    unsigned told = conflict ? g_str_hash(decision->conflict_text) | 1 : 0;
    g_autoptr(GPtrArray) origins = NULL;
    JournalEntry *entry;

    if (group->conflict_told == told)
        return;
    group->conflict_told = told;
    if (!conflict)
        return;
    origins = asking_origins(decision);
    entry = report_entry_new(JOURNAL_CONFLICT, LOG_WARNING, group);
    report_entry_add_types(entry, group->type, decision->wanted);
    add_origins(entry, origins);
    journal_entry_say(entry, "group %u: different types are asked for: %s", group->id,
                      decision->conflict_text);
    journal_write(group->manager->journal, entry, NULL);
}

/* The files that match a member, each once: also those that forbid. */
static GPtrArray *matching_origins(const Decision *decision)
{
    GPtrArray *origins = asking_origins(decision);

    for (guint i = 0; i < decision->trail->len; i++) {
        const TrailEntry *trail = decision->trail->pdata[i];

        if (trail->verdict == VERDICT_FORBIDS &&
            !g_ptr_array_find_with_equal_func(origins, trail->origin, g_str_equal, NULL))
            g_ptr_array_add(origins, trail->origin);
    }
    return origins;
}

void report_ignored(ManagedGroup *group, const Decision *decision)
{
    g_autoptr(GPtrArray) origins = group->unsupported ? matching_origins(decision) : g_ptr_array_new();
    g_autoptr(GString) names = g_string_new(NULL);
    JournalEntry *entry;
    unsigned told;

    for (guint i = 0; i < origins->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", (const char *) origins->pdata[i]);
    told = names->len > 0 ? g_str_hash(names->str) | 1 : 0;
    if (group->ignored_told == told)
        return;
    group->ignored_told = told;
    if (told == 0)
        return;
    entry = report_entry_new(JOURNAL_UNSUPPORTED, LOG_WARNING, group);
    report_entry_add_types(entry, group->type, decision->wanted);
    add_origins(entry, origins);
    journal_entry_say(entry, "group %u: %s cannot act on it: %s", group->id, names->str, group->unsupported);
    journal_write(group->manager->journal, entry, NULL);
}
