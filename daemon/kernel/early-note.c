/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "early-note.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "iommu-policy-names.h"
#include "record-file.h"
#include "record-form.h"

#define HEADER "iommu-policy-early=1"
#define DIGEST_LENGTH 64u
/* Some ten thousand groups. */
#define NOTE_SIZE_MAX (4u * 1024u * 1024u)

const char *early_stage_to_string(EarlyStage stage)
{
    static const char *const names[_EARLY_STAGE_MAX] = {
        [EARLY_INITRAMFS] = "initramfs",
        [EARLY_HOST] = "host",
    };

    return stage >= 0 && stage < _EARLY_STAGE_MAX ? names[stage] : NULL;
}

static const char *const outcomes[_EARLY_OUTCOME_MAX] = {
    [EARLY_SET] = "set",         [EARLY_ALREADY] = "already", [EARLY_BOUND] = "bound",
    [EARLY_REFUSED] = "refused", [EARLY_FAILED] = "failed",
};

const char *early_outcome_to_string(EarlyOutcome outcome)
{
    return outcome >= 0 && outcome < _EARLY_OUTCOME_MAX ? outcomes[outcome] : NULL;
}

static void early_group_free(EarlyGroup *group)
{
    g_free(group->wanted_by);
    g_free(group->text);
    g_ptr_array_unref(group->members);
    g_free(group);
}

EarlyNote *early_note_new(void)
{
    EarlyNote *note = g_new0(EarlyNote, 1);

    note->unbound = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    note->groups = g_ptr_array_new_with_free_func((GDestroyNotify) early_group_free);
    return note;
}

void early_note_free(EarlyNote *note)
{
    if (!note)
        return;
    g_free(note->boot_id);
    g_free(note->digest);
    g_free(note->disabled);
    g_array_unref(note->unbound);
    g_ptr_array_unref(note->groups);
    g_free(note);
}

EarlyGroup *early_note_add_group(EarlyNote *note, unsigned id)
{
    EarlyGroup *group = g_new0(EarlyGroup, 1);

    group->id = id;
    group->from = group->wanted = group->type = _DOMAIN_TYPE_INVALID;
    group->members = record_members_new();
    g_ptr_array_add(note->groups, group);
    return group;
}

static void append_type(GString *text, const char *key, DomainType type)
{
    if (type >= 0)
        form_append_string(text, key, domain_type_to_string(type));
}

static void append_group(GString *text, const EarlyGroup *group)
{
    form_append_number(text, "group", group->id);
    form_append_string(text, "outcome", early_outcome_to_string(group->outcome));
    append_type(text, "from", group->from);
    append_type(text, "wanted", group->wanted);
    append_type(text, "type", group->type);
    form_append_string(text, "wanted-by", group->wanted_by ?: "");
    form_append_string(text, "text", group->text ?: "");
    for (guint i = 0; i < group->members->len; i++)
        form_append_identity(text, group->members->pdata[i]);
}

char *early_note_to_text(const EarlyNote *note)
{
    GString *text = g_string_new(HEADER "\n");

    form_append_string(text, "boot-id", note->boot_id ?: "");
    form_append_string(text, "digest", note->digest ?: "");
    form_append_string(text, "frozen", note->frozen ? "yes" : "no");
    if (note->disabled)
        form_append_string(text, "disabled", note->disabled);
    form_append_number(text, "begin-usec", note->begin_usec);
    form_append_number(text, "end-usec", note->end_usec);
    form_append_number(text, "errors", note->errors);
    for (guint i = 0; i < note->unbound->len; i++)
        form_append_number(text, "unbound", g_array_index(note->unbound, uint64_t, i));
    for (guint i = 0; i < note->groups->len; i++)
        append_group(text, note->groups->pdata[i]);
    g_string_append(text, "end\n");
    return g_string_free(text, FALSE);
}

static int take_digest(FormReader *reader, char **ret)
{
    const char *value = form_peek(reader, "digest");
    size_t length = value && *value == '\0' ? 0 : DIGEST_LENGTH;

    if (value && strspn(value, "0123456789abcdef") != strlen(value))
        return form_fail(reader, "digest is not a hexadecimal number");
    return form_take_string(reader, "digest", length, length, ret);
}

static int take_outcome(FormReader *reader, EarlyOutcome *ret)
{
    const char *value = form_peek(reader, "outcome");

    for (int i = 0; value && i < _EARLY_OUTCOME_MAX; i++)
        if (g_str_equal(value, outcomes[i])) {
            *ret = (EarlyOutcome) i;
            return form_advance(reader);
        }
    return form_fail(reader, "expected an outcome");
}

/* A type that was read, which may be any but `auto`; left out if none was read. */
static int take_type_read(FormReader *reader, const char *key, DomainType *ret)
{
    const char *value = form_peek(reader, key);

    if (!value)
        return 0;
    if (g_str_equal(value, domain_type_to_string(DOMAIN_TYPE_AUTO)))
        return form_fail(reader, "%s is not a type that can be read", key);
    return form_take_type(reader, key, _DOMAIN_TYPE_MAX - 1, ret);
}

