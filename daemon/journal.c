/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <string.h>
#include <sys/uio.h>

#include "audit-log.h"
#include "iommu-policy-messages.h"
#include "log.h"
#include "plain-text.h"

#define FIELD_PREFIX "IOMMU_"
#define VALUE_MAX (64 * 1024u) /* bytes; a device that thousands of processes hold has a long one */
/* An audit record has room for 8970 bytes (libaudit.h, MAX_AUDIT_MESSAGE_LENGTH), coded ones are twice as
 * long. */
#define AUDIT_VALUE_MAX 1024u

static const struct {
    const char *id;
    const char *operation; /* op= of the audit record */
    bool success;          /* res= of it */
} messages[_JOURNAL_MESSAGE_MAX] = {
    [JOURNAL_CHANGE_DONE] = { IOMMU_POLICY_MESSAGE_CHANGE_DONE, "iommu-change", true },
    [JOURNAL_CHANGE_FAILED] = { IOMMU_POLICY_MESSAGE_CHANGE_FAILED, "iommu-change", false },
    [JOURNAL_REFUSED] = { IOMMU_POLICY_MESSAGE_REFUSED, "iommu-refuse", false },
    [JOURNAL_OVERRIDE] = { IOMMU_POLICY_MESSAGE_OVERRIDE, "iommu-override", true },
    [JOURNAL_BROKEN] = { IOMMU_POLICY_MESSAGE_BROKEN, "iommu-broken", false },
    [JOURNAL_STUCK] = { IOMMU_POLICY_MESSAGE_STUCK, "iommu-stuck", false },
    [JOURNAL_GOES_ON] = { IOMMU_POLICY_MESSAGE_GOES_ON, "iommu-goes-on", true },
    [JOURNAL_RECOVERED] = { IOMMU_POLICY_MESSAGE_RECOVERED, "iommu-recover", true },
    [JOURNAL_DRIFT] = { IOMMU_POLICY_MESSAGE_DRIFT, "iommu-drift", true },
    [JOURNAL_FORBIDDEN_TYPE] = { IOMMU_POLICY_MESSAGE_FORBIDDEN_TYPE, "iommu-forbidden-type", false },
    [JOURNAL_CONFLICT] = { IOMMU_POLICY_MESSAGE_CONFLICT, "iommu-conflict", false },
    [JOURNAL_UNSUPPORTED] = { IOMMU_POLICY_MESSAGE_UNSUPPORTED, "iommu-unsupported", false },
    [JOURNAL_RULES_FROZEN] = { IOMMU_POLICY_MESSAGE_RULES_FROZEN, "iommu-rules-freeze", false },
    [JOURNAL_RULES_RELOADED] = { IOMMU_POLICY_MESSAGE_RULES_RELOADED, "iommu-rules-reload", true },
    [JOURNAL_CALL_DROPPED] = { IOMMU_POLICY_MESSAGE_CALL_DROPPED, "iommu-drop-call", true },
    [JOURNAL_ADD_BEFORE_DRIVER] = { IOMMU_POLICY_MESSAGE_ADD_BEFORE_DRIVER, "iommu-change", true },
    [JOURNAL_ADD_AFTER_DRIVER] = { IOMMU_POLICY_MESSAGE_ADD_AFTER_DRIVER, "iommu-add-late", false },
    [JOURNAL_EARLY_PASS] = { IOMMU_POLICY_MESSAGE_EARLY_PASS, "iommu-early-pass", true },
    [JOURNAL_INITRAMFS] = { IOMMU_POLICY_MESSAGE_INITRAMFS, "iommu-initramfs", true },
};

struct JournalEntry {
    JournalMessage message;
    GPtrArray *fields; /* "IOMMU_GROUP=7" */
};

struct Journal {
    AuditLog *audit;
};

/* --- entries */

JournalEntry *journal_entry_new(JournalMessage message, int level)
{
    JournalEntry *entry = g_new0(JournalEntry, 1);

    entry->message = message;
    entry->fields = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(entry->fields, g_strdup_printf("MESSAGE_ID=%s", messages[message].id));
    g_ptr_array_add(entry->fields, g_strdup_printf("PRIORITY=%i", level));
    return entry;
}

