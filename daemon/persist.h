/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "finding-kind.h"
#include "managed-group.h"
#include "rule-set.h"

/* The rule file that makes a call last: /etc/iommu-policy.d/05-call-BUS-NAME.conf, for the first member's
 * BUS and NAME. */
typedef struct PersistRequest {
    DomainType type;
    bool may_unbind;       /* the call allowed to unbind, so does the rule */
    FindingKindSet accept; /* disruptive kinds that the call allowed */
    const char *origin;    /* "call:uid=0" */
    const char *reason;    /* free text, or NULL */
} PersistRequest;

/* Returns the file's path with a leading slash; the caller frees it. */
char *persist_path(const ManagedGroup *group);

/* False if all members are bridges, which a file does not name: then there is nothing to write. */
bool persist_has_member(const ManagedGroup *group);

/* The text of the file (policy/rule-file.h); the caller frees it. */
char *persist_text(const ManagedGroup *group, const PersistRequest *request);

/* Whether such a file would have no effect: true with *ret_detail (caller frees) naming the file that
 * forbids the type or would win. */
bool persist_conflicts(const RuleSet *rules, const HostFacts *host, const ManagedGroup *group,
                       DomainType type, char **ret_detail);

/* Writes TEXT to PATH, as persist_path() gives it: a temporary file, fsync, rename. Blocks: workers only.
 * Returns 0; -EINVAL for a TEXT that no reader of rules would take (more than 64 KiB: hundreds of members);
 * or -errno of writing. */
int persist_write(int root_fd, const char *path, const char *text);
