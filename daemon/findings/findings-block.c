/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "evidence.h"
#include "udev-data.h"

/* What the disks below a member are used for, followed up through everything that is stacked on them. */

typedef struct Chain {
    const Evidence *evidence;
    const char *member;
    GHashTable *visited; /* names of devices on the way: each once */
    GPtrArray *findings;
} Chain;

/* Process 1's mounts come first. What the system runs from is mounted again, in part, in each service's
 * sandbox: that says nothing more. Returns true if there is any. */
static bool judge_mounts(const Chain *chain, const char *name, dev_t number, const char *where)
{
    const Evidence *evidence = chain->evidence;
    bool is_of_system = false, any = false;

    for (unsigned i = 0; evidence->mounts && i < evidence->mounts->mounts->len; i++) {
        const Mount *mount = g_ptr_array_index(evidence->mounts->mounts, i);

        if ((is_of_system && !mount->of_init) ||
            !block_table_mount_is_on(evidence->blocks, evidence->root_fd, mount, name, number))
            continue;
        is_of_system |= mount_is_of_system(mount);
        findings_add_mount(chain->findings, evidence->root_fd, chain->member, mount, where);
        any = true;
    }
    return any;
}

static void judge_swap(const Chain *chain, dev_t number, const char *where)
{
    const BlockTable *blocks = chain->evidence->blocks;

    for (unsigned i = 0; i < blocks->swaps->len; i++)
        if (g_array_index(blocks->swaps, dev_t, i) == number)
            findings_add(chain->findings, FINDING_SWAP, FINDING_ABSOLUTE, chain->member, "swap", where,
                         "%s is swapped to; run swapoff on it first", where);
    if (blocks->resume != 0 && blocks->resume == number)
        findings_add(chain->findings, FINDING_SWAP, FINDING_ABSOLUTE, chain->member, "resume", where,
                     "%s is where this system resumes from; write another device to /sys/power/resume first",
                     where);
}

static bool mount_is_of_btrfs(const Evidence *evidence, const Mount *mount, const BtrfsDevices *btrfs)
{
    if (strcmp(mount->type, "btrfs") != 0)
        return false;
    for (char **name = btrfs->names; *name; name++) {
        const BlockDevice *device = block_table_find(evidence->blocks, *name);

        if (block_table_mount_is_on(evidence->blocks, evidence->root_fd, mount, *name,
                                    device ? device->number : 0))
            return true;
    }
    return false;
}

/* The mount names one device only; the others of the same file system are found here. */
static void judge_btrfs(const Chain *chain, const char *name, const char *where)
{
    const Evidence *evidence = chain->evidence;
    const BtrfsDevices *btrfs = block_table_find_btrfs(evidence->blocks, name);
    unsigned before = chain->findings->len;
    g_autofree char *object = NULL;

    if (!btrfs)
        return;
    for (unsigned i = 0; evidence->mounts && i < evidence->mounts->mounts->len; i++) {
        const Mount *mount = g_ptr_array_index(evidence->mounts->mounts, i);

        if (mount_is_of_btrfs(evidence, mount, btrfs))
            findings_add_mount(chain->findings, evidence->root_fd, chain->member, mount, where);
    }
    if (chain->findings->len > before)
        return;
    object = g_strdup_printf("btrfs/%s", btrfs->uuid);
    findings_add(chain->findings, FINDING_MOUNT, FINDING_ABSOLUTE, chain->member, object, where,
                 "the kernel holds the btrfs %s, which %s is part of; unmount it first", btrfs->uuid, where);
}

/* Whether a file of sysfs is there; one that cannot be looked at counts. */
static bool is_there(int root_fd, const char *path)
{
    return faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0 || (errno != ENOENT && errno != ENOTDIR);
}

/*
 * A file system is in the kernel for longer than its mounts are seen: after a lazy unmount until the last
 * file is closed, or in a mount namespace that only a descriptor keeps. Each of these types has a folder for
 * each device that it is on (fs/ext4/sysfs.c, fs/xfs/xfs_super.c, fs/f2fs/sysfs.c, fs/nilfs2/sysfs.c,
 * fs/erofs/sysfs.c).
 */
static void judge_kept_file_system(const Chain *chain, const char *name, const char *where)
{
    static const char *const types[] = { "ext4", "xfs", "f2fs", "nilfs2", "erofs" };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *path = g_strdup_printf("sys/fs/%s/%s", types[i], name);
        g_autofree char *object = g_strdup_printf("%s/%s", types[i], name);

        if (is_there(chain->evidence->root_fd, path))
            findings_add(chain->findings, FINDING_MOUNT, FINDING_ABSOLUTE, chain->member, object, where,
                         "the kernel holds the %s of %s without a mount that is seen (unmounted lazily?); "
                         "close what is open on it",
                         types[i], where);
    }
}

/* A caching device is nobody's lower device; its folder is there as long as bcache has it
 * (drivers/md/bcache/super.c, register_cache()). */
static void judge_bcache(const Chain *chain, const char *name, const char *where)
{
    g_autofree char *path = g_strdup_printf("sys/class/block/%s/bcache", name);

    if (is_there(chain->evidence->root_fd, path))
        findings_add(chain->findings, FINDING_HOLDER, FINDING_ABSOLUTE, chain->member, "bcache", where,
                     "%s is registered with bcache; detach and stop its cache set first", where);
}

static void judge_device(Chain *chain, const char *name, dev_t number, const char *where);

