/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "findings.h"
#include "tree.h"

/* What a machine in use looks like in /proc, /sys and /run/udev, on top of a Tree: for the tests of
 * findings. */

/* A tree in which process 1 has no file open and a tmpfs as root, nothing swaps, and no device exists. */
Tree *scene_new(void);

/* Adds process PID named COMMAND, in the mount namespace NS (a number) with the root directory ROOT; it has
 * no descriptor and no mount yet. */
void scene_add_process(Tree *tree, int pid, const char *command, unsigned ns, const char *root);

/* Puts process PID into the network namespace NS (a number). */
void scene_network_namespace(Tree *tree, int pid, unsigned ns);

/* Gives process PID the descriptor FD; LINK is its link's text: "/dev/vfio/7". */
void scene_open(Tree *tree, int pid, int fd, const char *link);

/* The same with a node of the character device MA:MI, which is made; takes CAP_MKNOD. */
void scene_open_node(Tree *tree, int pid, int fd, unsigned ma, unsigned mi);

/* Appends a line "36 25 NUMBER / TARGET rw - TYPE SOURCE rw" to the mounts of process PID. */
void scene_mount(Tree *tree, int pid, const char *number, const char *target, const char *type,
                 const char *source);

/*
 * Adds a device of SUBSYSTEM at PATH ("sys/devices/.../nvme0") with its node NUMBER ("259:0"; NULL: none).
 * One of "block" gets holders, its place in sys/class/block and an entry in udev's database; it is a
 * partition if its parent is a block device.
 */
void scene_add_child(Tree *tree, const char *path, const char *subsystem, const char *number);

/* Adds a device NAME of SUBSYSTEM without a node below PARENT, bound to DRIVER (NULL: to none). */
void scene_add_bound(Tree *tree, const char *parent, const char *name, const char *subsystem,
                     const char *driver);

/* Binds the device of bus SUBSYSTEM at PATH to DRIVER. */
void scene_bind(Tree *tree, const char *path, const char *subsystem, const char *driver);

/* Adds LOWER's holder UPPER, both names in sys/class/block. */
void scene_hold(Tree *tree, const char *lower, const char *upper);

/* Adds a line "E:TEXT" to udev's entry of the block device NUMBER. */
void scene_udev(Tree *tree, const char *number, const char *text);

/* Adds an NVMe drive at 0000:00:04.0 in group 7: nvme0 (240:0), nvme0n1 (259:0), nvme0n1p1 (259:1). Returns
 * its SYSPATH; the caller frees it. */
char *scene_add_nvme(Tree *tree);

/* Fails the test unless the findings of SYSPATH are IDS, separated by blanks, in their order. Returns them.
 */
GPtrArray *scene_expect(Tree *tree, const char *syspath, FindingsScope scope, const char *ids);

/* The same for tests that ask no more of them. */
void scene_expect_ids(Tree *tree, const char *syspath, FindingsScope scope, const char *ids);

/* The one of FINDINGS with ID; fails the test if there is none. */
const Finding *scene_find(const GPtrArray *findings, const char *id);
