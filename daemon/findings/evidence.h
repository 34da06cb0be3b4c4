/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "block-table.h"
#include "descendant.h"
#include "device.h"
#include "export-table.h"
#include "findings.h"
#include "mount-table.h"
#include "network-state.h"
#include "open-files.h"
#include "process.h"
#include "rdma-state.h"
#include "remote-way.h"

/* What was read once for all members, and the judges that look at it. Inner interface of daemon/findings. */

/* A source that could not be read is NULL, with the reason in the text beside it. */
typedef struct Evidence {
    int root_fd;
    char **members; /* all of them: "sys/devices/..." */
    OpenFiles *files;
    char *files_unread;
    MountTable *mounts;
    char *mounts_unread;
    BlockTable *blocks;
    ExportTable *exports;
    NetworkState *network;
    char *network_unread;
    RemoteWays *remote; /* unread where the network is */
    RdmaState *rdma;    /* NULL, too, if the machine has no RDMA device */
    char *rdma_unread;
} Evidence;

typedef struct Member {
    const char *syspath;
    const char *name;
    Device *device;
    GPtrArray *descendants; /* Descendant */
} Member;

/* Each judge appends what it sees to FINDINGS. */
void findings_judge_owner(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_nodes(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_export(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_block(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_network(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_remote(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_rdma(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_namespace(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_display(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_input(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_sound(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_shape(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_infrastructure(const Evidence *evidence, const Member *member, GPtrArray *findings);
void findings_judge_unknown(const Member *member, GPtrArray *findings);
/* The last: it looks at what the others have found. */
void findings_judge_below(const Member *member, GPtrArray *findings);

/* The pure part of findings_judge_network(): what STATE says about the interface NAME with INDEX. */
void findings_judge_interface(const NetworkState *state, const char *member, const char *name, int index,
                              GPtrArray *findings);

/* Appends that SOURCE could not be read ("/proc/swaps: Permission denied"), so that nothing proves MEMBER
 * free. */
void findings_add_unread(GPtrArray *findings, const char *member, const char *source);

/* Appends a finding of KIND if a process has the node of DESCENDANT open; the process USES it ("reads
 * from"). */
void findings_add_node_users(const Evidence *evidence, const Member *member, const Descendant *descendant,
                             FindingKind kind, FindingSeverity severity, const char *uses,
                             GPtrArray *findings);

/* Tells uid 0 WHO is concerned ("alice"), with what the bus cannot carry taken out. */
void finding_add_private(Finding *finding, const char *who);

/* Tells uid 0 which processes FINDING is about. */
void finding_name_processes(Finding *finding, int root_fd, const GArray *pids);

/* True if process 1 has it where the system's own files are: "/", "/usr", "/boot". */
bool mount_is_of_system(const Mount *mount);

/* Appends "mount", or "root" for what the system itself runs from; WHERE is the chain of devices below it.
 */
void findings_add_mount(GPtrArray *findings, int root_fd, const char *member, const Mount *mount,
                        const char *where);

/* Appends "export" for each target of the kernel that has the device NODE open; WHERE as above. */
void findings_add_exports(const Evidence *evidence, const char *member, const DeviceNode *node,
                          const char *where, GPtrArray *findings);

/* True if the node of DESCENDANT is a way to a disk or tape: its users are exports. */
bool descendant_is_storage_node(const Descendant *descendant);

/* True if DESCENDANT is something that the machine cannot do without: "infrastructure". */
bool descendant_is_infrastructure(const Descendant *descendant);

/* True if user space alone may use the member through its driver, so that its owner tells all. */
bool member_is_for_user_space(const Member *member);
