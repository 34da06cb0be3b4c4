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

bool progress_wanted(void)
{
    return isatty(STDERR_FILENO) && !terminal_is_dumb();
}

void progress_show(const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
}

void progress_clear(void)
{
    fputs("\r\033[K", stderr);
    fflush(stderr);
}
