/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To be preloaded into the daemon: the five minutes that a person has for an answer become some seconds, so
 * that a test can wait for their end. The shipped program has no switch for that.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define PERSON_TIMEOUT (5 * 60 * USEC_PER_SEC)
/* All questions of a batch have to stand before the first ends, on a busy machine, too. */
#define SHORT_TIMEOUT (5 * USEC_PER_SEC)

__attribute__((visibility("default")))
int sd_bus_call_async(sd_bus *bus, sd_bus_slot **slot, sd_bus_message *message,
                      sd_bus_message_handler_t callback, void *userdata, uint64_t usec)
{
    static int (*real)(sd_bus *, sd_bus_slot **, sd_bus_message *, sd_bus_message_handler_t, void *,
                       uint64_t);

    if (!real)
        *(void **) &real = dlsym(RTLD_NEXT, "sd_bus_call_async");
    if (!real)
        abort();
    return real(bus, slot, message, callback, userdata, usec == PERSON_TIMEOUT ? SHORT_TIMEOUT : usec);
}
