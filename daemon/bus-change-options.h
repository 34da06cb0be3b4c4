/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "change.h"

/* What a caller of SetType and Plan says: the type and the options. */

/* Bytes that a text for people may have. */
#define BUS_REASON_MAX 1024

/* Reads the type. Returns 0 with it in *ret, _DOMAIN_TYPE_INVALID for ""; 1 if a refusal was sent; -errno of
 * reading MESSAGE. */
int bus_read_change_type(sd_bus_message *message, DomainType *ret);

/* Reads the options, of Plan if PLAN, into *options; change_options_clear() frees them whatever is returned.
 * Returns 0; 1 if a refusal was sent; -errno of reading MESSAGE. */
int bus_read_change_options(sd_bus_message *message, bool plan, ChangeOptions *options);

/* Refuses MESSAGE since OPTION does not do: TAKES says what it takes. Returns 1. */
int bus_reply_bad_option(sd_bus_message *message, const char *option, const char *takes);