static void judge_holder(Chain *chain, const BlockDevice *holder, const char *where)
{
    g_autofree char *above = g_strdup_printf("%s>%s", where, holder->title);
    g_autoptr(GPtrArray) partitions = block_table_partitions(chain->evidence->blocks, holder->name);

    findings_add(chain->findings, FINDING_HOLDER, FINDING_ABSOLUTE, chain->member, holder->title, where,
                 "%s is held by %s (/dev/%s); deactivate that first", where, holder->title, holder->name);
    judge_device(chain, holder->name, holder->number, above);
    for (unsigned i = 0; i < partitions->len; i++) {
        const BlockDevice *partition = g_ptr_array_index(partitions, i);
        g_autofree char *beyond = g_strdup_printf("%s>%s", above, partition->title);

        judge_device(chain, partition->name, partition->number, beyond);
    }
}

/* Appends what uses the device NAME; WHERE says on the way from which disk it was reached. */
static void judge_device(Chain *chain, const char *name, dev_t number, const char *where)
{
    const DeviceNode node = { .block = true, .number = number };
    g_autoptr(GPtrArray) holders = NULL;

    if (!g_hash_table_add(chain->visited, g_strdup(name)))
        return;
    if (!judge_mounts(chain, name, number, where))
        judge_kept_file_system(chain, name, where);
    judge_swap(chain, number, where);
    judge_btrfs(chain, name, where);
    findings_add_exports(chain->evidence, chain->member, &node, where, chain->findings);

    holders = block_table_holders(chain->evidence->blocks, chain->evidence->root_fd, name);
    if (!holders) {
        g_autofree char *source = g_strdup_printf("/sys/class/block/%s/holders", name);

        findings_add_unread(chain->findings, chain->member, source);
        return;
    }
    if (holders->len == 0)
        judge_bcache(chain, name, where);
    for (unsigned i = 0; i < holders->len; i++)
        judge_holder(chain, g_ptr_array_index(holders, i), where);
}

/* Returns true if somebody uses the disk or partition so that nobody may pass. What may be passed leaves the
 * question what lies on the disk. */
static bool judge_disk(const Evidence *evidence, const Member *member, const Descendant *disk,
                       GPtrArray *findings)
{
    g_autoptr(GHashTable) visited = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Chain chain = { .evidence = evidence, .member = member->name, .visited = visited, .findings = findings };
    unsigned before = findings->len;

    judge_device(&chain, disk->name, disk->number, disk->name);
    for (unsigned i = before; i < findings->len; i++)
        if (((const Finding *) g_ptr_array_index(findings, i))->severity == FINDING_ABSOLUTE)
            return true;
    return false;
}

static void add_signature(GPtrArray *findings, const Member *member, const Descendant *disk,
                          const char *type)
{
    findings_add(findings, FINDING_SIGNATURE, FINDING_DISRUPTIVE, member->name, type, disk->name,
                 "%s carries data (%s) that nobody uses now; allow that it goes away for a moment",
                 disk->name, type);
}

/* udev gives a partition the ID_PART_TABLE_TYPE of its disk. */
static void judge_signature(const Evidence *evidence, const Member *member, const Descendant *disk,
                            GPtrArray *findings)
{
    g_autofree char *id = g_strdup_printf("b%u:%u", major(disk->number), minor(disk->number));
    g_autoptr(GHashTable) properties = NULL;
    const char *type;
    int r;

    r = udev_data_read(evidence->root_fd, id, &properties);
    if (r < 0) {
        findings_add(findings, FINDING_UNKNOWN, FINDING_DISRUPTIVE, member->name, disk->name, member->name,
                     "udev does not tell what %s carries (%s); wait until udev has processed it", disk->name,
                     g_strerror(-r));
        return;
    }
    type = g_hash_table_lookup(properties, "ID_FS_TYPE");
    if (type && *type)
        add_signature(findings, member, disk, type);
    type = g_hash_table_lookup(properties, "ID_FS_AMBIVALENT");
    if (type && *type)
        add_signature(findings, member, disk, "ambiguous");
    type = g_hash_table_lookup(properties, "ID_PART_TABLE_TYPE");
    if (type && *type && !disk->partition)
        add_signature(findings, member, disk, type);
}

/* A disk is used if one of its partitions is. */
static bool is_used(const GPtrArray *used, const Descendant *disk)
{
    g_autofree char *below = g_strdup_printf("%s/", disk->path);

    for (unsigned i = 0; i < used->len; i++) {
        const Descendant *other = g_ptr_array_index(used, i);

        if (other == disk || g_str_has_prefix(other->path, below))
            return true;
    }
    return false;
}

void findings_judge_block(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_autoptr(GPtrArray) used = g_ptr_array_new(), disks = g_ptr_array_new();

    for (unsigned i = 0; i < member->descendants->len; i++)
        if (descendant_is_disk_node(g_ptr_array_index(member->descendants, i)))
            g_ptr_array_add(disks, g_ptr_array_index(member->descendants, i));
    if (disks->len == 0)
        return;

    if (evidence->mounts_unread)
        findings_add_unread(findings, member->name, evidence->mounts_unread);
    if (evidence->blocks->unread)
        findings_add_unread(findings, member->name, evidence->blocks->unread);
    for (unsigned i = 0; i < disks->len; i++)
        if (judge_disk(evidence, member, g_ptr_array_index(disks, i), findings))
            g_ptr_array_add(used, g_ptr_array_index(disks, i));
    for (unsigned i = 0; i < disks->len; i++)
        if (!is_used(used, g_ptr_array_index(disks, i)))
            judge_signature(evidence, member, g_ptr_array_index(disks, i), findings);
}
