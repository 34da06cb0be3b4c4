/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted must be written as something that is accepted again, and as the same then. */
static void check_change(const char *text, size_t size)
{
    g_autoptr(Record) record = NULL, again = NULL;
    g_autofree char *error = NULL, *first = NULL, *second = NULL;

    if (record_from_text(text, size, &record, &error) < 0) {
        if (!error || record)
            abort();
        return;
    }
    first = record_to_text(record);
    if (record_from_text(first, strlen(first), &again, &error) < 0)
        abort();
    second = record_to_text(again);
    if (strcmp(first, second) != 0)
        abort();
}

static void check_call(const char *text, size_t size)
{
    g_autoptr(CallRecord) call = NULL, again = NULL;
    g_autofree char *error = NULL, *first = NULL, *second = NULL;

    if (call_record_from_text(text, size, &call, &error) < 0) {
        if (!error || call)
            abort();
        return;
    }
    first = call_record_to_text(call);
    if (call_record_from_text(first, strlen(first), &again, &error) < 0)
        abort();
    second = call_record_to_text(again);
    if (strcmp(first, second) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_change((const char *) data, size);
    check_call((const char *) data, size);
    return 0;
}
