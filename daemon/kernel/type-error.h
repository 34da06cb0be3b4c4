/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-type.h"
#include "group-view.h"
#include "refusal.h"

/*
 * Why the kernel answered ERROR (negative) to a write of TYPE to the group that VIEW shows, read after the
 * write: said once, where the context is known, rather than guessed from the number or from the kernel's
 * version (drivers/iommu/iommu.c, iommu_group_store_type()); docs/kernel-notes.md has the table. VIEW may be
 * NULL unless ERROR is -EPERM, -EBUSY or -EINVAL. *ret_detail is set to the detail of the refusal, which the
 * caller frees, or to NULL.
 */
RefusalCode type_error_explain(const GroupView *view, DomainType type, int error, char **ret_detail);
