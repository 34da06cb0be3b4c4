/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain-type.h"
#include "record.h"

/*
 * The form of what stands below /run/iommu-policy, see docs/records.md: "key=value" lines in one fixed
 * order, the last line is "end". A reader walks that order and accepts nothing else: recovery acts on what
 * it says with all privileges.
 *
 * Each form_take_...() demands KEY in the line in hand, hands out its value and takes the next line in
 * hand. They return 0; -EBADMSG with reader->error set.
 */

/* The longest text of a value, in bytes. */
#define FORM_VALUE_MAX 4096u

/* Appends "KEY=VALUE", with what would break a line, or is no UTF-8, as \xNN. */
void form_append_string(GString *text, const char *key, const char *value);

void form_append_number(GString *text, const char *key, uint64_t number);

/* Appends nothing for FACT_NO_ID. */
void form_append_id(GString *text, const char *key, uint32_t id);

/* Bus, name and inode. */
void form_append_identity(GString *text, const RecordMember *member);

typedef struct FormReader {
    const char *next, *end; /* what is left of the text */
    unsigned line;          /* number of the line in hand, from 1 */
    char *text;             /* the line in hand without newline; NULL: none left */
    char *error;
} FormReader;

/* A reader of the SIZE bytes at TEXT, which may be NULL if there are none; borrowed. No line is in hand. */
FormReader form_reader_of(const char *text, size_t size);
void form_reader_clear(FormReader *reader);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FormReader, form_reader_clear)

/* Takes the next line in hand. */
int form_advance(FormReader *reader);

/* The value of the line in hand, as it is written, if its key is KEY; else NULL. */
const char *form_peek(const FormReader *reader, const char *key);

/* Notes an error. Returns -EBADMSG. */
int form_fail(FormReader *reader, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The whole line, as the first and the last. */
int form_take_literal(FormReader *reader, const char *line);

/* A text of MIN to MAX bytes; what *RET held is freed. */
int form_take_string(FormReader *reader, const char *key, size_t min, size_t max, char **ret);

/* The name of a folder in sysfs: what later becomes a part of a path. */
int form_take_name(FormReader *reader, const char *key, char **ret);

/* A number up to MAX; with BASE 16 it starts with "0x". */
int form_take_number(FormReader *reader, const char *key, unsigned base, uint64_t max, uint64_t *ret);

/* An id that may be left out: *RET is then left as it is. */
int form_take_id(FormReader *reader, const char *key, uint64_t max, uint32_t *ret);

/* A type up to MAX in the order of the enum. */
int form_take_type(FormReader *reader, const char *key, DomainType max, DomainType *ret);

/* "yes" or "no". */
int form_take_flag(FormReader *reader, const char *key, bool *ret);

int form_take_boot_id(FormReader *reader, char **ret);

/* Bus, name and inode of MEMBER, which is in MEMBERS already and may not be there twice. */
int form_take_identity(FormReader *reader, const GPtrArray *members, RecordMember *member);

/* Ends a reading: R of the parts, and that nothing follows. Returns 0; -EBADMSG with *ret_error (caller
 * frees) saying line and cause. */
int form_finish(FormReader *reader, int r, char **ret_error);
