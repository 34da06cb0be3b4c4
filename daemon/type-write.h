/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "change-sequence.h"

/* Writing the type of a group and believing only what is read back. */

/*
 * Writes TYPE. While nothing is bound, EBUSY means that a member is being reset (Linux 7.0,
 * drivers/iommu/iommu.c) and is tried again for a while; EPERM, under a VFIO driver, that a program owns a
 * member, and is tried again for two seconds: it may just have ended. Returns 0 or the kernel's -errno.
 */
int type_write(const Sequence *sequence, unsigned group, DomainType type);

/*
 * Reads the type back into the result. Returns true if it is WANTED, or stricter (a note is added if NOTE):
 * the kernel falls back from DMA-FQ to DMA without an error. With `auto` any type will do that is not in
 * OUT. Else notes the failure and returns false.
 */
bool type_is_kept(const Sequence *sequence, unsigned group, DomainType wanted, DomainTypeSet out, bool note);

/* Brings OLD back if the group reads anything else, or cannot be read. Returns true if it is there, or
 * one that is stricter. */
bool type_restore(const Sequence *sequence, unsigned group, DomainType old);
