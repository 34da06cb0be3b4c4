/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plain-text.h"

#include <string.h>

#define CUT_MARK " ..."

static bool may_be_shown(gunichar letter)
{
    GUnicodeType type = g_unichar_type(letter);

    return g_unichar_isprint(letter) && type != G_UNICODE_LINE_SEPARATOR &&
        type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* At most MAX bytes with the mark, and no part of a letter. */
static void cut(GString *text, size_t max)
{
    size_t keep = MIN(text->len, max - strlen(CUT_MARK));

    while (keep > 0 && ((guchar) text->str[keep] & 0xc0) == 0x80)
        keep--;
    g_string_truncate(text, keep);
    g_string_append(text, CUT_MARK);
}

char *plain_text(const char *text, size_t max)
{
    size_t length = strnlen(text, max + 1);
    g_autofree char *valid = g_utf8_make_valid(text, (gssize) MIN(length, max));
    GString *shown = g_string_new(NULL);

    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar letter = g_utf8_get_char(c);

        g_string_append_unichar(shown, may_be_shown(letter) ? letter : ' ');
    }
    if (length > max || shown->len > max)
        cut(shown, max);
    return g_string_free(shown, FALSE);
}

bool is_bus_character(gunichar c)
{
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    return !g_unichar_iscntrl(c) && (c < 0xfdd0 || c > 0xfdef) && (c & 0xfffe) != 0xfffe;
}

char *bus_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *carried = g_string_sized_new(strlen(valid));
    const char *good = valid; /* from here on all may be carried */

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        if (is_bus_character(g_utf8_get_char(p)))
            continue;
        g_string_append_len(carried, good, p - good);
        g_string_append_unichar(carried, 0xfffd);
        good = g_utf8_next_char(p);
    }
    g_string_append(carried, good);
    return g_string_free(carried, FALSE);
}
