/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "finding-kind.h"

/*
 * Evidence that a device is in use. All of it is gathered by reading (procfs, sysfs, rtnetlink, udev's
 * database): passive. The active probe, which opens disks, is claim.h. Gathering can block: workers only.
 */

typedef struct Finding {
    char *id;     /* stable: "mount:/srv@nvme0n1p1", the object escaped as systemd-escape does outside
                     [A-Za-z0-9/_.:-] */
    char *member; /* name of the member it concerns: "0000:00:04.0" */
    FindingKind kind;
    char *object;       /* what is in use, unescaped: "/srv" */
    char *where;        /* where that was seen, unescaped: "nvme0n1p1"; NULL in a finding from a message */
    char *text;         /* one sentence for people; may name pids and commands only in `private_text` */
    char *private_text; /* the same for uid 0, with pid and command; NULL: same as text */
    FindingSeverity severity;
} Finding;

void finding_free(Finding *finding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Finding, finding_free)

/* List that owns its findings. */
GPtrArray *findings_new(void);

/* Builds and appends one; the id is KIND:OBJECT@WHERE (WHERE a node or the member's name). SEVERITY is
 * that of the kind; `unknown` and `below` are as severe as what they stand for. The object and the text lose
 * what the bus cannot carry: control characters, bytes that are not UTF-8. */
Finding *findings_add(GPtrArray *findings, FindingKind kind, FindingSeverity severity, const char *member,
                      const char *object, const char *where, const char *format, ...) G_GNUC_PRINTF(7, 8);

typedef enum FindingsScope {
    FINDINGS_OWNER_ONLY, /* for plans that unbind nobody: user-space owners alone */
    FINDINGS_ALL,
} FindingsScope;

/*
 * Gathers the passive findings for the devices MEMBERS ("sys/devices/...", NULL-terminated): the ones a
 * change would unbind. Findings come sorted by member, severity (most severe first) and id; the same
 * evidence twice is one finding.
 *
 * A source that cannot be read is never taken for "free": it gives a finding `unknown` (fatal where the
 * source would have shown fatal or absolute kinds) that names the source. So does a node of a member that a
 * process has open for a use that no kind stands for.
 *
 * Returns 0; -ENODEV if a member vanished; -errno if a member's own directory cannot be read.
 */
int findings_collect(int root_fd, char **members, FindingsScope scope, GPtrArray **ret);

/* Device numbers (block and character) of all nodes of the devices MEMBERS and of everything below them,
 * NVMe multipath heads included: GArray of NodeNumber. */
typedef struct NodeNumber {
    dev_t number;
    bool block;
    char name[64];
} NodeNumber;
int findings_nodes(int root_fd, char **members, GArray **ret);

/* Looks who still holds one of NODES (open descriptors by device number, mounts in any namespace), after the
 * unbind; appends findings to *FINDINGS. Descriptors of the process SELF (0: nobody) are ours and do not
 * count. Returns 0, or -errno if the processes or the mounts of process 1 cannot be listed. */
int findings_node_holders(int root_fd, const GArray *nodes, pid_t self, const char *member,
                          GPtrArray *findings);

/*
 * Those of FINDINGS that stand in the way: absolute always; fatal unless its id is in ALLOW; disruptive
 * unless its id is in ALLOW or its kind in ACCEPT. `below` never does: it says on which device other
 * findings are, and each of these stands in the way itself, so that allowing them is enough. ALLOW may be
 * NULL. Returns a list that borrows.
 */
GPtrArray *findings_blocking(const GPtrArray *findings, FindingKindSet accept, char **allow);

/* a(...) for a worker's message, and back: NULL for a value of another type. */
GVariant *findings_to_variant(const GPtrArray *findings);
GPtrArray *findings_from_variant(GVariant *variant);
#define FINDINGS_FORMAT "a(ssisssi)" /* id member kind object text private_text ("": none) severity */
