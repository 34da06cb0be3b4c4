/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "change-sequence.h"

/*
 * Recovers the record KEY, whose lock the caller holds: see transaction_recover(). Returns 0 with what is
 * left in the sequence's result; -ENOENT: there is no record; -EBADMSG with the text as detail: it cannot be
 * read and stays; -errno.
 */
int change_recover_locked(const Sequence *sequence, const char *key);
