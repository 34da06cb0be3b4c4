/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>

/*
 * Bytes of a file to sections, keys and values, each with its place. It knows how a file is written, not
 * what it means: UTF-8, LF or CRLF, an optional byte order mark, `#` and `;` comment lines, trailing blanks,
 * and lines that go on after a backslash (joined by one blank; comment lines between them are skipped), as
 * in systemd.syntax(7).
 */

/* A section header, or a key with its value. Valid during the call of the handler only. */
typedef struct IniItem {
    const char *section; /* name of the section the item is in or starts */
    const char *key;     /* NULL: the header of the section itself */
    const char *value;   /* without blanks at both ends; NULL for a header */
    unsigned line;       /* of the key, or of the header's bracket */
    unsigned column;
    size_t value_offset;  /* for ini_item_place() alone */
    const GArray *pieces; /* for ini_item_place() alone */
} IniItem;

typedef void (*IniHandler)(const IniItem *item, void *userdata);

/* Where byte OFFSET of the value stands in the file; the value may go over several lines. */
void ini_item_place(const IniItem *item, size_t offset, unsigned *ret_line, unsigned *ret_column);

/*
 * Reads SIZE bytes at DATA and calls HANDLER for each header and each key, in order. What is wrong with the
 * writing is added to DIAGNOSTICS under the name FILE: NUL and other control characters, invalid UTF-8 (both
 * end the reading before the first call of HANDLER), a key before the first section, a line that is none of
 * the above, and an end without a newline, because a file that was cut off must not pass for a shorter one.
 *
 * Returns 0, or -EBADMSG if anything was wrong.
 */
int ini_read(const char *data, size_t size, const char *file, GPtrArray *diagnostics, IniHandler handler,
             void *userdata);
