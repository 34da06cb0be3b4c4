/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

/*
 * Whose a call is, by the credentials that the bus took when the connection was made: asked of the bus, as
 * nothing that a message says of itself counts. Of a signal the kernel says it.
 */
typedef struct Caller {
    uid_t uid; /* (uid_t) -1: not known */
    pid_t pid; /* 0: not known. For people: the process may have ended, and its number been used again */
} Caller;

typedef struct CallerQuery CallerQuery;

/* ERROR is 0 with CALLER, whose uid is known, or negative: the caller has gone, and nobody waits for an
 * answer. QUERY is freed by its owner, here or later. */
typedef void (*CallerCallback)(CallerQuery *query, int error, const Caller *caller, void *userdata);

/* Asks who sent MESSAGE. CALLBACK comes from the loop, never from inside this call. Returns 0 with *ret;
 * -ENXIO if the message has no sender; another -errno of sd-bus. */
int caller_query(sd_bus_message *message, CallerCallback callback, void *userdata, CallerQuery **ret);

/* Never calls back any more. Accepts NULL; returns NULL. */
CallerQuery *caller_query_free(CallerQuery *query);
