/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "evidence.h"

/*
 * Who serves, copies or tests a disk without a mount: processes that have one of its nodes open, and targets
 * in the kernel. "export:NODE@MEMBER" is a process (which one, only uid 0 is told: the id stays when the
 * process is started again); "export:nvmet/NQN/ID@NODE" and its like are targets.
 *
 * Who opens disks all the time and does not count as a use of them:
 * - udevd, and the programs that its rules run on a disk (ata_id, scsi_id): it holds a shared lock on the
 *   whole disk meanwhile (https://systemd.io/BLOCK_DEVICE_LOCKING), which the claim of the disk waits for
 *   (claim.h).
 * - a descriptor made with O_PATH, which is a name (open-files.h).
 * Who has one open for a moment only counts for that moment: smartd, udisksd, fwupd, and multipathd at a
 * path of no multipath device close the node after each look. A path of a multipath device has a holder
 * besides. systemd-logind has no node of a disk open.
 */

static bool is_storage_character_node(const Descendant *descendant)
{
    static const char *const subsystems[] = { "nvme",         "nvme-generic", "scsi_generic", "scsi_tape",
                                              "scsi_changer", "bsg",          "mmc_rpmb",     NULL };

    return descendant->subsystem && g_strv_contains(subsystems, descendant->subsystem);
}

bool descendant_is_storage_node(const Descendant *descendant)
{
    return descendant->number != 0 &&
           (descendant_is(descendant, "block") || is_storage_character_node(descendant));
}

/* Processes that look at one of the member's disks under a shared lock. */
static GArray *find_lookers(const Evidence *evidence, const Member *member)
{
    GArray *lookers = g_array_new(FALSE, FALSE, sizeof(pid_t));

    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);
        g_autoptr(GArray) pids = NULL;

        if (!descendant_is_disk_node(descendant) || descendant->partition)
            continue;
        pids = open_files_lockers(evidence->files, descendant->number);
        for (unsigned j = 0; j < pids->len; j++)
            process_list_add(lookers, g_array_index(pids, pid_t, j));
    }
    return lookers;
}

static bool contains(const GArray *pids, pid_t pid)
{
    for (unsigned i = 0; i < pids->len; i++)
        if (g_array_index(pids, pid_t, i) == pid)
            return true;
    return false;
}

/* The claim waits for locks on block devices only. */
static bool only_looks(const Evidence *evidence, const Descendant *descendant, const GArray *lookers,
                       pid_t pid)
{
    if (lookers->len == 0 || !descendant_is(descendant, "block"))
        return false;
    return contains(lookers, pid) || contains(lookers, process_parent(evidence->root_fd, pid));
}

static void judge_processes(const Evidence *evidence, const Member *member, const Descendant *descendant,
                            const GArray *lookers, GPtrArray *findings)
{
    g_autoptr(GArray) users = NULL, pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    Finding *finding;

    /* Our own process holds the disks as claims while it looks again. */
    users = open_files_holders(evidence->files, descendant->number, descendant_is(descendant, "block"),
                               getpid());
    for (unsigned i = 0; i < users->len; i++)
        if (!only_looks(evidence, descendant, lookers, g_array_index(users, pid_t, i)))
            process_list_add(pids, g_array_index(users, pid_t, i));
    if (pids->len == 0)
        return;
    finding = findings_add(
        findings, FINDING_EXPORT, FINDING_FATAL, member->name, descendant->name, member->name,
        "a process has %s open; stop it, or try again if it only takes a look", descendant->name);
    finding_name_processes(finding, evidence->root_fd, pids);
}

void findings_add_exports(const Evidence *evidence, const char *member, const DeviceNode *node,
                          const char *where, GPtrArray *findings)
{
    for (unsigned i = 0; i < evidence->exports->exports->len; i++) {
        const Export *export = g_ptr_array_index(evidence->exports->exports, i);

        if (export->node.block != node->block || export->node.number != node->number)
            continue;
        findings_add(findings, FINDING_EXPORT, FINDING_FATAL, member, export->object, where,
                     "the kernel exports %s to others (%s in /sys/kernel/config); stop that export first",
                     where, export->object);
    }
}

/* Targets on disks, and on what is stacked on these, are found with the disks' other users. */
void findings_judge_export(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_autoptr(GArray) lookers = evidence->files ? find_lookers(evidence, member) : NULL;
    bool has_nodes = false;

    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);
        const DeviceNode node = { .number = descendant->number };

        if (!descendant_is_storage_node(descendant))
            continue;
        has_nodes = true;
        if (evidence->files)
            judge_processes(evidence, member, descendant, lookers, findings);
        if (evidence->exports && !descendant_is(descendant, "block"))
            findings_add_exports(evidence, member->name, &node, descendant->name, findings);
    }
    for (unsigned i = 0; has_nodes && evidence->exports && i < evidence->exports->unread->len; i++)
        findings_add_unread(findings, member->name, g_ptr_array_index(evidence->exports->unread, i));
}
