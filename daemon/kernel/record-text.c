/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "plain-text.h"
#include "record.h"

/*
 * The text of records, see docs/records.md: "key=value" lines in one fixed order, the last line is "end".
 * The reader walks that order and accepts nothing else: recovery acts on what it says with all privileges.
 */

#define CHANGE_HEADER "iommu-policy-change=1"
#define CALL_HEADER "iommu-policy-call=1"
#define VALUE_MAX 4096u
#define NAME_LENGTH_MAX 255u
#define BOOT_ID_LENGTH 36u

/* Appends VALUE with what would break a line, or is no UTF-8, as \xNN. */
static void append_escaped(GString *text, const char *value)
{
    bool utf8 = g_utf8_validate(value, -1, NULL);

    for (const unsigned char *p = (const unsigned char *) value; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || *p == '\\' || (*p >= 0x80 && !utf8))
            g_string_append_printf(text, "\\x%02x", *p);
        else
            g_string_append_c(text, (char) *p);
    }
}

static void append_string(GString *text, const char *key, const char *value)
{
    g_string_append_printf(text, "%s=", key);
    append_escaped(text, value);
    g_string_append_c(text, '\n');
}

static void append_id(GString *text, const char *key, uint32_t id)
{
    if (id != FACT_NO_ID)
        g_string_append_printf(text, "%s=0x%x\n", key, id);
}

static void append_identity(GString *text, const RecordMember *member)
{
    append_string(text, "bus", member->bus);
    append_string(text, "name", member->name);
    g_string_append_printf(text, "inode=%" PRIu64 "\n", member->inode);
}

char *record_to_text(const Record *record)
{
    GString *text = g_string_new(CHANGE_HEADER "\n");

    append_string(text, "boot-id", record->boot_id);
    append_string(text, "origin", record->origin);
    g_string_append_printf(text, "group=%u\nold-type=%s\nwanted-type=%s\n", record->group,
                           domain_type_to_string(record->old_type),
                           domain_type_to_string(record->wanted_type));
    for (guint i = 0; i < record->members->len; i++) {
        const RecordMember *member = record->members->pdata[i];

        append_identity(text, member);
        append_id(text, "vendor", member->vendor);
        append_id(text, "device", member->device);
        append_id(text, "class", member->class_code);
        if (member->driver)
            append_string(text, "driver", member->driver);
        g_string_append_printf(text, "unbinds=%s\n", member->unbinds ? "yes" : "no");
        if (member->has_driver_override)
            append_string(text, "driver-override", member->driver_override ?: "");
    }
    g_string_append(text, "end\n");
    return g_string_free(text, FALSE);
}

char *call_record_to_text(const CallRecord *call)
{
    GString *text = g_string_new(CALL_HEADER "\n");

    append_string(text, "boot-id", call->boot_id);
    append_string(text, "origin", call->origin);
    g_string_append_printf(text, "type=%s\n", domain_type_to_string(call->type));
    if (call->reason)
        append_string(text, "reason", call->reason);
    for (guint i = 0; i < call->members->len; i++)
        append_identity(text, call->members->pdata[i]);
    g_string_append(text, "end\n");
    return g_string_free(text, FALSE);
}

typedef struct Reader {
    const char *next, *end; /* what is left of the text */
    unsigned line;          /* number of the line in hand, from 1 */
    char *text;             /* the line in hand without newline; NULL: none left */
    char *error;
} Reader;

