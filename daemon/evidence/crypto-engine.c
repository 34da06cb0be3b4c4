/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "crypto-engine.h"

#define IDLE_COUNT 1

/* One paragraph of /proc/crypto (crypto/proc.c, c_show()). */
typedef struct Algorithm {
    char *driver, *module;
    unsigned long count;
} Algorithm;

static void algorithm_clear(Algorithm *algorithm)
{
    g_clear_pointer(&algorithm->driver, g_free);
    g_clear_pointer(&algorithm->module, g_free);
    algorithm->count = 0;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Algorithm, algorithm_clear)

static bool is_held_by(int root_fd, const char *module, const char *holder)
{
    g_autofree char *path = g_strdup_printf("sys/module/%s/holders/%s", module, holder);

    return faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void take_line(Algorithm *algorithm, const char *line)
{
    const char *colon = strchr(line, ':');
    g_autofree char *value = colon ? g_strstrip(g_strdup(colon + 1)) : NULL;

    if (!value)
        return;
    if (g_str_has_prefix(line, "driver "))
        algorithm->driver = g_steal_pointer(&value);
    else if (g_str_has_prefix(line, "module "))
        algorithm->module = g_steal_pointer(&value);
    else if (g_str_has_prefix(line, "refcnt "))
        algorithm->count = strtoul(value, NULL, 10);
}

static void judge(int root_fd, const Algorithm *algorithm, char **modules, GPtrArray *list)
{
    if (!algorithm->driver || !algorithm->module || algorithm->count <= IDLE_COUNT)
        return;
    for (; *modules; modules++)
        if (strcmp(algorithm->module, *modules) == 0 || is_held_by(root_fd, algorithm->module, *modules) ||
            is_held_by(root_fd, *modules, algorithm->module)) {
            g_ptr_array_add(list, g_strdup(algorithm->driver));
            return;
        }
}

static int read_algorithms(int root_fd, FILE *file, char **modules, GPtrArray *list)
{
    g_auto(Algorithm) algorithm = {};
    g_autofree char *line = NULL;
    size_t size = 0;

    errno = 0;
    while (getline(&line, &size, file) >= 0) {
        if (g_str_has_prefix(line, "name ")) {
            judge(root_fd, &algorithm, modules, list);
            algorithm_clear(&algorithm);
        }
        take_line(&algorithm, line);
    }
    judge(root_fd, &algorithm, modules, list);
    return ferror(file) ? (errno > 0 ? -errno : -EIO) : 0;
}

int crypto_engine_algorithms_in_use(int root_fd, char **modules, GPtrArray **ret)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    _cleanup_close_ int fd = -EBADF;
    g_autoptr(FILE) file = NULL;
    int r;

    fd = openat(root_fd, "proc/crypto", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno != ENOENT) /* a kernel without it has no engines */
        return -errno;
    if (fd >= 0) {
        file = fdopen(fd, "re");
        if (!file)
            return -errno;
        TAKE_FD(fd);
        r = read_algorithms(root_fd, file, modules, list);
        if (r < 0)
            return r;
    }
    *ret = g_steal_pointer(&list);
    return 0;
}
