/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as the note of an early pass. What is accepted must be written as something that is accepted
 * again, and as the same then. */
#include <string.h>

#include "early-note.h"
#include "fuzz.h"

static void check_group(const EarlyGroup *group)
{
    g_assert_nonnull(early_outcome_to_string(group->outcome));
    g_assert_nonnull(domain_type_to_string(group->wanted));
    g_assert_true(group->wanted_by && group->text);
    g_assert_cmpuint(group->members->len, >, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(EarlyNote) note = NULL, again = NULL;
    g_autofree char *error = NULL, *first = NULL, *second = NULL;

    if (early_note_from_text((const char *) data, size, &note, &error) < 0) {
        g_assert_true(error && !note);
        check_shown(error);
        return 0;
    }
    for (guint i = 0; i < note->groups->len; i++)
        check_group(note->groups->pdata[i]);
    first = early_note_to_text(note);
    g_assert_cmpint(early_note_from_text(first, strlen(first), &again, &error), ==, 0);
    second = early_note_to_text(again);
    g_assert_cmpstr(first, ==, second);
    return 0;
}
