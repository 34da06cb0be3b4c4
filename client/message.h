/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Messages of sd-bus as values of GLib, and back, so that verbs look things up by name and print them as
 * JSON. */

/* Appends the members of the tuple PARAMETERS to MESSAGE. Returns 0 or -errno; -EOPNOTSUPP for types that no
 * method of ours takes (file descriptors, maybe types). */
int message_append_tuple(sd_bus_message *message, GVariant *parameters);

/* Reads what is left of MESSAGE. Returns 0 with *ret, a tuple owned by the caller; -errno of sd-bus;
 * -EOPNOTSUPP if it holds a file descriptor. */
int message_read_tuple(sd_bus_message *message, GVariant **ret);
