/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "record.h"

/*
 * That drivers are kept from the virtual functions of a physical function, autoprobe/KEY: who finds it
 * puts back what the administrator had set. It exists only where that was 1. KEY is that of the physical
 * function. Format in docs/records.md.
 */
typedef struct AutoprobeRecord {
    char *boot_id;
    GPtrArray *members; /* RecordMember, of which bus, name and inode: first the physical function, then the
                         * virtual functions that were there before */
} AutoprobeRecord;

AutoprobeRecord *autoprobe_record_new(void);
void autoprobe_record_free(AutoprobeRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AutoprobeRecord, autoprobe_record_free)
void autoprobe_record_add(AutoprobeRecord *record, const char *bus, const char *name, uint64_t inode);

/* Whether the virtual function NAME with INODE was there before. */
bool autoprobe_record_knows(const AutoprobeRecord *record, const char *name, uint64_t inode);

/* As those of record.h. */
char *autoprobe_record_to_text(const AutoprobeRecord *record);
int autoprobe_record_from_text(const char *text, size_t size, AutoprobeRecord **ret, char **ret_error);
int autoprobe_record_write(int root_fd, const char *key, const AutoprobeRecord *record);
int autoprobe_record_load(int root_fd, const char *key, AutoprobeRecord **ret, char **ret_error);
int autoprobe_record_remove(int root_fd, const char *key);
int autoprobe_record_list(int root_fd, char ***ret_keys);
