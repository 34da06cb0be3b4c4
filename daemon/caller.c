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

static int on_user(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    CallerQuery *query = userdata;
    uint32_t uid = UINT32_MAX;
    int r = 0;

    CLEAR_SLOT(query->slot);
    if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &uid) < 0)
        r = -ESRCH;
    query->callback(query, r, uid, query->userdata);
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
                                       "org.freedesktop.DBus", "GetConnectionUnixUser");
    if (r >= 0)
        r = sd_bus_message_append(ask, "s", sender);
    if (r >= 0)
        r = sd_bus_call_async(bus, &query->slot, ask, on_user, query, BUS_TIMEOUT);
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
