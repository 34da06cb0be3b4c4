/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "decision.h"
#include "wish.h"

/* The part of a decision that is for people: who asked for what, and what became of it. For policy/ only. */

GPtrArray *trail_new(void);

/* MEMBER and TEXT may be NULL for "". ORIGIN and TEXT are taken over. */
void trail_add(GPtrArray *trail, const char *member, char *origin, WishVerdict verdict, char *text);

/* Adds what each rule asked of WISH's member, now that DECISION has its outcome. IS_WINNER: its wish is the
 * outcome's origin. */
void trail_add_member(GPtrArray *trail, const Decision *decision, const DecisionInput *input,
                      const HostFacts *host, const Wish *wish, bool is_winner);
