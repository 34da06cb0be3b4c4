/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group-state.h"

#include <glib.h>

static const char *const state_words[_GROUP_STATE_MAX] = {
    [GROUP_SETTLED] = "settled",
    [GROUP_PENDING] = "pending",
    [GROUP_CHANGING] = "changing",
    [GROUP_FAILED] = "failed",
    [GROUP_BROKEN] = "broken",
    [GROUP_STUCK] = "stuck",
    [GROUP_UNSUPPORTED] = "unsupported",
    [GROUP_DISABLED] = "disabled",
};

static const char *const reason_words[_PENDING_REASON_MAX] = {
    [PENDING_NONE] = "",
    [PENDING_UNBIND_NOT_ALLOWED] = "unbind-not-allowed",
    [PENDING_IN_USE] = "in-use",
    [PENDING_SETTLING] = "settling",
    [PENDING_UNDECIDED] = "undecided",
    [PENDING_UNNAMED_MEMBER] = "unnamed-member",
    [PENDING_FORBIDDEN_TYPE] = "forbidden-type",
    [PENDING_CONFLICT] = "conflict",
    [PENDING_DRIVER_RACE] = "driver-race",
    [PENDING_FROZEN] = "frozen",
    [PENDING_NEXT_BOOT] = "next-boot",
    [PENDING_INITRAMFS_STALE] = "initramfs-stale",
    [PENDING_INHIBITED] = "inhibited",
};

static int word_index(const char *const *words, int n, const char *word)
{
    for (int i = 0; i < n; i++)
        if (g_strcmp0(word, words[i]) == 0)
            return i;
    return -EINVAL;
}

const char *group_state_to_string(GroupState state)
{
    return state >= 0 && state < _GROUP_STATE_MAX ? state_words[state] : NULL;
}

const char *pending_reason_to_string(PendingReason reason)
{
    return reason >= 0 && reason < _PENDING_REASON_MAX ? reason_words[reason] : NULL;
}

GroupState group_state_from_string(const char *word)
{
    return word_index(state_words, _GROUP_STATE_MAX, word);
}
