/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "refusal.h"

/* Answers MESSAGE with the refusal CODE; the other parts as refusal_text() takes them. Returns what a method
 * handler returns. */
int bus_reply_refusal(sd_bus_message *message, RefusalCode code, const char *object, const char *target,
                      const char *detail);

/* The same for a group by its number. */
int bus_reply_group_refusal(sd_bus_message *message, RefusalCode code, unsigned group, const char *detail);
