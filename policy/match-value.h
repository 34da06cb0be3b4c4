/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "rule-match.h"

/*
 * Checks WORD, one value of KEY in a [Match] section, and adds the patterns it stands for to PATTERNS in the
 * spelling of the facts. Returns NULL, or what is wrong with WORD, for people; the caller frees it.
 */
char *match_value_parse(MatchKey key, const char *word, GPtrArray *patterns);
