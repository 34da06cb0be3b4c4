/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "refusal.h"

/*
 * One run of iommuctl: what the command line says about every verb, the connection, and the last error that
 * came over it. Functions return 0 or negative errno; with an errno the reason, if the daemon gave one,
 * stands in `error` and main.c prints it once.
 */
typedef struct Client {
    sd_bus *bus;
    sd_bus_error error;
    char *host; /* NULL: this machine */
    gboolean json;
    gboolean no_ask_password;
} Client;

/* Closes the connection and frees what CLIENT owns. */
void client_done(Client *client);

/* Connects to the system bus, of this machine or of `host` (through ssh). Returns 0 or -errno. */
int client_connect(Client *client);

/*
 * Calls METHOD with PARAMETERS (a tuple, consumed if floating; NULL: none) and waits as long as the daemon
 * takes: a person may be asked for a password, and a disk may need minutes. Returns 0 with *ret, a tuple
 * owned by the caller (RET may be NULL); -errno with the error of the reply in CLIENT.
 */
int client_call(Client *client, const char *path, const char *interface, const char *method,
                GVariant *parameters, GVariant **ret);

/* As client_call() for a service that is not ours. */
int client_call_to(Client *client, const char *service, const char *path, const char *interface,
                   const char *method, GVariant *parameters, GVariant **ret);

/* Whether the daemon is on the bus. Asking does not start it. */
bool client_daemon_runs(Client *client);

/* As client_call() for a reply that is one file descriptor. Returns the descriptor or -errno. */
int client_call_fd(Client *client, const char *path, const char *interface, const char *method,
                   GVariant *parameters);

/* As client_call(), for methods that change groups: on a terminal the daemon's steps are shown while it
 * lasts. */
int client_call_with_progress(Client *client, const char *path, const char *interface, const char *method,
                              GVariant *parameters, GVariant **ret);

/* Reads all properties of INTERFACE at PATH: 0 with *ret, an a{sv} owned by the caller; -errno. */
int client_properties(Client *client, const char *path, const char *interface, GVariant **ret);

/* Reads all groups and devices in one call: 0 with *ret, object path -> a{sv} of its properties; -errno. */
int client_objects(Client *client, GHashTable **ret);

/* Sets the client's error to a refusal of our own, with the text of refusal_text(), and returns -EINVAL. */
int client_refuse(Client *client, RefusalCode code, const char *object, const char *target,
                  const char *detail);

/* The property NAME of PROPERTIES (a{sv}) as text, "" if it is missing or of another type; borrowed. */
const char *property_string(GVariant *properties, const char *name);

/* The property NAME of PROPERTIES (a{sv}) as number, 0 if it is missing or of another type. */
guint32 property_u32(GVariant *properties, const char *name);

/* The property NAME of PROPERTIES (a{sv}), false if it is missing or of another type. */
bool property_boolean(GVariant *properties, const char *name);

/* The property NAME of PROPERTIES (a{sv}), an array of strings or paths; NULL-terminated, free with
 * g_free(): the strings are borrowed. An empty list if it is missing. */
const char **property_strings(GVariant *properties, const char *name);
