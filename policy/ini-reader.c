/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ini-reader.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "diagnostic.h"
#include "plain-text.h"

#define BLANKS " \t"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A part of a logical line that stands together in the file. */
typedef struct Piece {
    size_t offset; /* in the logical line */
    unsigned line, column;
} Piece;

typedef struct Reader {
    const char *file;
    GPtrArray *diagnostics;
    IniHandler handler;
    void *userdata;
    bool failed;

    char *section;  /* NULL before the first */
    GString *text;  /* the logical line being joined */
    GArray *pieces; /* Piece */
    bool joining;   /* the last line ended in a backslash */
} Reader;

static void fail(Reader *reader, unsigned line, unsigned column, const char *text)
{
    diagnostics_add(reader->diagnostics, DIAGNOSTIC_ERROR, reader->file, line, column, "%s", text);
    reader->failed = true;
}

static void place_in_pieces(const GArray *pieces, size_t offset, unsigned *ret_line, unsigned *ret_column)
{
    const Piece *piece = &g_array_index(pieces, Piece, 0);

    for (unsigned i = 1; i < pieces->len && g_array_index(pieces, Piece, i).offset <= offset; i++)
        piece = &g_array_index(pieces, Piece, i);
    *ret_line = piece->line;
    *ret_column = piece->column + (offset - piece->offset);
}

void ini_item_place(const IniItem *item, size_t offset, unsigned *ret_line, unsigned *ret_column)
{
    place_in_pieces(item->pieces, item->value_offset + offset, ret_line, ret_column);
}

/* Of P, valid UTF-8. The C1 controls, U+0080 to U+009F, are as able to confuse a terminal as the C0 ones. */
static bool is_control(const char *p, const char *end)
{
    if (*p == '\r')
        return p + 1 == end || p[1] != '\n';
    return *p != '\t' && *p != '\n' && !is_bus_character(g_utf8_get_char(p));
}

/* Finds the first byte that no rule file may hold; NULL if there is none. */
static const char *find_bad_byte(const char *data, const char *end, const char **ret_text)
{
    const char *valid_end;

    (void) g_utf8_validate_len(data, end - data, &valid_end);
    for (const char *p = data; p < valid_end; p = g_utf8_next_char(p))
        if (is_control(p, end)) {
            *ret_text = "control character: this is not a text file";
            return p;
        }
    if (valid_end == end)
        return NULL;
    *ret_text = *valid_end ? "invalid UTF-8: this is not a text file" : "NUL byte: this is not a text file";
    return valid_end;
}

static bool check_bytes(Reader *reader, const char *data, const char *end)
{
    const char *text, *line_start = data, *bad = find_bad_byte(data, end, &text);
    unsigned line = 1;

    if (!bad)
        return true;
    for (const char *p = data; p < bad; p++)
        if (*p == '\n') {
            line++;
            line_start = p + 1;
        }
    fail(reader, line, bad - line_start + 1, text);
    return false;
}

static void emit(Reader *reader, const char *key, const char *value, size_t value_offset)
{
    IniItem item = {
        .section = reader->section,
        .key = key,
        .value = value,
        .value_offset = value_offset,
        .pieces = reader->pieces,
    };

    place_in_pieces(reader->pieces, 0, &item.line, &item.column);
    reader->handler(&item, reader->userdata);
}

static void read_header(Reader *reader)
{
    const char *text = reader->text->str;
    size_t length = reader->text->len;
    const Piece *start = &g_array_index(reader->pieces, Piece, 0);

    if (length < 3 || text[length - 1] != ']') {
        fail(reader, start->line, start->column, "a section header is written [Name], alone on its line");
        return;
    }
    g_free(reader->section);
    reader->section = g_strndup(text + 1, length - 2);
    emit(reader, NULL, NULL, 0);
}

static void read_assignment(Reader *reader)
{
    const char *text = reader->text->str, *equals = strchr(text, '=');
    const Piece *start = &g_array_index(reader->pieces, Piece, 0);
    g_autofree char *key = NULL;
    const char *value;

    if (!equals || equals == text) {
        fail(reader, start->line, start->column, "neither a [Section] nor a Key=value line");
        return;
    }
    if (!reader->section) {
        fail(reader, start->line, start->column, "a key before the first section: start with [Match]");
        return;
    }
    key = g_strchomp(g_strndup(text, equals - text));
    value = equals + 1 + strspn(equals + 1, BLANKS);
    emit(reader, key, value, value - text);
}

static void finish_logical_line(Reader *reader)
{
    reader->joining = false;
    while (reader->text->len > 0 && strchr(BLANKS, reader->text->str[reader->text->len - 1]))
        g_string_truncate(reader->text, reader->text->len - 1);
    if (reader->text->len == 0)
        return;

    if (reader->text->str[0] == '[')
        read_header(reader);
    else
        read_assignment(reader);
}

/* Takes one line of the file, without its newline. */
static void read_line(Reader *reader, const char *start, const char *end, unsigned line)
{
    const char *p = start;
    bool goes_on;

    while (end > p && strchr(" \t\r", end[-1]))
        end--;
    while (p < end && strchr(BLANKS, *p))
        p++;
    if (p < end && (*p == '#' || *p == ';'))
        return;

    goes_on = p < end && end[-1] == '\\';
    if (!reader->joining) {
        g_string_truncate(reader->text, 0);
        g_array_set_size(reader->pieces, 0);
    }
    g_array_append_vals(reader->pieces,
                        &(Piece){.offset = reader->text->len, .line = line, .column = p - start + 1}, 1);
    g_string_append_len(reader->text, p, end - p - goes_on);

    if (goes_on) {
        g_string_append_c(reader->text, ' ');
        reader->joining = true;
    } else
        finish_logical_line(reader);
}

static void read_lines(Reader *reader, const char *data, const char *end)
{
    unsigned line = 0;

    for (const char *p = data; p < end;) {
        const char *newline = memchr(p, '\n', end - p);

        read_line(reader, p, newline ?: end, ++line);
        if (!newline) {
            fail(reader, line, end - p + 1, "no newline at the end: the file may be cut off");
            return;
        }
        p = newline + 1;
    }
    if (reader->joining)
        fail(reader, line, 1, "the file ends within a line that was to go on: it may be cut off");
}

int ini_read(const char *data, size_t size, const char *file, GPtrArray *diagnostics, IniHandler handler,
             void *userdata)
{
    Reader reader = {
        .file = file,
        .diagnostics = diagnostics,
        .handler = handler,
        .userdata = userdata,
        .text = g_string_new(NULL),
        .pieces = g_array_new(FALSE, FALSE, sizeof(Piece)),
    };
    const char *end = data + size;

    if (size >= strlen(BYTE_ORDER_MARK) && memcmp(data, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        data += strlen(BYTE_ORDER_MARK);
    if (check_bytes(&reader, data, end))
        read_lines(&reader, data, end);

    g_free(reader.section);
    g_string_free(reader.text, TRUE);
    g_array_free(reader.pieces, TRUE);
    return reader.failed ? -EBADMSG : 0;
}
