/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "domain-type.h"

/* When a group was given the type that it has: docs/moments.md. */
typedef enum Moment {
    MOMENT_UNKNOWN,         /* the kernel's own type, or somebody else's, or nobody remembers */
    MOMENT_EARLY_INITRAMFS,
    MOMENT_EARLY_HOST,
    MOMENT_ADD,             /* nothing had a driver */
    MOMENT_VF,              /* the same, of virtual functions */
    MOMENT_LIVE,
    MOMENT_IDLE,
    MOMENT_CALL,
    _MOMENT_MAX,
} Moment;

/* For people: that TYPE was set at MOMENT, USEC of CLOCK_MONOTONIC. NULL for MOMENT_UNKNOWN; the caller
 * frees it. */
char *moment_text(Moment moment, DomainType type, uint64_t usec);
