/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

/*
 * How much room the refusals of one user get in the journal, which everybody on the bus can make grow. What
 * met a limit is told once in a minute, and of users other than root REFUSAL_RATE_MAX refusals in all,
 * unless a call of the user that needs an authorisation succeeds. Nothing waits for the minute to end: it is
 * looked at when the next refusal comes.
 */
#define REFUSAL_RATE_MAX 60u

typedef struct RefusalRate RefusalRate;

RefusalRate *refusal_rate_new(void);
/* Accepts NULL; returns NULL. */
RefusalRate *refusal_rate_free(RefusalRate *rate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RefusalRate, refusal_rate_free)

typedef enum RefusalRoom {
    REFUSAL_ROOM_NONE,
    REFUSAL_ROOM_LAST, /* this one, and no other within the minute */
    REFUSAL_ROOM_MORE,
} RefusalRoom;

/* Counts a refusal CODE of UID ((uid_t) -1: nobody knows whose), which came at NOW (monotonic µs), and says
 * whether there is room for it. */
RefusalRoom refusal_rate_take(RefusalRate *rate, uid_t uid, RefusalCode code, uint64_t now);

/* A call of UID that needs an authorisation has succeeded: no stranger. */
void refusal_rate_forget(RefusalRate *rate, uid_t uid);
