/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "claim.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "findings.h"
#include "sysfs.h"

/* How long another program's lock is waited for. */
#define LOCK_USEC (3 * G_USEC_PER_SEC)

struct Claims {
    GArray *fds; /* int: of each disk the locked descriptor and the exclusive one */
};

typedef struct Disk {
    const char *member; /* name of the member that carries it */
    const NodeNumber *node;
} Disk;

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(blkid_probe, blkid_free_probe, NULL)

static Claims *claims_new(void)
{
    Claims *claims = g_new0(Claims, 1);

    claims->fds = g_array_new(FALSE, FALSE, sizeof(int));
    return claims;
}

Claims *claims_release(Claims *claims)
{
    if (!claims)
        return NULL;
    for (guint i = 0; i < claims->fds->len; i++)
        safe_close(g_array_index(claims->fds, int, i));
    g_array_unref(claims->fds);
    g_free(claims);
    return NULL;
}

static bool has_finding(const GPtrArray *findings, FindingKind kind, const char *member)
{
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        if (finding->kind == kind && g_strcmp0(finding->member, member) == 0)
            return true;
    }
    return false;
}

/* What is seen to use a disk also explains why the kernel keeps us out. */
static void add_excl(GPtrArray *findings, const Disk *disk, const char *how)
{
    static const FindingKind explaining[] = { FINDING_ROOT, FINDING_MOUNT, FINDING_SWAP, FINDING_HOLDER };
    const char *name = disk->node->name;

    for (size_t i = 0; i < G_N_ELEMENTS(explaining); i++)
        if (has_finding(findings, explaining[i], disk->member))
            return;
    findings_add(findings, FINDING_EXCL, FINDING_ABSOLUTE, disk->member, name, name,
                 "%s is %s; find out by whom and stop it", name, how);
}

static void add_unknown(GPtrArray *findings, const Disk *disk, int error)
{
    const char *name = disk->node->name;

    findings_add(findings, FINDING_UNKNOWN, FINDING_FATAL, disk->member, name, name,
                 "the disk %s cannot be judged: %s", name, g_strerror(-error));
}

/*
 * Opens the node of DISK and proves through the descriptor that it is that disk. O_NONBLOCK: a drive without
 * a medium answers at once. Returns the descriptor; -ESTALE: the node is something else; -errno of open.
 */
static int open_disk(int root_fd, const Disk *disk, int flags)
{
    g_autofree char *path = g_strconcat("dev/", disk->node->name, NULL);
    _cleanup_close_ int fd = -EBADF;
    struct stat status;

    /* The kernel calls a disk cciss!c0d0 whose node is cciss/c0d0. */
    g_strdelimit(path, "!", '/');
    fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | flags);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISBLK(status.st_mode) || status.st_rdev != disk->node->number)
        return -ESTALE;
    return TAKE_FD(fd);
}

/* The name of what was found: a file system before the partition table, as udev prefers it too. */
static const char *signature_name(blkid_probe probe)
{
    const char *name = NULL;

    if (blkid_probe_lookup_value(probe, "TYPE", &name, NULL) < 0)
        (void) blkid_probe_lookup_value(probe, "PTTYPE", &name, NULL);
    return name ?: "unnamed";
}

/* Probes through the exclusive descriptor: blkid(3) reads the first and the last part of the disk.
 * Returns 0 or -errno. */
static int probe_signature(const Disk *disk, int fd, GPtrArray *findings)
{
    g_auto(blkid_probe) probe = blkid_new_probe();
    const char *name = disk->node->name, *found;
    int r;

    if (!probe)
        return -ENOMEM;
    errno = 0;
    if (blkid_probe_set_device(probe, fd, 0, 0) < 0)
        return errno > 0 ? -errno : -EIO;
    if (blkid_probe_get_size(probe) == 0)
        return 0; /* no medium */
    (void) blkid_probe_enable_superblocks(probe, 1);
    (void) blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
    (void) blkid_probe_enable_partitions(probe, 1);
    r = blkid_do_safeprobe(probe);
    if (r == 1)
        return 0;
    if (r == -1)
        return errno > 0 ? -errno : -EIO;
    found = r == -2 ? "ambiguous" : signature_name(probe);
    findings_add(findings, FINDING_SIGNATURE, FINDING_DISRUPTIVE, disk->member, found, name,
                 "%s carries data (%s) that nobody uses now; allow that it goes away for a moment", name,
                 found);
    return 0;
}

/* udev holds a shared lock while it looks at a disk that has just come back: that is short, and waited
 * for. */
static int lock_disk(int fd)
{
    uint64_t deadline = sequence_now() + LOCK_USEC;

    for (unsigned try = 0;; try++) {
        if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        if (!sequence_back_off(try, deadline))
            return -EWOULDBLOCK;
    }
}

static void keep(Claims *claims, int fd)
{
    g_array_append_val(claims->fds, fd);
}

/*
 * Lock, then exclusive open, then probe. What stands in the way becomes a finding. Returns 0 also then;
 * -errno if nothing can be said but that the disk cannot be judged.
 */
static int claim_disk(Claims *claims, int root_fd, const Disk *disk, GPtrArray *findings)
{
    int fd, r;

    fd = open_disk(root_fd, disk, 0);
    if (fd < 0)
        return fd == -ENOMEDIUM ? 0 : fd;
    keep(claims, fd);
    r = lock_disk(fd);
    if (r == -EWOULDBLOCK) {
        add_excl(findings, disk, "locked by another program");
        return 0;
    }
    if (r < 0)
        return r;
    fd = open_disk(root_fd, disk, O_EXCL);
    if (fd == -EBUSY) {
        add_excl(findings, disk, "held exclusively");
        return 0;
    }
    if (fd < 0)
        return fd;
    keep(claims, fd);
    return probe_signature(disk, fd, findings);
}

/* A partition is claimed with its disk, never beside it: they exclude each other. */
static bool is_whole_disk(int root_fd, const NodeNumber *node)
{
    g_autofree char *path = g_strdup_printf("sys/class/block/%s/partition", node->name);
    g_autofree char *number = NULL;

    return node->block && sysfs_read(root_fd, path, &number) < 0;
}

static int claim_member(const Sequence *sequence, Claims *claims, char *syspath, GPtrArray *findings)
{
    g_autofree char *member = g_path_get_basename(syspath);
    char *paths[] = { syspath, NULL };
    g_autoptr(GArray) nodes = NULL;
    int r;

    r = findings_nodes(sequence->root_fd, paths, &nodes);
    if (r < 0)
        return r;
    for (guint i = 0; i < nodes->len; i++) {
        const NodeNumber *node = &g_array_index(nodes, NodeNumber, i);
        const Disk disk = { .member = member, .node = node };

        if (!is_whole_disk(sequence->root_fd, node))
            continue;
        sequence_step(sequence, sequence->limits->unbind_usec, "claim %s", node->name);
        r = claim_disk(claims, sequence->root_fd, &disk, findings);
        if (r == -ENODEV || r == -ENXIO)
            return -ENODEV;
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            add_unknown(findings, &disk, r);
    }
    return 0;
}

int claims_take(const Sequence *sequence, char **members, GPtrArray *findings, Claims **ret)
{
    g_autoptr(Claims) claims = claims_new();
    int r;

    for (char **member = members; *member; member++) {
        r = claim_member(sequence, claims, *member, findings);
        if (r < 0)
            return r;
    }
    *ret = g_steal_pointer(&claims);
    return 0;
}
