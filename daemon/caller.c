/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"

#include <glib.h>
#include <errno.h>

#include "cleanup.h"

#define BUS_TIMEOUT (25 * G_GUINT64_CONSTANT(1000000)) /* µs; the bus itself is asked, it answers at once */

struct CallerQuery {
    sd_bus_slot *slot;
    CallerCallback callback;
    void *userdata;
};
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallerQuery, caller_query_free)

/* The bus tells more than is read here, and not always a process. */
static int read_credentials(sd_bus_message *reply, Caller *caller)
{
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char *name;
        uint32_t number = 0;

        r = sd_bus_message_read(reply, "s", &name);
        if (r >= 0 && (g_str_equal(name, "UnixUserID") || g_str_equal(name, "ProcessID"))) {
            r = sd_bus_message_read(reply, "v", "u", &number);
            if (r >= 0 && *name == 'U')
                caller->uid = number;
            else if (r >= 0)
                caller->pid = (pid_t) number;
        } else if (r >= 0) {
            r = sd_bus_message_skip(reply, "v");
        }
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
    }
    return r;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    CallerQuery *query = userdata;
    Caller caller = { .uid = (uid_t) -1 };
    int r = 0;

    CLEAR_SLOT(query->slot);
    if (sd_bus_message_is_method_error(reply, NULL) || read_credentials(reply, &caller) < 0 ||
        caller.uid == (uid_t) -1)
        r = -ESRCH;
    query->callback(query, r, &caller, query->userdata);
    return 0;
}

int caller_query(sd_bus_message *message, CallerCallback callback, void *userdata, CallerQuery **ret)
{
    g_autoptr(CallerQuery) query = g_new0(CallerQuery, 1);
    g_autoptr(sd_bus_message) ask = NULL;
    sd_bus *bus = sd_bus_message_get_bus(message);
    const char *sender = sd_bus_message_get_sender(message);
    int r;

    if (!sender)
        return -ENXIO;
    query->callback = callback;
    query->userdata = userdata;
    r = sd_bus_message_new_method_call(bus, &ask, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetConnectionCredentials");
    if (r >= 0)
        r = sd_bus_message_append(ask, "s", sender);
    if (r >= 0)
        r = sd_bus_call_async(bus, &query->slot, ask, on_credentials, query, BUS_TIMEOUT);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&query);
    return 0;
}

CallerQuery *caller_query_free(CallerQuery *query)
{
    if (!query)
        return NULL;
    CLEAR_SLOT(query->slot);
    g_free(query);
    return NULL;
}
