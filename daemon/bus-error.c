/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"

#include <glib.h>

#include "plain-text.h"

/* A caller is told what it said, but not all of it back. */
#define OBJECT_MAX 200
#define DETAIL_MAX 800

int bus_reply_refusal(sd_bus_message *message, RefusalCode code, const char *object, const char *target,
                      const char *detail)
{
    g_autofree char *cut = plain_text(object ?: "", OBJECT_MAX);
    g_autofree char *cut_detail = detail ? plain_text(detail, DETAIL_MAX) : NULL;
    g_autofree char *text = refusal_text(code, cut, target, cut_detail);

    return sd_bus_reply_method_errorf(message, refusal_bus_name(code), "%s", text);
}

int bus_reply_group_refusal(sd_bus_message *message, RefusalCode code, unsigned group, const char *detail)
{
    g_autofree char *object = g_strdup_printf("group %u", group);
    g_autofree char *target = g_strdup_printf("%u", group);

    return bus_reply_refusal(message, code, object, target, detail);
}
