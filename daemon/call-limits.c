/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-limits.h"

#include <errno.h>

void call_limits_init(CallLimits *limits, unsigned per_sender, unsigned in_all)
{
    *limits = (CallLimits) {
        .per_sender = per_sender,
        .in_all = in_all,
        .senders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
}

void call_limits_clear(CallLimits *limits)
{
    g_clear_pointer(&limits->senders, g_hash_table_unref);
}

int call_limits_enter(CallLimits *limits, const char *sender)
{
    unsigned count = GPOINTER_TO_UINT(g_hash_table_lookup(limits->senders, sender ?: ""));

    if (count >= limits->per_sender || limits->count >= limits->in_all)
        return -EDQUOT;
    g_hash_table_replace(limits->senders, g_strdup(sender ?: ""), GUINT_TO_POINTER(count + 1));
    limits->count++;
    return 0;
}

void call_limits_leave(CallLimits *limits, const char *sender)
{
    unsigned count = GPOINTER_TO_UINT(g_hash_table_lookup(limits->senders, sender ?: ""));

    if (count > 1)
        g_hash_table_replace(limits->senders, g_strdup(sender ?: ""), GUINT_TO_POINTER(count - 1));
    else
        g_hash_table_remove(limits->senders, sender ?: "");
    limits->count--;
}
