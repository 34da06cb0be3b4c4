/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "escape.h"
#include "plain-text.h"

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
    return bus_text(text);
}
