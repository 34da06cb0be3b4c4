/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "full-io.h"
#include "sysfs.h"

#define READ_MAX (64u * 1024u)

int sysfs_open_root(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int sysfs_open_dir(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/*
 * Opens for reading what should be a plain attribute; a FIFO that somebody put there must not hang the
 * caller.
 */
static int open_attribute(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

/* Judges N bytes in BUFFER of SIZE, as read, and ends them: at the last newline, if there is one. */
static ssize_t finish_text(char *buffer, size_t size, ssize_t n)
{
    if (n < 0)
        return n;
    if ((size_t) n == size)
        return -EFBIG;
    if (memchr(buffer, '\0', (size_t) n))
        return -EBADMSG;
    if (n > 0 && buffer[n - 1] == '\n')
        n--;
    buffer[n] = '\0';
    return n;
}

ssize_t sysfs_read_fd(int fd, char *buffer, size_t size)
{
    ssize_t n;

    do
        n = pread(fd, buffer, size, 0);
    while (n < 0 && errno == EINTR);
    return finish_text(buffer, size, n < 0 ? -errno : n);
}

ssize_t sysfs_read_buffer(int dir_fd, const char *path, char *buffer, size_t size)
{
    _cleanup_close_ int fd = open_attribute(dir_fd, path);

    return fd < 0 ? fd : sysfs_read_fd(fd, buffer, size);
}

int sysfs_read(int dir_fd, const char *path, char **ret)
{
    _cleanup_close_ int fd = open_attribute(dir_fd, path);
    g_autofree char *text = NULL;
    ssize_t n;

    if (fd < 0)
        return fd;
    text = g_malloc(READ_MAX + 1);
    n = finish_text(text, READ_MAX + 1, read_full(fd, text, READ_MAX + 1));
    if (n < 0)
        return (int) n;
    *ret = g_realloc(g_steal_pointer(&text), (size_t) n + 1);
    return 0;
}

int sysfs_read_u64(int dir_fd, const char *path, int base, uint64_t *ret)
{
    char buffer[64], *end;
    unsigned long long value;
    ssize_t n;

    n = sysfs_read_buffer(dir_fd, path, buffer, sizeof(buffer));
    if (n < 0)
        return n == -EFBIG ? -EBADMSG : (int) n;
    /* strtoull() itself takes leading blanks and signs, and turns "-1" into the largest number. */
    if (!g_ascii_isxdigit(buffer[0]))
        return -EBADMSG;
    errno = 0;
    value = strtoull(buffer, &end, base);
    if (errno != 0 || end == buffer || *end != '\0')
        return -EBADMSG;
    *ret = value;
    return 0;
}

int sysfs_open_write(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    return fd < 0 ? -errno : fd;
}

int sysfs_open_read_write(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDWR | O_CLOEXEC | O_NOCTTY);

    return fd < 0 ? -errno : fd;
}

int sysfs_write_fd(int fd, const char *text)
{
    size_t size = strlen(text);
    /* Each write is a whole one, the second through the same descriptor as well. */
    ssize_t n = pwrite(fd, text, size, 0);

    if (n < 0)
        return -errno;
    return (size_t) n == size ? 0 : -EIO;
}

int sysfs_write(int dir_fd, const char *path, const char *text)
{
    _cleanup_close_ int fd = sysfs_open_write(dir_fd, path);

    return fd < 0 ? fd : sysfs_write_fd(fd, text);
}

/* Reads the link into BUFFER and returns its length. */
static ssize_t read_link(int dir_fd, const char *path, char buffer[static PATH_MAX])
{
    ssize_t n = readlinkat(dir_fd, path, buffer, PATH_MAX);

    if (n < 0)
        return -errno;
    if (n == PATH_MAX)
        return -ENAMETOOLONG;
    buffer[n] = '\0';
    return n;
}

int sysfs_link_name(int dir_fd, const char *path, char **ret)
{
    char buffer[PATH_MAX];
    const char *slash;
    ssize_t n;

    n = read_link(dir_fd, path, buffer);
    if (n < 0)
        return (int) n;
    slash = strrchr(buffer, '/');
    *ret = g_strdup(slash ? slash + 1 : buffer);
    return 0;
}

int sysfs_read_link(int dir_fd, const char *path, char **ret)
{
    char buffer[PATH_MAX];
    ssize_t n;

    n = read_link(dir_fd, path, buffer);
    if (n < 0)
        return (int) n;
    *ret = g_strndup(buffer, (size_t) n);
    return 0;
}

int sysfs_link_target(int dir_fd, const char *path, char **ret)
{
    g_autoptr(GString) target = NULL;
    char buffer[PATH_MAX];
    const char *slash = strrchr(path, '/'), *part;
    ssize_t n;

    n = read_link(dir_fd, path, buffer);
    if (n < 0)
        return (int) n;
    if (buffer[0] == '/')
        return -EINVAL;

    target = g_string_new_len(path, slash ? slash - path : 0);
    for (part = buffer; *part != '\0';) {
        size_t length = strcspn(part, "/");

        if (length == 2 && strncmp(part, "..", 2) == 0) {
            const char *last = strrchr(target->str, '/');

            if (target->len == 0)
                return -EINVAL;
            g_string_truncate(target, last ? (gsize) (last - target->str) : 0);
        } else if (length > 0 && !(length == 1 && part[0] == '.')) {
            if (target->len > 0)
                g_string_append_c(target, '/');
            g_string_append_len(target, part, (gssize) length);
        }
        part += length + (part[length] == '/');
    }
    *ret = g_string_free(g_steal_pointer(&target), FALSE);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Without opendir(3), which asks the kernel three things more about a folder than we want to know. */
static int read_names(int fd, GPtrArray *names)
{
    alignas(struct dirent64) char buffer[32768];
    ssize_t size;

    while ((size = getdents64(fd, buffer, sizeof(buffer))) > 0)
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *) (buffer + at);

            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                g_ptr_array_add(names, g_strdup(entry->d_name));
            at += entry->d_reclen;
        }
    return size < 0 ? -errno : 0;
}

int sysfs_list(int dir_fd, const char *path, char ***ret)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    _cleanup_close_ int fd = sysfs_open_dir(dir_fd, path);
    int r;

    if (fd < 0)
        return fd;
    r = read_names(fd, names);
    if (r < 0)
        return r;
    if (names->len > 1)
        qsort(names->pdata, names->len, sizeof(char *), compare_names);
    g_ptr_array_add(names, NULL);
    *ret = (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
    return 0;
}

int sysfs_inode(int dir_fd, const char *path, uint64_t *ret)
{
    struct stat st;

    if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *ret = st.st_ino;
    return 0;
}