static void reader_clear(Reader *reader)
{
    g_free(reader->text);
    g_free(reader->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

/* TEXT may be NULL if SIZE is 0. */
static Reader reader_of(const char *text, size_t size)
{
    return (Reader){ .next = text, .end = size > 0 ? text + size : text };
}

static int G_GNUC_PRINTF(2, 3) reader_fail(Reader *reader, const char *format, ...)
{
    va_list arguments;

    g_free(reader->error);
    va_start(arguments, format);
    reader->error = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* Takes the next line in hand. */
static int reader_advance(Reader *reader)
{
    const char *newline;

    g_clear_pointer(&reader->text, g_free);
    if (reader->next == reader->end)
        return 0;
    reader->line++;
    newline = memchr(reader->next, '\n', (size_t) (reader->end - reader->next));
    if (!newline)
        return reader_fail(reader, "the line does not end");
    for (const char *p = reader->next; p < newline; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            return reader_fail(reader, "control character 0x%02x", (unsigned char) *p);
    reader->text = g_strndup(reader->next, (size_t) (newline - reader->next));
    reader->next = newline + 1;
    return 0;
}

/* The value of the line in hand if its key is KEY, else NULL. */
static const char *reader_peek(const Reader *reader, const char *key)
{
    size_t length = strlen(key);

    if (!reader->text || strncmp(reader->text, key, length) != 0 || reader->text[length] != '=')
        return NULL;
    return reader->text + length + 1;
}

static int missing(Reader *reader, const char *what)
{
    if (!reader->text)
        return reader_fail(reader, "the text ends where %s should be", what);
    return reader_fail(reader, "expected %s", what);
}

static int reader_literal(Reader *reader, const char *line)
{
    if (!reader->text || !g_str_equal(reader->text, line))
        return missing(reader, line);
    return reader_advance(reader);
}

/* Turns \xNN back. Only what the writer escapes may be escaped, and never a NUL. */
static char *unescape(const char *value)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (; *value; value++) {
        int high, low;

        if (*value != '\\') {
            g_string_append_c(text, *value);
            continue;
        }
        if (value[1] != 'x')
            return NULL;
        high = g_ascii_xdigit_value(value[2]);
        low = high < 0 ? -1 : g_ascii_xdigit_value(value[3]);
        if (low < 0 || (high == 0 && low == 0))
            return NULL;
        g_string_append_c(text, (char) (high << 4 | low));
        value += 3;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Takes KEY with a text of MIN to MAX bytes. */
static int reader_string(Reader *reader, const char *key, size_t min, size_t max, char **ret)
{
    const char *value = reader_peek(reader, key);
    g_autofree char *text = NULL;

    if (!value)
        return missing(reader, key);
    text = unescape(value);
    if (!text)
        return reader_fail(reader, "bad escape in %s", key);
    if (strlen(text) < min || strlen(text) > max)
        return reader_fail(reader, "%s has %zu bytes instead of %zu to %zu", key, strlen(text), min, max);
    g_free(*ret);
    *ret = g_steal_pointer(&text);
    return reader_advance(reader);
}

/* The writer never escapes a dot or a slash. */
static bool has_escaped_path_byte(const char *value)
{
    for (; (value = strstr(value, "\\x2")); value++)
        if (strchr("eEfF", value[3]) && value[3] != '\0')
            return true;
    return false;
}

/* Takes KEY with the name of a folder in sysfs: what later becomes a part of a path. */
static int reader_name(Reader *reader, const char *key, char **ret)
{
    const char *value = reader_peek(reader, key);

    if (value && (value[0] == '.' || strchr(value, '/') || has_escaped_path_byte(value)))
        return reader_fail(reader, "%s is not a name", key);
    return reader_string(reader, key, 1, NAME_LENGTH_MAX, ret);
}

static int reader_number(Reader *reader, const char *key, unsigned base, uint64_t max, uint64_t *ret)
{
    const char *value = reader_peek(reader, key);
    guint64 number;

    if (!value)
        return missing(reader, key);
    if (base == 16) {
        if (!g_str_has_prefix(value, "0x"))
            return reader_fail(reader, "%s is not a hexadecimal number", key);
        value += 2;
    }
    if (!g_ascii_string_to_unsigned(value, base, 0, max, &number, NULL))
        return reader_fail(reader, "%s is not a number up to %" PRIu64, key, max);
    *ret = number;
    return reader_advance(reader);
}

/* An id that may be left out. */
static int reader_id(Reader *reader, const char *key, uint64_t max, uint32_t *ret)
{
    uint64_t number;
    int r;

    if (!reader_peek(reader, key))
        return 0;
    r = reader_number(reader, key, 16, max, &number);
    if (r >= 0)
        *ret = (uint32_t) number;
    return r;
}

static int reader_type(Reader *reader, const char *key, DomainType max, DomainType *ret)
{
    const char *value = reader_peek(reader, key);
    DomainType type;

    if (!value)
        return missing(reader, key);
    type = domain_type_from_string(value);
    if (type < 0 || type > max)
        return reader_fail(reader, "%s is not a type that can be written", key);
    *ret = type;
    return reader_advance(reader);
}

static int reader_boot_id(Reader *reader, char **ret)
{
    const char *value = reader_peek(reader, "boot-id");

    if (value && strspn(value, "0123456789abcdef-") != strlen(value))
        return reader_fail(reader, "boot-id is not a UUID");
    return reader_string(reader, "boot-id", BOOT_ID_LENGTH, BOOT_ID_LENGTH, ret);
}

static bool has_member(const GPtrArray *members, const RecordMember *wanted)
{
    for (guint i = 0; i < members->len; i++) {
        const RecordMember *member = members->pdata[i];

        if (member != wanted && g_str_equal(member->bus, wanted->bus) &&
            g_str_equal(member->name, wanted->name))
            return true;
    }
    return false;
}

static int reader_identity(Reader *reader, const GPtrArray *members, RecordMember *member)
{
    unsigned line = reader->line;
    int r;

    if ((r = reader_name(reader, "bus", &member->bus)) < 0 ||
        (r = reader_name(reader, "name", &member->name)) < 0)
        return r;
    if ((r = reader_number(reader, "inode", 10, UINT64_MAX, &member->inode)) < 0)
        return r;
    if (has_member(members, member)) {
        reader->line = line;
        return reader_fail(reader, "%s:%s is there twice", member->bus, member->name);
    }
    return 0;
}

static int reader_unbinds(Reader *reader, RecordMember *member)
{
    const char *value = reader_peek(reader, "unbinds");

    if (!value)
        return missing(reader, "unbinds");
    member->unbinds = g_str_equal(value, "yes");
    if (!member->unbinds && !g_str_equal(value, "no"))
        return reader_fail(reader, "unbinds is neither yes nor no");
    if (member->unbinds && !member->driver)
        return reader_fail(reader, "a member without driver cannot be unbound");
    return reader_advance(reader);
}

static int reader_member(Reader *reader, const GPtrArray *members, RecordMember *member)
{
    int r;

    if ((r = reader_identity(reader, members, member)) < 0 ||
        (r = reader_id(reader, "vendor", 0xffff, &member->vendor)) < 0 ||
        (r = reader_id(reader, "device", 0xffff, &member->device)) < 0 ||
        (r = reader_id(reader, "class", 0xffffff, &member->class_code)) < 0)
        return r;
    if (reader_peek(reader, "driver") && (r = reader_name(reader, "driver", &member->driver)) < 0)
        return r;
    if ((r = reader_unbinds(reader, member)) < 0)
        return r;
    if (!reader_peek(reader, "driver-override"))
        return 0;
    member->has_driver_override = true;
    r = reader_string(reader, "driver-override", 0, VALUE_MAX, &member->driver_override);
    if (r >= 0 && *member->driver_override == '\0')
        g_clear_pointer(&member->driver_override, g_free);
    return r;
}

static int reader_record(Reader *reader, Record *record)
{
    uint64_t group;
    int r;

    if ((r = reader_advance(reader)) < 0 || (r = reader_literal(reader, CHANGE_HEADER)) < 0 ||
        (r = reader_boot_id(reader, &record->boot_id)) < 0 ||
        (r = reader_string(reader, "origin", 1, VALUE_MAX, &record->origin)) < 0 ||
        (r = reader_number(reader, "group", 10, INT_MAX, &group)) < 0 ||
        (r = reader_type(reader, "old-type", DOMAIN_TYPE_IDENTITY, &record->old_type)) < 0 ||
        (r = reader_type(reader, "wanted-type", DOMAIN_TYPE_AUTO, &record->wanted_type)) < 0)
        return r;
    record->group = (unsigned) group;
    do
        r = reader_member(reader, record->members, record_add_member(record));
    while (r >= 0 && reader_peek(reader, "bus"));
    return r < 0 ? r : reader_literal(reader, "end");
}

static int reader_call(Reader *reader, CallRecord *call)
{
    int r;

    if ((r = reader_advance(reader)) < 0 || (r = reader_literal(reader, CALL_HEADER)) < 0 ||
        (r = reader_boot_id(reader, &call->boot_id)) < 0 ||
        (r = reader_string(reader, "origin", 1, VALUE_MAX, &call->origin)) < 0 ||
        (r = reader_type(reader, "type", DOMAIN_TYPE_AUTO, &call->type)) < 0)
        return r;
    if (reader_peek(reader, "reason") &&
        (r = reader_string(reader, "reason", 0, VALUE_MAX, &call->reason)) < 0)
        return r;
    do
        r = reader_identity(reader, call->members, call_record_add_member(call));
    while (r >= 0 && reader_peek(reader, "bus"));
    return r < 0 ? r : reader_literal(reader, "end");
}

/* Ends a reading: R of the parts, and that nothing follows. Sets *ret_error if it failed. */
static int reader_finish(Reader *reader, int r, char **ret_error)
{
    if (r >= 0 && reader->text)
        r = reader_fail(reader, "text after the end");
    if (r < 0) {
        g_autofree char *text = g_strdup_printf("line %u: %s", reader->line, reader->error);

        *ret_error = bus_text(text); /* the name of a member may be any bytes */
    }
    return r;
}

int record_from_text(const char *text, size_t size, Record **ret, char **ret_error)
{
    g_auto(Reader) reader = reader_of(text, size);
    g_autoptr(Record) record = record_new();
    int r;

    r = reader_finish(&reader, reader_record(&reader, record), ret_error);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&record);
    return 0;
}

int call_record_from_text(const char *text, size_t size, CallRecord **ret, char **ret_error)
{
    g_auto(Reader) reader = reader_of(text, size);
    g_autoptr(CallRecord) call = call_record_new();
    int r;

    r = reader_finish(&reader, reader_call(&reader, call), ret_error);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&call);
    return 0;
}