void journal_entry_add(JournalEntry *entry, const char *field, const char *value)
{
    g_autofree char *text = NULL;

    if (!value || !*value)
        return;
    text = plain_text(value, VALUE_MAX);
    g_ptr_array_add(entry->fields, g_strdup_printf(FIELD_PREFIX "%s=%s", field, text));
}

void journal_entry_add_number(JournalEntry *entry, const char *field, uint64_t value)
{
    g_ptr_array_add(entry->fields, g_strdup_printf(FIELD_PREFIX "%s=%" G_GUINT64_FORMAT, field, value));
}

void journal_entry_say(JournalEntry *entry, const char *format, ...)
{
    g_autofree char *text = NULL, *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    line = plain_text(text, VALUE_MAX);
    g_ptr_array_add(entry->fields, g_strdup_printf("MESSAGE=%s", line));
}

/* --- writing */

static void send_to_journal(const JournalEntry *entry)
{
    g_autofree struct iovec *parts = g_new(struct iovec, entry->fields->len);

    for (guint i = 0; i < entry->fields->len; i++)
        parts[i] = (struct iovec) {
            .iov_base = entry->fields->pdata[i],
            .iov_len = strlen(entry->fields->pdata[i]),
        };
    (void) sd_journal_sendv(parts, (int) entry->fields->len);
}

/* The values of a field that stands there several times are one, with commas. */
static GString *take_values(GPtrArray *fields, guint first, size_t name_length)
{
    const char *name = fields->pdata[first];
    GString *values = g_string_new(name + name_length + 1);

    for (guint i = first + 1; i < fields->len;) {
        const char *field = fields->pdata[i];

        if (strncmp(field, name, name_length + 1) != 0) {
            i++;
            continue;
        }
        g_string_append_printf(values, ",%s", field + name_length + 1);
        g_ptr_array_remove_index(fields, i);
    }
    if (values->len > AUDIT_VALUE_MAX) {
        g_string_truncate(values, AUDIT_VALUE_MAX);
        g_string_append(values, "...");
    }
    return values;
}

static bool belongs_into_audit(const char *field)
{
    return g_str_has_prefix(field, FIELD_PREFIX) && !g_str_has_prefix(field, FIELD_PREFIX "STEP=");
}

/* Consumes the fields of ENTRY. */
static void send_to_audit(AuditLog *log, JournalEntry *entry)
{
    g_autoptr(GString) text = g_string_new("op=");

    g_string_append(text, messages[entry->message].operation);
    for (guint i = 0; i < entry->fields->len; i++) {
        const char *field = entry->fields->pdata[i];
        size_t length = strcspn(field, "=");
        g_autofree char *name = g_ascii_strdown(field, (gssize) length);
        g_autoptr(GString) values = NULL;

        if (!belongs_into_audit(field))
            continue;
        values = take_values(entry->fields, i, length);
        audit_log_append(text, name, values->str);
    }
    audit_log_write(log, text->str, messages[entry->message].success);
}

static void add_caller(JournalEntry *entry, const Caller *caller)
{
    if (caller->uid != (uid_t) -1)
        journal_entry_add_number(entry, "UID", caller->uid);
    if (caller->pid <= 0)
        return;
    journal_entry_add_number(entry, "PID", (uint64_t) caller->pid);
    /* journald adds what it knows of this process: systemd.journal-fields(7), OBJECT_PID=. */
    g_ptr_array_add(entry->fields, g_strdup_printf("OBJECT_PID=%d", (int) caller->pid));
}

void journal_write(Journal *journal, JournalEntry *entry, const Caller *caller)
{
    if (caller)
        add_caller(entry, caller);
    send_to_journal(entry);
    send_to_audit(journal->audit, entry);
    g_ptr_array_unref(entry->fields);
    g_free(entry);
}

/* --- life */

Journal *journal_new(sd_event *event)
{
    Journal *journal = g_new0(Journal, 1);

    journal->audit = audit_log_new(event);
    return journal;
}

Journal *journal_free(Journal *journal)
{
    if (!journal)
        return NULL;
    (void) audit_log_free(journal->audit);
    g_free(journal);
    return NULL;
}
