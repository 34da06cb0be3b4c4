/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * How many calls may be under way: whatever a caller can make grow has a limit. It counts by connection as
 * soon as a call comes, and by user once the bus has said whose the connection is: a user can have hundreds
 * of them. Users together leave a share to root, so that nobody locks out who has to help.
 */
typedef struct CallLimits {
    unsigned per_sender; /* of one connection */
    unsigned per_user;   /* of all connections of one user; root has no such limit */
    unsigned in_all;     /* of those whose user is known */
    unsigned for_root;   /* so many of these only root may have */

    unsigned count;      /* whose user is known */
    unsigned of_root;
    GHashTable *senders; /* unique name -> count */
    GHashTable *users;   /* uid -> count */
} CallLimits;

/* Sets the four numbers of SIZES; the rest of it is not read. */
void call_limits_init(CallLimits *limits, const CallLimits *sizes);

/* There must be no places left. */
void call_limits_clear(CallLimits *limits);

/* What is said to who is refused; the caller frees it. */
char *call_limits_text(const CallLimits *limits);

/* The place of one call in LIMITS. */
typedef struct CallPlace CallPlace;

/* A place for a call of SENDER (NULL: a peer without a name), of whom nothing is known yet. Returns 0 with
 * *ret, or -EDQUOT if that is one too many of this connection. */
int call_limits_enter(CallLimits *limits, const char *sender, CallPlace **ret);

/* The bus has said that PLACE is a call of UID. To be told once. Returns 0, or -EDQUOT if that is one too
 * many of this user, or of all. */
int call_place_identify(CallPlace *place, uid_t uid);

/* The call has been answered. Accepts NULL; returns NULL. */
CallPlace *call_place_free(CallPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallPlace, call_place_free)
