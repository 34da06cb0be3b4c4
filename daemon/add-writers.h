/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "early-note.h"
#include "host.h"
#include "rule-set.h"

/*
 * A few resident processes that stand ready for devices that are added: between the kernel's event and the
 * driver's probe there are milliseconds, and then neither the loop may be busy nor a process be forked that
 * has the memory of the whole daemon to copy. All of them wait in the same socket for the next event, which
 * wakes one of them; it reads, decides and writes as the early pass does for a group (early-pass.h), and
 * reports. One whose write blocks keeps nobody: the others take what comes next. They hold the rules as
 * these were when they were started, and end with the daemon.
 */
typedef struct AddWriters AddWriters;

/* What a writer did for an added device. */
typedef struct AddedDevice {
    const char *syspath;   /* "sys/devices/..." */
    uint64_t inode;
    bool bound;            /* it had a driver when it was looked at */
    const EarlyGroup *group; /* without members; from, wanted, type and wanted_by are known */
    uint64_t usec;         /* from the event, as a writer received it, until the type was read back */
} AddedDevice;

/* A write was tried; what is given is borrowed. */
typedef void (*AddWritersCallback)(const AddedDevice *added, void *userdata);

/* Nobody writes before add_writers_set(). The caller frees it. */
AddWriters *add_writers_new(sd_event *event, int root_fd, AddWritersCallback callback, void *userdata);

/*
 * Has the writers act for RULES on HOST from now on, but in no group of INHIBITED (array of unsigned, taken
 * over). RULES and HOST are borrowed until the next call. Those there are end at once, and what they had
 * begun is not reported. Without a rule, or with RULES NULL, there are none.
 */
void add_writers_set(AddWriters *writers, const RuleSet *rules, const Host *host, GArray *inhibited);

/* Accepts NULL; returns NULL. */
AddWriters *add_writers_free(AddWriters *writers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddWriters, add_writers_free)
