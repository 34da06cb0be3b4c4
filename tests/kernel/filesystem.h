/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine.h"

/* The tree as a FUSE file system. Nothing is cached, so that each operation of a caller is seen. */
typedef struct Filesystem Filesystem;

/* Mounts at MOUNT_POINT and serves from MACHINE's loop, which ends when the mount goes away. 0 or -EIO
 * (libfuse says why on stderr). */
int filesystem_new(Machine *machine, const char *mount_point, Filesystem **ret);
Filesystem *filesystem_free(Filesystem *filesystem);
