/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How many calls may be under way, of one sender and of all: whatever a caller can make grow has a limit. */
typedef struct CallLimits {
    unsigned per_sender, in_all;
    unsigned count;
    GHashTable *senders; /* unique name -> count */
} CallLimits;

void call_limits_init(CallLimits *limits, unsigned per_sender, unsigned in_all);
void call_limits_clear(CallLimits *limits);

/* Counts a call of SENDER (NULL: a peer without a name). Returns 0, or -EDQUOT if that is one too many. */
int call_limits_enter(CallLimits *limits, const char *sender);

/* A call that was counted has been answered. */
void call_limits_leave(CallLimits *limits, const char *sender);
