/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report-entry.h"

void report_entry_add_group(JournalEntry *entry, const ManagedGroup *group)
{
    journal_entry_add_number(entry, "GROUP", group->id);
    for (guint i = 0; i < group->members->len; i++)
        journal_entry_add(entry, "DEVICE",
                          ((const ManagedDevice *) group->members->pdata[i])->device->facts->name);
}

JournalEntry *report_entry_new(JournalMessage message, int level, const ManagedGroup *group)
{
    JournalEntry *entry = journal_entry_new(message, level);

    report_entry_add_group(entry, group);
    return entry;
}

void report_entry_add_types(JournalEntry *entry, DomainType from, DomainType to)
{
    journal_entry_add(entry, "FROM", domain_type_to_string(from));
    journal_entry_add(entry, "TO", domain_type_to_string(to));
}
