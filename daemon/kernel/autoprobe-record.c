/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "autoprobe-record.h"

#include <errno.h>
#include <string.h>

#include "iommu-policy-names.h"
#include "record-file.h"
#include "record-form.h"

#define HEADER "iommu-policy-autoprobe=1"
/* What is to be put back. */
#define SETTING "drivers-autoprobe=1"

AutoprobeRecord *autoprobe_record_new(void)
{
    AutoprobeRecord *record = g_new0(AutoprobeRecord, 1);

    record->members = record_members_new();
    return record;
}

void autoprobe_record_free(AutoprobeRecord *record)
{
    if (!record)
        return;
    g_free(record->boot_id);
    g_ptr_array_unref(record->members);
    g_free(record);
}

void autoprobe_record_add(AutoprobeRecord *record, const char *bus, const char *name, uint64_t inode)
{
    RecordMember *member = record_members_add(record->members);

    member->bus = g_strdup(bus);
    member->name = g_strdup(name);
    member->inode = inode;
}

bool autoprobe_record_knows(const AutoprobeRecord *record, const char *name, uint64_t inode)
{
    for (guint i = 1; i < record->members->len; i++) {
        const RecordMember *member = record->members->pdata[i];

        if (member->inode == inode && g_str_equal(member->name, name))
            return true;
    }
    return false;
}

char *autoprobe_record_to_text(const AutoprobeRecord *record)
{
    GString *text = g_string_new(HEADER "\n");

    form_append_string(text, "boot-id", record->boot_id);
    g_string_append(text, SETTING "\n");
    for (guint i = 0; i < record->members->len; i++)
        form_append_identity(text, record->members->pdata[i]);
    g_string_append(text, "end\n");
    return g_string_free(text, FALSE);
}

static int take_record(FormReader *reader, AutoprobeRecord *record)
{
    int r;

    if ((r = form_advance(reader)) < 0 || (r = form_take_literal(reader, HEADER)) < 0 ||
        (r = form_take_boot_id(reader, &record->boot_id)) < 0 ||
        (r = form_take_literal(reader, SETTING)) < 0)
        return r;
    do
        r = form_take_identity(reader, record->members, record_members_add(record->members));
    while (r >= 0 && form_peek(reader, "bus"));
    return r < 0 ? r : form_take_literal(reader, "end");
}

int autoprobe_record_from_text(const char *text, size_t size, AutoprobeRecord **ret, char **ret_error)
{
    g_auto(FormReader) reader = form_reader_of(text, size);
    g_autoptr(AutoprobeRecord) record = autoprobe_record_new();
    int r;

    r = form_finish(&reader, take_record(&reader, record), ret_error);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&record);
    return 0;
}

int autoprobe_record_write(int root_fd, const char *key, const AutoprobeRecord *record)
{
    g_autofree char *text = autoprobe_record_to_text(record), *error = NULL;
    g_autoptr(AutoprobeRecord) read_back = NULL;

    if (!record_key_is_valid(key) || strlen(text) > RECORD_SIZE_MAX ||
        autoprobe_record_from_text(text, strlen(text), &read_back, &error) < 0)
        return -EINVAL;
    return record_file_write(root_fd, IOMMU_POLICY_AUTOPROBE_DIR, key, text);
}

int autoprobe_record_load(int root_fd, const char *key, AutoprobeRecord **ret, char **ret_error)
{
    g_autofree char *text = NULL;
    size_t size;
    int r;

    if (!record_key_is_valid(key))
        return -EINVAL;
    r = record_file_load(root_fd, IOMMU_POLICY_AUTOPROBE_DIR, key, RECORD_SIZE_MAX, &text, &size, ret_error);
    return r < 0 ? r : autoprobe_record_from_text(text, size, ret, ret_error);
}

int autoprobe_record_remove(int root_fd, const char *key)
{
    return record_remove_file(root_fd, IOMMU_POLICY_AUTOPROBE_DIR, key);
}

int autoprobe_record_list(int root_fd, char ***ret_keys)
{
    return record_list_keys(root_fd, IOMMU_POLICY_AUTOPROBE_DIR, ret_keys);
}
