/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>

/*
 * The files below run/iommu-policy: made by us alone, whole or not at all, and believed only where nobody
 * else can have written them. FOLDER is a folder in run/iommu-policy, NAME a file in it; neither is checked
 * here.
 */

/*
 * Opens FOLDER/NAME with FLAGS, making the file (0600); where the folder is missing, makes it (0700) and
 * opens again. Returns the descriptor or -errno.
 */
int record_file_open(int root_fd, const char *folder, const char *name, int flags);

/*
 * Puts TEXT at FOLDER/NAME: temporary file, fsync-less (tmpfs), rename. The name of the temporary file is
 * known (".NAME"), and what a killed writer left is overwritten by the next: the caller sees to it that
 * there is one writer at a time. Returns 0 or -errno.
 */
int record_file_write(int root_fd, const char *folder, const char *name, const char *text);

/*
 * Reads FOLDER/NAME if it is what we write: regular, owned by us, written by nobody else, at most SIZE_MAX
 * bytes. Returns 0 with *ret, which the caller frees; -EBADMSG with *ret_error (caller frees) if it is
 * something else; -errno of open or read, -ENOENT: none.
 */
int record_file_load(int root_fd, const char *folder, const char *name, size_t size_max, char **ret,
                     size_t *ret_size, char **ret_error);
