/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "tree.h"

/* What the parts of the fake kernel share: one machine, served by one thread. */
typedef struct Machine {
    Tree *tree;
    sd_event *event;
    struct Faults *faults;
    GHashTable *buses;          /* name -> Bus */
    GHashTable *groups;         /* id -> Group */
    GHashTable *devices;        /* name -> Device, those that are plugged in */
    GPtrArray *unplugged;       /* descriptions (char **) of devices that a rescan finds again */
    GPtrArray *probe_faults;    /* ProbeFault, kept over unplug and plug */
    struct Iommu *iommu;        /* the one that serves new devices */
    bool exact;                 /* 6.4 and later; else 5.15 to 6.3 */
    const char *boot_default;   /* a word of fake-group.h */
    unsigned async_ms;
    unsigned disk_sequence;     /* DISKSEQ of the last block device */
    int event_fd;               /* netlink socket for kernel events, or -EBADF */
} Machine;

/* Makes the machine: the fixed folders of sysfs and the buses pci and platform. */
Machine *machine_new(sd_event *event);
Machine *machine_free(Machine *machine);

/* WORDS are those of a command. The value of KEY=VALUE among them, or NULL; whether the bare word is there.
 * */
const char *words_value(char *const *words, const char *key);
bool words_have(char *const *words, const char *word);

/* An errno name ("EBUSY") as a positive number; 0 if it is none. And back: "EBUSY", or "0". */
int errno_from_name(const char *name);
const char *errno_to_name(int error);
