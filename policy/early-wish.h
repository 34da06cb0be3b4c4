/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "domain-type.h"
#include "facts.h"
#include "rule-set.h"

/*
 * Whether RULES want, or may want, of a device with these facts what can only be given while no driver
 * is bound to it: another type than BOOT_DEFAULT (_DOMAIN_TYPE_INVALID: not known) that is not reached
 * live. Asked of devices that are not there yet, so what hangs on a fact that is not known counts as
 * wanted.
 */
bool early_wish_is_possible(const RuleSet *rules, const HostFacts *host, const DeviceFacts *device,
                            DomainType boot_default);
