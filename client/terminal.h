/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* True if standard output is a terminal that shows colours and nobody said NO_COLOR (https://no-color.org).
 */
bool colours_wanted(void);

/* Colours of states, as libsmartcols takes them (a name or an escape sequence). */
#define COLOUR_GOOD "green"
#define COLOUR_WAITING "yellow"
#define COLOUR_BAD "red"

/* What to print before and after text in COLOUR; "" where no colours are wanted. */
const char *colour_begin(const char *colour);
const char *colour_end(void);

/* True if standard error is a terminal: a line that shows what happens now may stand there. */
bool progress_wanted(void);

/* Shows the line, in place of the one before. */
void progress_show(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Takes the line away. */
void progress_clear(void);

/* Returns TEXT with every control character replaced by '?': names of mounts and devices are chosen by
 * others and must not steer the terminal. The caller frees it. */
char *printable(const char *text);
