/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <errno.h>

#include "diagnostic.h"
#include "journal.h"
#include "log.h"
#include "record.h"
#include "settings.h"
#include "transaction.h"

static void no_step(const char *step, uint64_t limit_usec, void *userdata)
{
}

/* What the record said: after a recovery that went well it is gone. */
static void report(Journal *journal, const char *key, const Record *record, const ChangeResult *result)
{
    bool done = result->code == REFUSAL_NONE;
    JournalEntry *entry = journal_entry_new(done ? JOURNAL_RECOVERED : JOURNAL_BROKEN,
                                            done ? LOG_NOTICE : LOG_ERR);
    g_autofree char *text = NULL;

    if (record) {
        journal_entry_add_number(entry, "GROUP", record->group);
        for (guint i = 0; i < record->members->len; i++)
            journal_entry_add(entry, "DEVICE", ((const RecordMember *) record->members->pdata[i])->name);
        journal_entry_add(entry, "FROM", domain_type_to_string(record->old_type));
        journal_entry_add(entry, "TO", domain_type_to_string(record->wanted_type));
    }
    journal_entry_add(entry, "TYPE", domain_type_to_string(result->type));
    journal_entry_add(entry, "RESULT", done ? "done" : refusal_name(result->code));
    for (guint i = 0; i < result->notes->len; i++)
        journal_entry_add(entry, "NOTE", result->notes->pdata[i]);
    if (!done)
        text = refusal_text(result->code, result->object ?: key, NULL, result->detail);
    journal_entry_say(entry, "%s: %s", key, text ?: "recovered from an interrupted change");
    journal_write(journal, entry, NULL);
}

static int recover_one(int root_fd, const char *key, const ChangeLimits *limits, Journal *journal)
{
    g_autoptr(ChangeResult) result = NULL;
    g_autoptr(Record) record = NULL;
    g_autofree char *error = NULL;
    int r;

    (void) record_load(root_fd, key, &record, &error); /* what is wrong with it, recovery says */
    r = transaction_recover(root_fd, key, limits, no_step, NULL, &result);
    if (r == -EWOULDBLOCK) {
        log_info("%s: its worker still runs and finishes by itself", key);
        return 0;
    }
    if (r == -ENOENT)
        return 0;
    if (r < 0) {
        log_error("%s: record not recovered: %s", key,
                  result && result->detail ? result->detail : g_strerror(-r));
        return -EIO;
    }
    report(journal, key, record, result);
    return result->code == REFUSAL_NONE ? 0 : -EIO;
}

int recover_all(int root_fd)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Journal) journal = journal_new(NULL);
    g_auto(GStrv) keys = NULL;
    Settings settings;
    int r, result = 0;

    settings_set_defaults(&settings);
    (void) settings_load(root_fd, &settings, diagnostics); /* what is wrong in it, the daemon has said */
    r = record_list(root_fd, &keys);
    if (r < 0)
        return r;
    for (char **key = keys; *key; key++)
        if (recover_one(root_fd, *key, &settings.limits, journal) < 0)
            result = -EIO;
    return result;
}
