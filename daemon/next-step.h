/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decision.h"
#include "managed-group.h"

/*
 * From what is wanted of a group, and what is known of it, to its state and to what the daemon does next for
 * the rules. Pure: tables of tests.
 */
typedef enum NextBoot {
    NEXT_BOOT_NOTHING, /* it does not make the group what is wanted, or nobody knows */
    NEXT_BOOT_SETS,    /* its early pass sets what is wanted before the driver is bound */
    NEXT_BOOT_STALE,   /* so it would if the initramfs had today's rules */
} NextBoot;

typedef struct Situation {
    const ManagedGroup *group;
    const Decision *decision;
    bool disabled;        /* nothing may be applied on this host */
    bool running;         /* start-up has finished and no shutdown has begun */
    NextBoot next_boot;
    bool tried;           /* what failed last is what would be tried again */
    uint64_t now;         /* monotonic µs */
    uint64_t settle_usec;
} Situation;

typedef enum NextAction {
    NEXT_NOTHING, /* until something happens */
    NEXT_SUBMIT,  /* a change */
    NEXT_SURVEY,  /* look whether the members are in use */
    NEXT_WAIT,    /* wait_usec, then look again */
} NextAction;

typedef struct NextStep {
    GroupState state;
    PendingReason reason;
    NextAction action;
    uint64_t wait_usec;
} NextStep;

/* How often a group is looked at that is in use and of which no event tells that the use has ended. */
#define IN_USE_LOOK_USEC (60 * UINT64_C(1000000))

NextStep next_step(const Situation *situation);
