/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "domain-type.h"
#include "facts.h"

/*
 * The files below /run/iommu-policy: intent records of changes (change/KEY), their locks (change/KEY.lock)
 * and the calls that outrank rules (call/KEY). KEY is the first member, "pci:0000:00:04.0". Private data,
 * but text, so that a person can read them after a crash. Format in docs/records.md. The readers are strict:
 * anything unexpected is -EBADMSG with a text, and changes nothing.
 */

typedef struct RecordMember {
    char *bus, *name;
    uint64_t inode;
    uint32_t vendor, device, class_code; /* FACT_NO_ID: none */
    char *driver;           /* NULL: was not bound */
    bool unbinds;           /* this change unbinds it */
    char *driver_override;  /* NULL: unset; meaningful if has_driver_override */
    bool has_driver_override;
} RecordMember;

/* An empty list that owns its members, and a new one in it. */
GPtrArray *record_members_new(void);
RecordMember *record_members_add(GPtrArray *members);

/* No group has this number (the kernel's are positive int). */
#define RECORD_NO_GROUP UINT_MAX

typedef struct Record {
    char *boot_id;
    char *origin;           /* "rule:file:line" or "call:uid=1000" */
    bool lent;              /* no change: a device that has no group is lent to pci-stub, see stub-probe.h;
                             * there is no OLD_TYPE then */
    unsigned group;         /* RECORD_NO_GROUP if LENT */
    DomainType old_type, wanted_type;
    GPtrArray *members;     /* RecordMember, in unbind order */
} Record;

Record *record_new(void);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
RecordMember *record_add_member(Record *record);

/* The text of RECORD; the caller frees it. */
char *record_to_text(const Record *record);

/* Parses TEXT of SIZE bytes. Returns 0; -EBADMSG with *ret_error (caller frees) saying line and cause. */
int record_from_text(const char *text, size_t size, Record **ret, char **ret_error);

/* Reads the boot id of the running kernel below ROOT_FD. */
int record_boot_id(int root_fd, char **ret);

/*
 * The key of a member: "pci:0000:00:04.0", with every byte outside [A-Za-z0-9:._-] as \xNN, and the dot of a
 * name that ends in ".lock". The caller frees it.
 */
char *record_key(const char *bus, const char *name);

/* The largest record, in bytes. */
#define RECORD_SIZE_MAX (64u * 1024u)

/* True for what record_key() can make. */
bool record_key_is_valid(const char *key);

/* Removes KEY from FOLDER, one of those below run/iommu-policy; none is no error. -EINVAL: KEY is none;
 * -errno. */
int record_remove_file(int root_fd, const char *folder, const char *key);

/* Lists the keys in FOLDER, sorted; the caller frees. Absent: empty list. */
int record_list_keys(int root_fd, const char *folder, char ***ret_keys);

/*
 * The key of group ID's lock and records: record_key() of the first of group_list_members(). Does not block.
 * -ENOENT: no such group; -ENODATA: it has no member; -ENODEV: the member vanished meanwhile.
 */
int record_group_key(int root_fd, unsigned id, char **ret);

/*
 * Writes change/KEY: temporary file, fsync-less (tmpfs), rename. KEY is of the first member in sorted order.
 * The directory is created if missing (0700). The caller holds the lock of KEY. -EINVAL if RECORD could not
 * be read back (a name with a slash, more than 64 KiB, ...): nothing is written then.
 */
int record_write(int root_fd, const char *key, const Record *record);

/*
 * Loads change/KEY. -ENOENT: none; -EBADMSG with *ret_error as above. The file must be regular, owned by us,
 * at most 64 KiB.
 */
int record_load(int root_fd, const char *key, Record **ret, char **ret_error);

/* Removes change/KEY; -ENOENT is no error. */
int record_remove(int root_fd, const char *key);

/* Removes what writers have left that were killed before their record was whole: it says nothing, and its
 * change had touched nothing. What belongs to a change that runs, known by its lock, stays. Does not block.
 */
void record_discard_unfinished(int root_fd);

/*
 * Lists the KEYs with a record, sorted; temporary files and locks are left out. Absent directory: empty
 * list.
 */
int record_list(int root_fd, char ***ret_keys);

/*
 * Takes change/KEY.lock with flock(LOCK_EX), created 0600 if missing and never removed. Returns the fd that
 * holds it (close it to release); -EWOULDBLOCK with WAIT false if somebody else holds it. With WAIT it
 * blocks: worker processes only.
 */
int record_lock(int root_fd, const char *key, bool wait);

/*
 * Whether somebody holds change/KEY.lock: 1 or 0 (also if the file does not exist: it is not made), -errno
 * otherwise. Does not block.
 */
int record_is_locked(int root_fd, const char *key);

/*
 * What the holder of the lock LOCK_FD does now, for whoever finds it held: STEP, for people, and until when
 * that may take (UNTIL_USEC of CLOCK_MONOTONIC, 0: no limit of its own). The first line of the lock's file;
 * it says nothing when nobody holds the lock. A note that cannot be written is nobody's harm.
 */
void record_lock_note(int lock_fd, const char *step, uint64_t until_usec);

/* Reads it. Returns 0 with *ret_step (caller frees); -ENOENT: no such lock; -ENODATA: no note, or none
 * that can be understood; -errno. Does not block. */
int record_lock_read(int root_fd, const char *key, char **ret_step, uint64_t *ret_until_usec);

/* Whether any group has ever been changed since boot: if not, no group's key need be found out. Does not
 * block. */
bool record_any_locks(int root_fd);

/* Whether the lock of group ID is held: a change that is under way holds the group's mutex for as long as it
 * likes, and reading `type` then waits. False also if that cannot be told. Does not block. */
bool record_group_is_locked(int root_fd, unsigned id);

/* Opens change/KEY.lock (O_PATH), to be told of notes by inotify(7). Returns the descriptor or -errno. */
int record_lock_open(int root_fd, const char *key);

/* What a call asked for, call/KEY. */
typedef struct CallRecord {
    char *boot_id;
    char *origin;           /* "call:uid=1000" */
    DomainType type;
    char *reason;           /* or NULL */
    GPtrArray *members;     /* RecordMember: bus, name, inode only */
} CallRecord;

CallRecord *call_record_new(void);
void call_record_free(CallRecord *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallRecord, call_record_free)
RecordMember *call_record_add_member(CallRecord *call);
char *call_record_to_text(const CallRecord *call);
int call_record_from_text(const char *text, size_t size, CallRecord **ret, char **ret_error);
int call_record_write(int root_fd, const char *key, const CallRecord *call);
int call_record_load(int root_fd, const char *key, CallRecord **ret, char **ret_error);
int call_record_remove(int root_fd, const char *key);
int call_record_list(int root_fd, char ***ret_keys);
