/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "call-limits.h"

/*
 * Asks polkit whether the sender of a message may do something: asynchronously, by its bus name, with an
 * explicit time-out of five minutes (a person types). Without polkit on the bus the answer is no: then only
 * uid 0 changes anything, which is never asked.
 */
typedef struct AuthQuestion AuthQuestion;

typedef enum AuthAnswer {
    AUTH_YES,
    AUTH_NO,
    AUTH_INTERACTION_REQUIRED, /* yes is possible, but the message did not allow interaction */
    AUTH_CALLER_GONE,          /* nobody waits for the reply any more */
} AuthAnswer;

/* ACTION: the action the answer is about: with several, the first that was refused. The question is freed by
 * its owner, here or later. */
typedef void (*AuthCallback)(AuthQuestion *question, AuthAnswer answer, const char *action, void *userdata);

typedef struct AuthDetail {
    const char *key, *value;
} AuthDetail;

/* Who asks: MESSAGE, and its sender's uid as caller_query() found it. */
typedef struct AuthCaller {
    sd_bus_message *message;
    uid_t uid;
} AuthCaller;

/*
 * Asks for each of ACTIONS (NULL-terminated, at least one) in turn. What is not printable in a value is
 * replaced, and values are cut at 4 KiB, which shows, so that nobody steers the dialog. A question that may
 * open a dialog takes a place in LIMITS. Not for uid 0, which needs no question. The callback always comes
 * from the loop, never from inside this call. Returns 0 with *ret; -EDQUOT if too many dialogs are open;
 * another -errno.
 */
int auth_ask(const AuthCaller *caller, CallLimits *limits, const char *const *actions,
             const AuthDetail *details, size_t n_details, AuthCallback callback, void *userdata,
             AuthQuestion **ret);

/*
 * Gives the question up: whatever polkit answers is not heard, and the callback never comes. A dialog that
 * is open stays until it is answered, or the sender leaves the bus. Accepts NULL; returns NULL.
 */
AuthQuestion *auth_question_free(AuthQuestion *question);
