/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * TEXT, which is somebody else's, as people may be shown it in a line of ours: valid UTF-8, with a blank for
 * each letter that is not printable, that ends a line or that turns the direction of others. More than MAX
 * bytes (at least 4) are cut, and then it ends in " ...". The caller frees it.
 */
char *plain_text(const char *text, size_t max);
