/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "full-io.h"
#include "iommu-policy-names.h"

int record_file_open(int root_fd, const char *folder, const char *name, int flags)
{
    g_autofree char *path = g_strconcat(folder, "/", name, NULL);
    int fd;

    flags |= O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    fd = openat(root_fd, path, flags, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd < 0 ? -errno : fd;
    /* systemd makes the upper one (RuntimeDirectory=), but not in an initramfs. */
    if (mkdirat(root_fd, IOMMU_POLICY_RUN_DIR, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (mkdirat(root_fd, folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(root_fd, path, flags, 0600);
    return fd < 0 ? -errno : fd;
}

int record_file_write(int root_fd, const char *folder, const char *name, const char *text)
{
    g_autofree char *temporary = g_strconcat(".", name, NULL);
    g_autofree char *from = g_strconcat(folder, "/", temporary, NULL);
    g_autofree char *to = g_strconcat(folder, "/", name, NULL);
    _cleanup_close_ int fd = -EBADF;
    int r;

    fd = record_file_open(root_fd, folder, temporary, O_WRONLY | O_TRUNC);
    if (fd < 0)
        return fd;
    r = write_full(fd, text, strlen(text));
    if (r >= 0 && renameat(root_fd, from, root_fd, to) < 0)
        r = -errno;
    if (r < 0)
        (void) unlinkat(root_fd, from, 0);
    return r;
}

int record_file_load(int root_fd, const char *folder, const char *name, size_t size_max, char **ret,
                     size_t *ret_size, char **ret_error)
{
    g_autofree char *path = g_strconcat(folder, "/", name, NULL), *text = NULL;
    _cleanup_close_ int fd = -EBADF;
    struct stat st;
    ssize_t n;

    fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno != ELOOP)
        return -errno;
    if (fd >= 0 && fstat(fd, &st) < 0)
        return -errno;
    if (fd < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
        *ret_error = g_strdup("not a regular file of our own that nobody else can write");
        return -EBADMSG;
    }

    text = g_malloc(size_max + 1);
    n = read_full(fd, text, size_max + 1);
    if (n < 0)
        return (int) n;
    if ((size_t) n > size_max) {
        *ret_error = g_strdup_printf("larger than %zu bytes", size_max);
        return -EBADMSG;
    }
    *ret = g_steal_pointer(&text);
    *ret_size = (size_t) n;
    return 0;
}
