/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>

/*
 * The kinds of evidence that a device is in use. `Accept=` in a rule names the disruptive ones; calls allow
 * single findings by their id.
 */
typedef enum FindingKind {
    FINDING_ROOT,
    FINDING_MOUNT,
    FINDING_SWAP,
    FINDING_HOLDER,
    FINDING_EXCL,
    FINDING_OWNER,
    FINDING_VF,
    FINDING_CONSUMER,
    FINDING_INFRASTRUCTURE,
    FINDING_BELOW,
    FINDING_ROUTE,
    FINDING_MASTER,
    FINDING_REMOTE,
    FINDING_NETNS,
    FINDING_RDMA,
    FINDING_EXPORT,
    FINDING_SIGNATURE,
    FINDING_UP,
    FINDING_ADDR,
    FINDING_DISPLAY,
    FINDING_INPUT,
    FINDING_SOUND,
    FINDING_UNKNOWN,
    _FINDING_KIND_MAX,
    _FINDING_KIND_INVALID = -EINVAL,
} FindingKind;

/* Who may pass a finding: a rule by kind and a call by id (disruptive), a call by id with an authorisation
 * of its own (fatal), nobody (absolute). Ordered: the larger, the more severe. */
typedef enum FindingSeverity {
    FINDING_DISRUPTIVE,
    FINDING_FATAL,
    FINDING_ABSOLUTE,
    _FINDING_SEVERITY_MAX,
    _FINDING_SEVERITY_INVALID = -EINVAL,
} FindingSeverity;

/* A set of kinds, one bit each. */
typedef unsigned FindingKindSet;
#define FINDING_KIND_BIT(kind) (1u << (kind))

/* Returns the word for KIND as it stands in finding ids and in `Accept=`, or NULL. */
const char *finding_kind_to_string(FindingKind kind);

/* Returns the kind that WORD names, or _FINDING_KIND_INVALID. */
FindingKind finding_kind_from_string(const char *word);

/* Returns the severity of KIND; of FINDING_BELOW, the most severe it can have. */
FindingSeverity finding_kind_severity(FindingKind kind);

/* Returns "absolute", "fatal" or "disruptive". */
const char *finding_severity_to_string(FindingSeverity severity);
