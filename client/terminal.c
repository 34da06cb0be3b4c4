/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool terminal_is_dumb(void)
{
    const char *term = getenv("TERM");

    return !term || strcmp(term, "dumb") == 0;
}

bool colours_wanted(void)
{
    const char *refused = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !terminal_is_dumb() && (!refused || !*refused);
}

const char *colour_begin(const char *colour)
{
    static const struct {
        const char *name, *sequence;
    } sequences[] = {
        {COLOUR_GOOD, "\033[32m"},
        {COLOUR_WAITING, "\033[33m"},
        {COLOUR_BAD, "\033[31m"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(sequences) && colours_wanted(); i++)
        if (strcmp(colour, sequences[i].name) == 0)
            return sequences[i].sequence;
    return "";
}

const char *colour_end(void)
{
    return colours_wanted() ? "\033[0m" : "";
}

bool progress_wanted(void)
{
    return isatty(STDERR_FILENO) && !terminal_is_dumb();
}

void progress_show(const char *format, ...)
{
    g_autofree char *line = NULL, *safe = NULL;
    va_list arguments;

    va_start(arguments, format);
    line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    safe = printable(line);
    fprintf(stderr, "\r\033[K%s", safe);
    fflush(stderr);
}

void progress_clear(void)
{
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

char *printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *safe = g_string_new(NULL);

    for (const char *c = valid; *c; c = g_utf8_next_char(c))
        if (g_unichar_iscntrl(g_utf8_get_char(c)))
            g_string_append_c(safe, '?');
        else
            g_string_append_unichar(safe, g_utf8_get_char(c));
    return g_string_free(safe, FALSE);
}
