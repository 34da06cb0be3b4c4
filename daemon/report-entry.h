/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "journal.h"
#include "managed-group.h"

/* What the entries about groups have in common, for report.c and report-rule.c. */

/* Names GROUP and its devices. */
void report_entry_add_group(JournalEntry *entry, const ManagedGroup *group);

/* journal_entry_new() with them. */
JournalEntry *report_entry_new(JournalMessage message, int level, const ManagedGroup *group);

/* FROM and TO; _DOMAIN_TYPE_INVALID leaves one out. */
void report_entry_add_types(JournalEntry *entry, DomainType from, DomainType to);
