/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "diagnostic.h"

/* Prints DIAGNOSTICS (list of Diagnostic) on standard output: a line for each that text editors can jump to,
 * or an object with member `diagnostics` as JSON. */
void diagnostics_print(const GPtrArray *diagnostics, bool json);
