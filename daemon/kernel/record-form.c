/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record-form.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "decimal.h"
#include "plain-text.h"

#define NAME_LENGTH_MAX 255u
#define BOOT_ID_LENGTH 36u

static bool is_plain(const char *value)
{
    while (*value >= 0x20 && *value < 0x7f && *value != '\\')
        value++;
    return *value == '\0';
}

/* Appends VALUE with what would break a line, or is no UTF-8, as \xNN. */
static void append_escaped(GString *text, const char *value)
{
    bool utf8;

    if (is_plain(value)) {
        g_string_append(text, value);
        return;
    }
    utf8 = g_utf8_validate(value, -1, NULL);
    for (const unsigned char *p = (const unsigned char *) value; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || *p == '\\' || (*p >= 0x80 && !utf8))
            g_string_append_printf(text, "\\x%02x", *p);
        else
            g_string_append_c(text, (char) *p);
    }
}

void form_append_string(GString *text, const char *key, const char *value)
{
    g_string_append(text, key);
    g_string_append_c(text, '=');
    append_escaped(text, value);
    g_string_append_c(text, '\n');
}

void form_append_number(GString *text, const char *key, uint64_t number)
{
    char digits[DECIMAL_SIZE];

    (void) decimal_write(digits, number);
    form_append_string(text, key, digits);
}

void form_append_id(GString *text, const char *key, uint32_t id)
{
    if (id != FACT_NO_ID)
        g_string_append_printf(text, "%s=0x%x\n", key, id);
}

void form_append_identity(GString *text, const RecordMember *member)
{
    form_append_string(text, "bus", member->bus);
    form_append_string(text, "name", member->name);
    form_append_number(text, "inode", member->inode);
}

void form_reader_clear(FormReader *reader)
{
    g_free(reader->text);
    g_free(reader->error);
}

FormReader form_reader_of(const char *text, size_t size)
{
    return (FormReader){ .next = text, .end = size > 0 ? text + size : text };
}

int form_fail(FormReader *reader, const char *format, ...)
{
    va_list arguments;

    g_free(reader->error);
    va_start(arguments, format);
    reader->error = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

int form_advance(FormReader *reader)
{
    const char *newline;

    g_clear_pointer(&reader->text, g_free);
    if (reader->next == reader->end)
        return 0;
    reader->line++;
    newline = memchr(reader->next, '\n', (size_t) (reader->end - reader->next));
    if (!newline)
        return form_fail(reader, "the line does not end");
    for (const char *p = reader->next; p < newline; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            return form_fail(reader, "control character 0x%02x", (unsigned char) *p);
    reader->text = g_strndup(reader->next, (size_t) (newline - reader->next));
    reader->next = newline + 1;
    return 0;
}

const char *form_peek(const FormReader *reader, const char *key)
{
    size_t length = strlen(key);

    if (!reader->text || strncmp(reader->text, key, length) != 0 || reader->text[length] != '=')
        return NULL;
    return reader->text + length + 1;
}

static int missing(FormReader *reader, const char *what)
{
    if (!reader->text)
        return form_fail(reader, "the text ends where %s should be", what);
    return form_fail(reader, "expected %s", what);
}

int form_take_literal(FormReader *reader, const char *line)
{
    if (!reader->text || !g_str_equal(reader->text, line))
        return missing(reader, line);
    return form_advance(reader);
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

int form_take_string(FormReader *reader, const char *key, size_t min, size_t max, char **ret)
{
    const char *value = form_peek(reader, key);
    g_autofree char *text = NULL;

    if (!value)
        return missing(reader, key);
    text = unescape(value);
    if (!text)
        return form_fail(reader, "bad escape in %s", key);
    if (strlen(text) < min || strlen(text) > max)
        return form_fail(reader, "%s has %zu bytes instead of %zu to %zu", key, strlen(text), min, max);
    g_free(*ret);
    *ret = g_steal_pointer(&text);
    return form_advance(reader);
}

/* The writer never escapes a dot or a slash. */
static bool has_escaped_path_byte(const char *value)
{
    for (; (value = strstr(value, "\\x2")); value++)
        if (strchr("eEfF", value[3]) && value[3] != '\0')
            return true;
    return false;
}

int form_take_name(FormReader *reader, const char *key, char **ret)
{
    const char *value = form_peek(reader, key);

    if (value && (value[0] == '.' || strchr(value, '/') || has_escaped_path_byte(value)))
        return form_fail(reader, "%s is not a name", key);
    return form_take_string(reader, key, 1, NAME_LENGTH_MAX, ret);
}

int form_take_number(FormReader *reader, const char *key, unsigned base, uint64_t max, uint64_t *ret)
{
    const char *value = form_peek(reader, key);
    guint64 number;

    if (!value)
        return missing(reader, key);
    if (base == 16) {
        if (!g_str_has_prefix(value, "0x"))
            return form_fail(reader, "%s is not a hexadecimal number", key);
        value += 2;
    }
    if (!g_ascii_string_to_unsigned(value, base, 0, max, &number, NULL))
        return form_fail(reader, "%s is not a number up to %" PRIu64, key, max);
    *ret = number;
    return form_advance(reader);
}

int form_take_id(FormReader *reader, const char *key, uint64_t max, uint32_t *ret)
{
    uint64_t number;
    int r;

    if (!form_peek(reader, key))
        return 0;
    r = form_take_number(reader, key, 16, max, &number);
    if (r >= 0)
        *ret = (uint32_t) number;
    return r;
}

int form_take_type(FormReader *reader, const char *key, DomainType max, DomainType *ret)
{
    const char *value = form_peek(reader, key);
    DomainType type;

    if (!value)
        return missing(reader, key);
    type = domain_type_from_string(value);
    if (type < 0 || type > max)
        return form_fail(reader, "%s is not a type%s", key,
                         max <= DOMAIN_TYPE_AUTO ? " that can be written" : "");
    *ret = type;
    return form_advance(reader);
}

int form_take_flag(FormReader *reader, const char *key, bool *ret)
{
    const char *value = form_peek(reader, key);
    bool yes;

    if (!value)
        return missing(reader, key);
    yes = g_str_equal(value, "yes");
    if (!yes && !g_str_equal(value, "no"))
        return form_fail(reader, "%s is neither yes nor no", key);
    *ret = yes;
    return form_advance(reader);
}

int form_take_boot_id(FormReader *reader, char **ret)
{
    const char *value = form_peek(reader, "boot-id");

    if (value && strspn(value, "0123456789abcdef-") != strlen(value))
        return form_fail(reader, "boot-id is not a UUID");
    return form_take_string(reader, "boot-id", BOOT_ID_LENGTH, BOOT_ID_LENGTH, ret);
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

int form_take_identity(FormReader *reader, const GPtrArray *members, RecordMember *member)
{
    unsigned line = reader->line;
    int r;

    if ((r = form_take_name(reader, "bus", &member->bus)) < 0 ||
        (r = form_take_name(reader, "name", &member->name)) < 0)
        return r;
    if ((r = form_take_number(reader, "inode", 10, UINT64_MAX, &member->inode)) < 0)
        return r;
    if (has_member(members, member)) {
        reader->line = line;
        return form_fail(reader, "%s:%s is there twice", member->bus, member->name);
    }
    return 0;
}

int form_finish(FormReader *reader, int r, char **ret_error)
{
    if (r >= 0 && reader->text)
        r = form_fail(reader, "text after the end");
    if (r < 0) {
        g_autofree char *text = g_strdup_printf("line %u: %s", reader->line, reader->error);

        *ret_error = bus_text(text); /* the name of a member may be any bytes */
    }
    return r;
}
