/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as the record of a hold of virtual functions. What is accepted must be written as something
 * that is accepted again, and as the same then. */
#include <string.h>

#include "autoprobe-record.h"
#include "fuzz.h"

/* What recovery makes paths of. */
static void check_members(const GPtrArray *members)
{
    g_assert_cmpuint(members->len, >, 0);
    for (unsigned i = 0; i < members->len; i++) {
        const RecordMember *member = members->pdata[i];

        g_assert_true(*member->bus && *member->bus != '.' && !strchr(member->bus, '/'));
        g_assert_true(*member->name && *member->name != '.' && !strchr(member->name, '/'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(AutoprobeRecord) record = NULL, again = NULL;
    g_autofree char *error = NULL, *first = NULL, *second = NULL;

    if (autoprobe_record_from_text((const char *) data, size, &record, &error) < 0) {
        g_assert_true(error && !record);
        check_shown(error);
        return 0;
    }
    check_members(record->members);
    first = autoprobe_record_to_text(record);
    g_assert_cmpint(autoprobe_record_from_text(first, strlen(first), &again, &error), ==, 0);
    second = autoprobe_record_to_text(again);
    g_assert_cmpstr(first, ==, second);
    return 0;
}
