/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The disks and network interfaces below a device, as far as a change needs them: to see that a rebound
 * device works again, and to tell afterwards what came back under another name.
 */
typedef struct Child {
    char *name;  /* "nvme0n1", "eth0" */
    bool net;    /* a network interface; else a whole disk */
    bool up;     /* of an interface: IFF_UP */
    char *identity; /* what it has whatever its name is, or NULL: children_identify() */
} Child;

void child_free(Child *child);

/*
 * Reads sys/class/block and sys/class/net for what lies below SYSPATH; partitions are left out. Network
 * interfaces are those of our own network namespace (the kernel shows no others). Sorted by name. Returns 0
 * with *ret; -errno.
 */
int children_read(int root_fd, const char *syspath, GPtrArray **ret);

/* Reads what tells each of CHILDREN from the others whatever its name is: an interface's address and port, a
 * disk's world wide identifier. What has none, or is gone, has none. */
void children_identify(int root_fd, GPtrArray *children);

/* True if NOW has at least as many disks and as many interfaces as BEFORE. */
bool children_are_back(const GPtrArray *before, const GPtrArray *now);

/* True if every interface of BEFORE is there under its name. */
bool children_have_names(const GPtrArray *before, const GPtrArray *now);

/* True if there is a disk (or, with NET, an interface). */
bool children_have(const GPtrArray *children, bool net);

/*
 * Which of NOW each of BEFORE is: by identity; by name, where one of the two has none (or is an interface, whose
 * address may have been set); and what then is left over of both, of the same kind, in its order. Returns an
 * array as long as BEFORE of borrowed Child, with NULL for what is missing; the caller frees it.
 */
GPtrArray *children_match(const GPtrArray *before, const GPtrArray *now);

/* Appends a sentence (char *) to NOTES for each of BEFORE that is missing in MATCHES, has another name, or was up
 * and is down. */
void children_compare(const GPtrArray *before, const GPtrArray *matches, GPtrArray *notes);
