/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What may stand in a text that is shown to people and sent over the bus. */

/*
 * True if C may: no control character, and none of the code points that are no characters (U+FFFE, U+FDD0, ...).
 * GLib and the D-Bus specification take the latter; sd-bus does not, and refuses the message they are in as a whole
 * (systemd, src/basic/utf8.c, unichar_is_valid()).
 */
bool is_plain_character(gunichar c);

/* Returns TEXT as valid UTF-8 of plain characters; what was not is U+FFFD. The caller frees it. */
char *plain_text(const char *text);
