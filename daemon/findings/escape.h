/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts that come from outside (mount points, command names, device mapper names) made fit for ids,
 * sentences and the bus. */

/* Returns TEXT with every byte outside [A-Za-z0-9/_.:-] and outside KEEP written as \xNN, as
 * systemd-escape(1) writes it: two texts never give the same result. The caller frees it. */
char *escape_object(const char *text, const char *keep);

/* Returns TEXT as valid UTF-8 without control characters; what was neither is U+FFFD. The caller frees it.
 */
char *printable_text(const char *text);