static int take_group(FormReader *reader, EarlyNote *note)
{
    EarlyGroup *group = early_note_add_group(note, 0);
    uint64_t id;
    int r;

    if ((r = form_take_number(reader, "group", 10, INT_MAX, &id)) < 0 ||
        (r = take_outcome(reader, &group->outcome)) < 0 ||
        (r = take_type_read(reader, "from", &group->from)) < 0 ||
        (r = form_take_type(reader, "wanted", DOMAIN_TYPE_AUTO, &group->wanted)) < 0 ||
        (r = take_type_read(reader, "type", &group->type)) < 0 ||
        (r = form_take_string(reader, "wanted-by", 0, FORM_VALUE_MAX, &group->wanted_by)) < 0 ||
        (r = form_take_string(reader, "text", 0, FORM_VALUE_MAX, &group->text)) < 0)
        return r;
    group->id = (unsigned) id;
    do
        r = form_take_identity(reader, group->members, record_members_add(group->members));
    while (r >= 0 && form_peek(reader, "bus"));
    return r;
}

static int take_unbound(FormReader *reader, EarlyNote *note)
{
    int r = 0;

    while (r >= 0 && form_peek(reader, "unbound")) {
        uint64_t inode;

        r = form_take_number(reader, "unbound", 10, UINT64_MAX, &inode);
        if (r >= 0)
            g_array_append_val(note->unbound, inode);
    }
    return r;
}

static int take_note(FormReader *reader, EarlyNote *note)
{
    uint64_t errors;
    int r;

    if ((r = form_advance(reader)) < 0 || (r = form_take_literal(reader, HEADER)) < 0 ||
        (r = form_take_boot_id(reader, &note->boot_id)) < 0 ||
        (r = take_digest(reader, &note->digest)) < 0 ||
        (r = form_take_flag(reader, "frozen", &note->frozen)) < 0)
        return r;
    if (form_peek(reader, "disabled") &&
        (r = form_take_string(reader, "disabled", 1, FORM_VALUE_MAX, &note->disabled)) < 0)
        return r;
    if ((r = form_take_number(reader, "begin-usec", 10, UINT64_MAX, &note->begin_usec)) < 0 ||
        (r = form_take_number(reader, "end-usec", 10, UINT64_MAX, &note->end_usec)) < 0 ||
        (r = form_take_number(reader, "errors", 10, UINT_MAX, &errors)) < 0)
        return r;
    note->errors = (unsigned) errors;
    r = take_unbound(reader, note);
    while (r >= 0 && form_peek(reader, "group"))
        r = take_group(reader, note);
    return r < 0 ? r : form_take_literal(reader, "end");
}

int early_note_from_text(const char *text, size_t size, EarlyNote **ret, char **ret_error)
{
    g_auto(FormReader) reader = form_reader_of(text, size);
    g_autoptr(EarlyNote) note = early_note_new();
    int r;

    r = form_finish(&reader, take_note(&reader, note), ret_error);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&note);
    return 0;
}

/* What could not be read again need not be written. */
static bool group_is_sound(const EarlyGroup *group)
{
    return group->members->len > 0 && group->wanted >= 0 && group->wanted <= DOMAIN_TYPE_AUTO &&
           (!group->wanted_by || strlen(group->wanted_by) <= FORM_VALUE_MAX) &&
           (!group->text || strlen(group->text) <= FORM_VALUE_MAX);
}

int early_note_write(int root_fd, EarlyStage stage, const EarlyNote *note)
{
    g_autofree char *text = NULL;

    for (guint i = 0; i < note->groups->len; i++)
        if (!group_is_sound(note->groups->pdata[i]))
            return -EINVAL;
    text = early_note_to_text(note);
    if (strlen(text) > NOTE_SIZE_MAX)
        return -EINVAL;
    return record_file_write(root_fd, IOMMU_POLICY_EARLY_DIR, early_stage_to_string(stage), text);
}

int early_note_load(int root_fd, EarlyStage stage, EarlyNote **ret, char **ret_error)
{
    g_autofree char *text = NULL;
    size_t size;
    int r;

    r = record_file_load(root_fd, IOMMU_POLICY_EARLY_DIR, early_stage_to_string(stage), NOTE_SIZE_MAX, &text,
                         &size, ret_error);
    return r < 0 ? r : early_note_from_text(text, size, ret, ret_error);
}

static bool is_member(const Device *device, const GPtrArray *members)
{
    for (guint i = 0; i < members->len; i++) {
        const RecordMember *member = members->pdata[i];

        if (member->inode == device->inode && g_str_equal(member->bus, device->facts->bus) &&
            g_str_equal(member->name, device->facts->name))
            return true;
    }
    return false;
}

static bool has_members(const EarlyGroup *group, const Device *const *devices, size_t n_devices)
{
    if (group->members->len != n_devices)
        return false;
    for (size_t i = 0; i < n_devices; i++)
        if (!is_member(devices[i], group->members))
            return false;
    return true;
}

const EarlyGroup *early_note_find(const EarlyNote *note, const Device *const *devices, size_t n_devices)
{
    for (guint i = 0; i < note->groups->len; i++)
        if (has_members(note->groups->pdata[i], devices, n_devices))
            return note->groups->pdata[i];
    return NULL;
}
