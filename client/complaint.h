/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "refusal.h"

/* What `iommuctl doctor` can say, each with a word that programs may rely on, and why it matters: one
 * table. */
typedef enum ComplaintKind {
    COMPLAINT_IOMMU_OFF,
    COMPLAINT_IOMMU_NOT_OFFERED,
    COMPLAINT_IOMMU_NOT_USED,
    COMPLAINT_WORD_IGNORED,
    COMPLAINT_PASSTHROUGH_DEFAULT,
    COMPLAINT_PASSTHROUGH_OVERRULED, /* the same, and no group is in identity: a note */
    COMPLAINT_EXTERNAL_IDENTITY,
    COMPLAINT_DISABLED,
    COMPLAINT_RULE_REFUSED,
    COMPLAINT_NAME_ABSENT,
    COMPLAINT_ID_ABSENT, /* a note */
    COMPLAINT_NO_DAEMON,
    COMPLAINT_NOT_ENABLED,
    COMPLAINT_MISSING_CAPABILITY,
    COMPLAINT_READ_ONLY,
    COMPLAINT_FROZEN,
    COMPLAINT_RULES_CHANGED,
    COMPLAINT_INITRAMFS_STALE,
    COMPLAINT_GROUP_STATE,
    COMPLAINT_CONFLICT,
    COMPLAINT_FORBIDDEN_TYPE,
    COMPLAINT_UNTRANSLATED,
    COMPLAINT_NEXT_BOOT, /* a note */
    COMPLAINT_PENDING,   /* a note */
    _COMPLAINT_KIND_MAX,
} ComplaintKind;

/* Its word ("word-ignored"), why it matters, and whether it is a note: worth knowing, and nothing wrong. */
const char *complaint_word(ComplaintKind kind);
const char *complaint_why(ComplaintKind kind);
bool complaint_is_note(ComplaintKind kind);

/* A list of complaints; free with g_ptr_array_unref(). */
GPtrArray *complaints_new(void);

/* Adds one: ADVICE says what to do, FORMAT what is wrong. Both are copied. */
void complain(GPtrArray *complaints, ComplaintKind kind, const char *advice, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Prints the list on standard output, for people or as JSON. */
void complaints_print(const GPtrArray *complaints, bool json);

/* EXIT_CODE_FAILED if something is wrong, not counting notes. */
ExitCode complaints_exit_code(const GPtrArray *complaints);

/* The words of the list in order, "word-ignored frozen"; the caller frees it. */
char *complaints_words(const GPtrArray *complaints);
