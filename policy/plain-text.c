/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plain-text.h"

#include <string.h>

bool is_plain_character(gunichar c)
{
    return !g_unichar_iscntrl(c) && (c < 0xfdd0 || c > 0xfdef) && (c & 0xfffe) != 0xfffe;
}

char *plain_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *plain = g_string_sized_new(strlen(valid));

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_string_append_unichar(plain, is_plain_character(c) ? c : 0xfffd);
    }
    return g_string_free(plain, FALSE);
}
