/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "domain-type.h"
#include "record.h"

/*
 * What a pass before the drivers bind has left below run/iommu-policy/early, one file for each stage, for
 * the daemon and for people. Format in docs/records.md; the reader is strict, as those of the records are.
 */

typedef enum EarlyStage {
    EARLY_INITRAMFS,
    EARLY_HOST,
    _EARLY_STAGE_MAX,
    _EARLY_STAGE_INVALID = -EINVAL,
} EarlyStage;

/* Returns "initramfs" or "host": the stage, and the name of its file. */
const char *early_stage_to_string(EarlyStage stage);

typedef enum EarlyOutcome {
    EARLY_SET,     /* the type was written and read back */
    EARLY_ALREADY, /* the wanted type was there */
    EARLY_BOUND,   /* a driver was there first: the daemon's affair */
    EARLY_REFUSED, /* the rules, a call or a change under way stand against it: text says it */
    EARLY_FAILED,  /* the kernel refused, or reads back something else: text says it */
    _EARLY_OUTCOME_MAX,
    _EARLY_OUTCOME_INVALID = -EINVAL,
} EarlyOutcome;

/* Returns "set", "already", "bound", "refused" or "failed". */
const char *early_outcome_to_string(EarlyOutcome outcome);

/* A group for which a rule wants something. */
typedef struct EarlyGroup {
    unsigned id;
    EarlyOutcome outcome;
    DomainType from;    /* as found; _DOMAIN_TYPE_INVALID: was not read */
    DomainType wanted;
    DomainType type;    /* as read at the end; _DOMAIN_TYPE_INVALID: was not read */
    char *wanted_by;    /* "file:line", or "kernel" */
    char *text;         /* for people, "" if there is nothing to say */
    GPtrArray *members; /* RecordMember: bus, name, inode only */
} EarlyGroup;

typedef struct EarlyNote {
    char *boot_id;
    char *digest;       /* rule_set_digest() of what it read; "" if the rules could not be read at all */
    bool frozen;
    char *disabled;     /* why it did nothing at all, or NULL */
    uint64_t begin_usec, end_usec; /* CLOCK_MONOTONIC */
    unsigned errors;    /* in rule files; their diagnostics went to stderr */
    GArray *unbound;    /* uint64_t: inodes of the members that the pass has seen without a driver, or with
                         * one that manages DMA itself; what is not here was bound before, or not there
                         * yet */
    GPtrArray *groups;  /* EarlyGroup, by number */
} EarlyNote;

/* A note without groups, its texts NULL. */
EarlyNote *early_note_new(void);
void early_note_free(EarlyNote *note);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EarlyNote, early_note_free)

/* Appends a group with neither types nor texts nor members, which NOTE owns. */
EarlyGroup *early_note_add_group(EarlyNote *note, unsigned id);

/* The text of NOTE; the caller frees it. */
char *early_note_to_text(const EarlyNote *note);

/* Parses TEXT of SIZE bytes. Returns 0; -EBADMSG with *ret_error (caller frees) saying line and cause. */
int early_note_from_text(const char *text, size_t size, EarlyNote **ret, char **ret_error);

/* Writes the note of STAGE, making its folder: 0; -EINVAL if it could not be read again (a group without
 * members, a text too long); -errno, such as -ENOENT without /run. */
int early_note_write(int root_fd, EarlyStage stage, const EarlyNote *note);

/* Reads it: 0; -ENOENT: none; -EBADMSG with *ret_error (caller frees): not one of ours; -errno. Its boot id
 * is not judged. */
int early_note_load(int root_fd, EarlyStage stage, EarlyNote **ret, char **ret_error);

/* What NOTE says of the group that has these N_DEVICES members, all of them and no other, by bus, name and
 * inode: numbers are used again. NULL: nothing. Borrowed from NOTE. */
const EarlyGroup *early_note_find(const EarlyNote *note, const Device *const *devices, size_t n_devices);
