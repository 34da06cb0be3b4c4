/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "change-sequence.h"

/*
 * The active probe, and what keeps others out between the last look and the unbind: each whole disk below
 * the members (of an NVMe with multipath: the head) is locked with flock(LOCK_EX, tried for at most 3 s) as
 * systemd's block device locking asks (https://systemd.io/BLOCK_DEVICE_LOCKING), opened O_RDONLY|O_EXCL, and
 * its first bytes are probed for signatures. Never a disk and its partition together: they exclude each
 * other.
 *
 * Claims must be released before the type is written: whatever keeps an NVMe alive over unbind and type
 * write makes Linux 6.1 oops; on other architectures than x86 already what keeps it alive over the unbind.
 */
typedef struct Claims Claims;

/*
 * Claims all whole disks below MEMBERS, each a step of SEQUENCE with a limit of its own: disks that sleep
 * are woken one after the other. A disk that refuses O_EXCL gives a finding `excl` (or `holder`...: only if
 * no other finding of FINDINGS explains it), one whose lock is held the same, one with a signature a finding
 * `signature`; they are appended to FINDINGS. Node identity is checked through the opened fd (S_ISBLK and
 * device number as sysfs says), a node that cannot be judged gives `unknown`. Returns 0 with *ret (also when
 * findings were added); -ENODEV if a member vanished; -ENOMEM.
 */
int claims_take(const Sequence *sequence, char **members, GPtrArray *findings, Claims **ret);

/* Releases all; accepts NULL; returns NULL. */
Claims *claims_release(Claims *claims);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Claims, claims_release)
