/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reading and writing small files below an opened directory. PATH never starts with a slash; symbolic links
 * inside sysfs are relative and stay inside the root. None of these log.
 */

/* Opens "/" (PATH) as root fd: O_PATH|O_DIRECTORY|O_CLOEXEC. Returns the fd or -errno. */
int sysfs_open_root(const char *path);

/* Opens the directory PATH below DIR_FD (O_RDONLY|O_DIRECTORY|O_CLOEXEC). Returns the fd or -errno. */
int sysfs_open_dir(int dir_fd, const char *path);

/*
 * Reads the attribute PATH whole, at most 64 KiB, and drops one trailing newline. Returns 0 with *ret
 * (caller frees, always NUL-terminated; a NUL inside the data is -EBADMSG); -errno of open or read; -EFBIG
 * if it is larger.
 */
int sysfs_read(int dir_fd, const char *path, char **ret);

/*
 * The same with one read(2) into BUFFER, for attributes of sysfs whose size is known: sysfs gives an
 * attribute in one piece (fs/kernfs/file.c), /proc does not always. Returns the length without the newline;
 * -EFBIG if there is more than SIZE - 1 bytes; else as sysfs_read().
 */
ssize_t sysfs_read_buffer(int dir_fd, const char *path, char *buffer, size_t size);

/* The same of an opened attribute, which can be read as often as one likes: each time it is what it says
 * then. */
ssize_t sysfs_read_fd(int fd, char *buffer, size_t size);

/* Reads an unsigned number, BASE as strtoull. -EBADMSG if the content is not one number in range. */
int sysfs_read_u64(int dir_fd, const char *path, int base, uint64_t *ret);

/*
 * Writes TEXT with one write(2) to the attribute PATH (O_WRONLY|O_CLOEXEC|O_NOCTTY, never created). Returns
 * 0 or -errno of open or write; -EIO on a short write. This can block for as long as the kernel likes:
 * worker processes only.
 */
int sysfs_write(int dir_fd, const char *path, const char *text);

/*
 * The two halves of sysfs_write(), for who has to look once more between them: what is opened stays that of
 * the device or group that was there, and takes nothing any more once that is gone (-ENODEV;
 * fs/kernfs/file.c).
 */
int sysfs_open_write(int dir_fd, const char *path);
int sysfs_open_read_write(int dir_fd, const char *path); /* for sysfs_read_fd(), too */
int sysfs_write_fd(int fd, const char *text);

/*
 * Returns 0 with the last component of the link PATH ("nvme" of ".../drivers/nvme"); -ENOENT if there is
 * none, -EINVAL if it is no link.
 */
int sysfs_link_name(int dir_fd, const char *path, char **ret);

/* Returns 0 with the raw text of the link. */
int sysfs_read_link(int dir_fd, const char *path, char **ret);

/*
 * Returns 0 with the path that the relative link PATH leads to, itself relative to DIR_FD ("sys/devices/..."
 * of "sys/bus/pci/devices/NAME"). The text of the link is resolved against the folder that PATH names, which
 * must hold no link: sysfs makes its links that way (fs/sysfs/symlink.c). -EINVAL if the link is absolute or
 * leaves DIR_FD; else as sysfs_read_link().
 */
int sysfs_link_target(int dir_fd, const char *path, char **ret);

/*
 * Lists the names in directory PATH, without "." and "..", sorted by strcmp. The caller frees with
 * g_strfreev().
 */
int sysfs_list(int dir_fd, const char *path, char ***ret);

/*
 * Returns 0 with the inode number of PATH itself (no link at the end is followed): kernfs gives each object
 * a new one, so it tells a device from its successor under the same name (fs/kernfs/dir.c).
 */
int sysfs_inode(int dir_fd, const char *path, uint64_t *ret);
