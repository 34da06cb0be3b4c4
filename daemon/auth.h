/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * Asks polkit whether the sender of a message may do something: asynchronously, by its bus name, with an
 * explicit time-out of five minutes (a person types). uid 0 by the bus's own credentials passes without
 * asking. Without polkit on the bus: uid 0 only.
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

/*
 * Asks for each of ACTIONS (NULL-terminated, may be empty: then only who the sender is) in turn. Control
 * characters in detail values are replaced and values cut at 4 KiB, so that nobody steers the dialog. The
 * callback always comes from the loop, never from inside this call. Returns 0 with *ret; -errno.
 */
int auth_ask(sd_bus_message *message, const char *const *actions, const AuthDetail *details,
             size_t n_details, AuthCallback callback, void *userdata, AuthQuestion **ret);

/* The uid of the sender as the bus knows it. Known inside the callback, unless the answer is
 * AUTH_CALLER_GONE. */
uid_t auth_question_uid(const AuthQuestion *question);

/* Cancels: tells polkit (CancelCheckAuthorization) and never calls back. Accepts NULL; returns NULL. */
AuthQuestion *auth_question_free(AuthQuestion *question);
