/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "moment.h"

#include <glib.h>

static const char *const texts[_MOMENT_MAX] = {
    [MOMENT_EARLY_INITRAMFS] = "set before its driver by the early pass in the initramfs",
    [MOMENT_EARLY_HOST] = "set before its driver by the early pass of the host",
    [MOMENT_ADD] = "set while no driver was bound",
    [MOMENT_VF] = "set for a virtual function while no driver was bound",
    [MOMENT_LIVE] = "set live, with the driver bound",
    [MOMENT_IDLE] = "set by unbinding the driver while nothing used the device",
    [MOMENT_CALL] = "set by a call",
};

char *moment_text(Moment moment, DomainType type, uint64_t usec)
{
    if (moment <= MOMENT_UNKNOWN || moment >= _MOMENT_MAX)
        return NULL;
    return g_strdup_printf("%s was %s, %.1f s after the kernel started", domain_type_to_string(type),
                           texts[moment], (double) usec / G_USEC_PER_SEC);
}
