/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "caller.h"

/*
 * The trail: what has been changed, refused and allowed, by whom and why, as entries of the journal with
 * fields to search for, and as audit records. docs/journal.md lists the fields and the messages; lines
 * without them, for whoever reads along, are log.h's.
 *
 * Whatever a value says, it stays within its field: plain-text.h says what is replaced.
 */
typedef struct Journal Journal;

/* One for each MESSAGE_ID of iommu-policy-messages.h. */
typedef enum JournalMessage {
    JOURNAL_CHANGE_DONE,
    JOURNAL_CHANGE_FAILED,
    JOURNAL_REFUSED,
    JOURNAL_OVERRIDE,
    JOURNAL_BROKEN,
    JOURNAL_STUCK,
    JOURNAL_GOES_ON,
    JOURNAL_RECOVERED,
    JOURNAL_DRIFT,
    JOURNAL_FORBIDDEN_TYPE,
    JOURNAL_CONFLICT,
    JOURNAL_UNSUPPORTED,
    JOURNAL_RULES_FROZEN,
    JOURNAL_RULES_RELOADED,
    JOURNAL_CALL_DROPPED,
    JOURNAL_ADD_BEFORE_DRIVER,
    JOURNAL_ADD_AFTER_DRIVER,
    JOURNAL_EARLY_PASS,
    JOURNAL_INITRAMFS,
    _JOURNAL_MESSAGE_MAX,
} JournalMessage;

/* EVENT NULL: of a program without a loop. */
Journal *journal_new(sd_event *event);
/* Accepts NULL; returns NULL. */
Journal *journal_free(Journal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)

/* --- entries */

typedef struct JournalEntry JournalEntry;

/* LEVEL: LOG_ERR ... LOG_INFO. */
JournalEntry *journal_entry_new(JournalMessage message, int level);

/* Adds FIELD, without the prefix IOMMU_ that it gets: "GROUP", "FROM". The same field may be added several
 * times, and is then found by each of its values. With VALUE NULL or "" nothing is added. */
void journal_entry_add(JournalEntry *entry, const char *field, const char *value);
void journal_entry_add_number(JournalEntry *entry, const char *field, uint64_t value);

/* The sentence for people. */
void journal_entry_say(JournalEntry *entry, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Writes ENTRY, with who asked for it (NULL: nobody), and frees it. */
void journal_write(Journal *journal, JournalEntry *entry, const Caller *caller);
