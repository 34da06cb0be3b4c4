/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * The drop-in files of several directories below a root: a name in an earlier directory hides the same name
 * in later ones, a link to /dev/null hides it without putting anything in its place, and what is left is in
 * the order of the names, whatever directory it comes from (as in systemd, src/basic/conf-files.c).
 *
 * Files are opened once, without blocking, and judged by what was opened: a regular file of root that
 * neither group nor others may write, in a directory of which the same is true. "root" is user 0, and
 * whoever owns the root directory itself: he can replace everything below it anyway.
 */

#define CONF_FILES_MAX 4096
#define CONF_FILE_MAX_SIZE (64 * 1024)

typedef struct ConfFile {
    char *path;      /* "/etc/iommu-policy.d/30-x.conf" */
    GBytes *content; /* not empty, and no more than CONF_FILE_MAX_SIZE bytes */
} ConfFile;

void conf_file_free(ConfFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfFile, conf_file_free)

/* The part of the path after the last slash: what hides and what sorts. */
const char *conf_file_name(const ConfFile *file);

/*
 * Reads the *.conf files of DIRECTORIES (without leading slash, NULL-terminated, the first one wins). A
 * directory that does not exist is empty. What is refused is added to DIAGNOSTICS and left out of *ret,
 * sorted array of ConfFile, which the caller frees; a refused file hides its name, but what stands in a
 * refused directory, where others can put files, hides nothing.
 *
 * Returns 0, or the -errno of a directory that exists and cannot be read.
 */
int conf_files_read(int root_fd, const char *const *directories, GPtrArray *diagnostics, GPtrArray **ret);

/*
 * Reads one file that somebody named: PATH below ROOT_FD if it starts with a slash, else below the working
 * directory. Neither owner nor mode are judged. Returns NULL if it is refused, with the reason in
 * DIAGNOSTICS.
 */
ConfFile *conf_file_read_named(int root_fd, const char *path, GPtrArray *diagnostics);

/*
 * Returns a text that differs as soon as any name, inode, owner, mode, size or time of what
 * conf_files_read() would look at does. No file is opened for reading. The caller frees it; NULL if a
 * directory cannot be read.
 */
char *conf_files_fingerprint(int root_fd, const char *const *directories);
