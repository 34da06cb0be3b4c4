/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "escape.h"

char *escape_object(const char *text, const char *keep)
{
    GString *escaped = g_string_sized_new(strlen(text));

    for (const char *p = text; *p; p++)
        if (g_ascii_isalnum(*p) || strchr("/_.:-", *p) || strchr(keep, *p))
            g_string_append_c(escaped, *p);
        else
            g_string_append_printf(escaped, "\\x%02x", (unsigned char) *p);
    return g_string_free(escaped, FALSE);
}

char *printable_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *printable = g_string_sized_new(strlen(valid));

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_string_append_unichar(printable, g_unichar_iscntrl(c) ? 0xfffd : c);
    }
    return g_string_free(printable, FALSE);
}
