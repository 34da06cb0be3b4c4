/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>

/* The state of a group, one word on the bus; docs/states.md says what each means and what to do. */
typedef enum GroupState {
    GROUP_SETTLED,
    GROUP_PENDING,
    GROUP_CHANGING,
    GROUP_FAILED,
    GROUP_BROKEN,
    GROUP_STUCK,
    GROUP_UNSUPPORTED,
    GROUP_DISABLED,
    _GROUP_STATE_MAX,
    _GROUP_STATE_INVALID = -EINVAL,
} GroupState;

/* Why a group is pending; PENDING_NONE reads as "". */
typedef enum PendingReason {
    PENDING_NONE,
    PENDING_UNBIND_NOT_ALLOWED,
    PENDING_IN_USE,
    PENDING_SETTLING,
    PENDING_UNDECIDED,
    PENDING_UNNAMED_MEMBER,
    PENDING_FORBIDDEN_TYPE,
    PENDING_CONFLICT,
    PENDING_DRIVER_RACE,
    PENDING_FROZEN,
    PENDING_NEXT_BOOT,
    PENDING_INITRAMFS_STALE,
    PENDING_INHIBITED,
    _PENDING_REASON_MAX,
    _PENDING_REASON_INVALID = -EINVAL,
} PendingReason;

/* Each returns the word on the bus, or NULL if the value is out of range. */
const char *group_state_to_string(GroupState state);
const char *pending_reason_to_string(PendingReason reason);

/* Returns the value that WORD names, or _GROUP_STATE_INVALID. */
GroupState group_state_from_string(const char *word);
