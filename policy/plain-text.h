/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Texts that are somebody else's: the names of things, what callers say, what files hold. */

/*
 * TEXT, which is somebody else's, as people may be shown it in a line of ours: valid UTF-8, with a blank for
 * each letter that is not printable, that ends a line or that turns the direction of others. More than MAX
 * bytes (at least 4) are cut, and then it ends in " ...". The caller frees it.
 */
char *plain_text(const char *text, size_t max);

/*
 * True if the bus carries C and a line does: no control character, and none of the code points that are no
 * characters (U+FFFE, U+FDD0, ...). GLib and the D-Bus specification take the latter; sd-bus does not, and
 * refuses the message they are in as a whole (systemd, src/basic/utf8.c, unichar_is_valid()).
 */
bool is_bus_character(gunichar c);

/* TEXT as valid UTF-8 of such characters and otherwise as it is; what was not is U+FFFD. The caller frees
 * it. */
char *bus_text(const char *text);
