/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>

#include "record-form.h"

#define CHANGE_HEADER "iommu-policy-change=1"
#define CALL_HEADER "iommu-policy-call=1"
#define LENT "lent-to=pci-stub"

char *record_to_text(const Record *record)
{
    GString *text = g_string_new(CHANGE_HEADER "\n");

    form_append_string(text, "boot-id", record->boot_id);
    form_append_string(text, "origin", record->origin);
    if (record->lent)
        g_string_append(text, LENT "\n");
    else
        g_string_append_printf(text, "group=%u\nold-type=%s\n", record->group,
                               domain_type_to_string(record->old_type));
    g_string_append_printf(text, "wanted-type=%s\n", domain_type_to_string(record->wanted_type));
    for (guint i = 0; i < record->members->len; i++) {
        const RecordMember *member = record->members->pdata[i];

        form_append_identity(text, member);
        form_append_id(text, "vendor", member->vendor);
        form_append_id(text, "device", member->device);
        form_append_id(text, "class", member->class_code);
        if (member->driver)
            form_append_string(text, "driver", member->driver);
        g_string_append_printf(text, "unbinds=%s\n", member->unbinds ? "yes" : "no");
        if (member->has_driver_override)
            form_append_string(text, "driver-override", member->driver_override ?: "");
    }
    g_string_append(text, "end\n");
    return g_string_free(text, FALSE);
}

char *call_record_to_text(const CallRecord *call)
{
    GString *text = g_string_new(CALL_HEADER "\n");

    form_append_string(text, "boot-id", call->boot_id);
    form_append_string(text, "origin", call->origin);
    g_string_append_printf(text, "type=%s\n", domain_type_to_string(call->type));
    if (call->reason)
        form_append_string(text, "reason", call->reason);
    for (guint i = 0; i < call->members->len; i++)
        form_append_identity(text, call->members->pdata[i]);
    g_string_append(text, "end\n");
    return g_string_free(text, FALSE);
}

static int take_unbinds(FormReader *reader, RecordMember *member)
{
    unsigned line = reader->line;
    int r = form_take_flag(reader, "unbinds", &member->unbinds);

    if (r >= 0 && member->unbinds && !member->driver) {
        reader->line = line;
        return form_fail(reader, "a member without driver cannot be unbound");
    }
    return r;
}

static int take_member(FormReader *reader, const GPtrArray *members, RecordMember *member)
{
    int r;

    if ((r = form_take_identity(reader, members, member)) < 0 ||
        (r = form_take_id(reader, "vendor", 0xffff, &member->vendor)) < 0 ||
        (r = form_take_id(reader, "device", 0xffff, &member->device)) < 0 ||
        (r = form_take_id(reader, "class", 0xffffff, &member->class_code)) < 0)
        return r;
    if (form_peek(reader, "driver") && (r = form_take_name(reader, "driver", &member->driver)) < 0)
        return r;
    if ((r = take_unbinds(reader, member)) < 0)
        return r;
    if (!form_peek(reader, "driver-override"))
        return 0;
    member->has_driver_override = true;
    r = form_take_string(reader, "driver-override", 0, FORM_VALUE_MAX, &member->driver_override);
    if (r >= 0 && *member->driver_override == '\0')
        g_clear_pointer(&member->driver_override, g_free);
    return r;
}

/* What is changed, or that nothing is. */
static int take_purpose(FormReader *reader, Record *record)
{
    uint64_t group;
    int r;

    record->lent = form_peek(reader, "lent-to") != NULL;
    if (record->lent) {
        record->group = RECORD_NO_GROUP;
        return form_take_literal(reader, LENT);
    }
    if ((r = form_take_number(reader, "group", 10, INT_MAX, &group)) < 0)
        return r;
    record->group = (unsigned) group;
    return form_take_type(reader, "old-type", DOMAIN_TYPE_IDENTITY, &record->old_type);
}

static bool is_loan(const Record *record)
{
    for (guint i = 0; i < record->members->len; i++) {
        const RecordMember *member = record->members->pdata[i];

        if (!g_str_equal(member->bus, "pci") || member->driver || !member->has_driver_override ||
            member->driver_override)
            return false;
    }
    return true;
}

static int take_record(FormReader *reader, Record *record)
{
    int r;

    if ((r = form_advance(reader)) < 0 || (r = form_take_literal(reader, CHANGE_HEADER)) < 0 ||
        (r = form_take_boot_id(reader, &record->boot_id)) < 0 ||
        (r = form_take_string(reader, "origin", 1, FORM_VALUE_MAX, &record->origin)) < 0 ||
        (r = take_purpose(reader, record)) < 0 ||
        (r = form_take_type(reader, "wanted-type", DOMAIN_TYPE_AUTO, &record->wanted_type)) < 0)
        return r;
    do
        r = take_member(reader, record->members, record_add_member(record));
    while (r >= 0 && form_peek(reader, "bus"));
    if (r >= 0 && record->lent && !is_loan(record))
        r = form_fail(reader, "only unbound PCI devices without driver_override are lent");
    return r < 0 ? r : form_take_literal(reader, "end");
}

static int take_call(FormReader *reader, CallRecord *call)
{
    int r;

    if ((r = form_advance(reader)) < 0 || (r = form_take_literal(reader, CALL_HEADER)) < 0 ||
        (r = form_take_boot_id(reader, &call->boot_id)) < 0 ||
        (r = form_take_string(reader, "origin", 1, FORM_VALUE_MAX, &call->origin)) < 0 ||
        (r = form_take_type(reader, "type", DOMAIN_TYPE_AUTO, &call->type)) < 0)
        return r;
    if (form_peek(reader, "reason") &&
        (r = form_take_string(reader, "reason", 0, FORM_VALUE_MAX, &call->reason)) < 0)
        return r;
    do
        r = form_take_identity(reader, call->members, call_record_add_member(call));
    while (r >= 0 && form_peek(reader, "bus"));
    return r < 0 ? r : form_take_literal(reader, "end");
}

int record_from_text(const char *text, size_t size, Record **ret, char **ret_error)
{
    g_auto(FormReader) reader = form_reader_of(text, size);
    g_autoptr(Record) record = record_new();
    int r;

    r = form_finish(&reader, take_record(&reader, record), ret_error);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&record);
    return 0;
}

int call_record_from_text(const char *text, size_t size, CallRecord **ret, char **ret_error)
{
    g_auto(FormReader) reader = form_reader_of(text, size);
    g_autoptr(CallRecord) call = call_record_new();
    int r;

    r = form_finish(&reader, take_call(&reader, call), ret_error);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&call);
    return 0;
}
