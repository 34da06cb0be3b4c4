/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host.h"
#include "rule-set.h"

/*
 * Groups for devices that would get theirs only when their driver probes them (see stub-probe.h), made
 * before that, so that the pass finds them: of each device for which a rule asks for a type that it would
 * not have then, and that could not be had later without taking the driver away.
 */

/* Called with what could not be done, and why; TEXT is borrowed. */
typedef void (*EarlyGroupsTell)(const char *text);

/* Makes these groups, and takes back what an earlier run that was killed had lent. Returns the keys of the
 * records for early_groups_end(); the caller frees them. Blocks as stub-probe.h does. */
GPtrArray *early_groups_make(int root_fd, const RuleSet *rules, const Host *host, EarlyGroupsTell tell);

/* After the pass: the devices may have their drivers, and the records KEYS go. */
void early_groups_end(int root_fd, const GPtrArray *keys, EarlyGroupsTell tell);
