/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as an intent record and as the record of a call. What is accepted must be written as something
 * that is accepted again, and as the same then. */
#include <string.h>

#include "fuzz.h"
#include "record.h"

/* What recovery makes paths of. */
static void check_members(const GPtrArray *members)
{
    g_assert_cmpuint(members->len, >, 0);
    for (unsigned i = 0; i < members->len; i++) {
        const RecordMember *member = members->pdata[i];
        g_autofree char *key = record_key(member->bus, member->name);

        g_assert_true(*member->bus && *member->bus != '.' && !strchr(member->bus, '/'));
        g_assert_true(*member->name && *member->name != '.' && !strchr(member->name, '/'));
        g_assert_true(!member->driver || (*member->driver && *member->driver != '.'));
        g_assert_true(!member->driver || !strchr(member->driver, '/'));
        g_assert_true(*key != '.' && !strchr(key, '/') && !g_str_has_suffix(key, ".lock"));
    }
}

static void check_change(const char *text, size_t size)
{
    g_autoptr(Record) record = NULL, again = NULL;
    g_autofree char *error = NULL, *first = NULL, *second = NULL;

    if (record_from_text(text, size, &record, &error) < 0) {
        g_assert_true(error && !record);
        check_shown(error);
        return;
    }
    check_members(record->members);
    first = record_to_text(record);
    g_assert_cmpint(record_from_text(first, strlen(first), &again, &error), ==, 0);
    second = record_to_text(again);
    g_assert_cmpstr(first, ==, second);
}

static void check_call(const char *text, size_t size)
{
    g_autoptr(CallRecord) call = NULL, again = NULL;
    g_autofree char *error = NULL, *first = NULL, *second = NULL;

    if (call_record_from_text(text, size, &call, &error) < 0) {
        g_assert_true(error && !call);
        check_shown(error);
        return;
    }
    check_members(call->members);
    first = call_record_to_text(call);
    g_assert_cmpint(call_record_from_text(first, strlen(first), &again, &error), ==, 0);
    second = call_record_to_text(again);
    g_assert_cmpstr(first, ==, second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_change((const char *) data, size);
    check_call((const char *) data, size);
    return 0;
}
