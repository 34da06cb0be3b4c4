/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cleanup.h"
#include "group.h"
#include "iommu-policy-names.h"
#include "record-file.h"
#include "record.h"
#include "sysfs.h"

#define LOCK_SUFFIX ".lock"

/* The longest note in a lock, with its newline. */
#define NOTE_MAX 512u

/* How often a lock that only lookers hold is asked for again; each of them has it for two system calls, and
 * longer only if it is kept from the processor. */
#define LOCK_TRIES 1000u
#define LOCK_TRY_USEC 1000u

static void record_member_free(RecordMember *member)
{
    g_free(member->bus);
    g_free(member->name);
    g_free(member->driver);
    g_free(member->driver_override);
    g_free(member);
}

GPtrArray *record_members_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) record_member_free);
}

RecordMember *record_members_add(GPtrArray *members)
{
    RecordMember *member = g_new0(RecordMember, 1);

    member->vendor = member->device = member->class_code = FACT_NO_ID;
    g_ptr_array_add(members, member);
    return member;
}

Record *record_new(void)
{
    Record *record = g_new0(Record, 1);

    record->old_type = record->wanted_type = _DOMAIN_TYPE_INVALID;
    record->members = record_members_new();
    return record;
}

void record_free(Record *record)
{
    if (!record)
        return;
    g_free(record->boot_id);
    g_free(record->origin);
    g_ptr_array_unref(record->members);
    g_free(record);
}

RecordMember *record_add_member(Record *record)
{
    return record_members_add(record->members);
}

CallRecord *call_record_new(void)
{
    CallRecord *call = g_new0(CallRecord, 1);

    call->type = _DOMAIN_TYPE_INVALID;
    call->members = record_members_new();
    return call;
}

void call_record_free(CallRecord *call)
{
    if (!call)
        return;
    g_free(call->boot_id);
    g_free(call->origin);
    g_free(call->reason);
    g_ptr_array_unref(call->members);
    g_free(call);
}

RecordMember *call_record_add_member(CallRecord *call)
{
    return record_members_add(call->members);
}

int record_boot_id(int root_fd, char **ret)
{
    return sysfs_read(root_fd, "proc/sys/kernel/random/boot_id", ret);
}

char *record_key(const char *bus, const char *name)
{
    g_autofree char *plain = g_strconcat(bus, ":", name, NULL);
    bool is_lock = g_str_has_suffix(plain, LOCK_SUFFIX);
    GString *key = g_string_new(NULL);

    for (const char *p = plain; *p; p++) {
        bool kept = g_ascii_isalnum(*p) || strchr(":._-", *p);

        /* A device may be called "x.lock"; a leading dot is a temporary file's. */
        if (*p == '.' && (p == plain || (is_lock && g_str_equal(p, LOCK_SUFFIX))))
            kept = false;
        if (kept)
            g_string_append_c(key, *p);
        else
            g_string_append_printf(key, "\\x%02x", (unsigned char) *p);
    }
    return g_string_free(key, FALSE);
}

int record_group_key(int root_fd, unsigned id, char **ret)
{
    g_autofree char *link = NULL, *bus = NULL, *name = NULL;
    g_auto(GStrv) members = NULL;
    int r;

    r = group_list_members(root_fd, id, &members);
    if (r < 0)
        return r;
    if (!members[0])
        return -ENODATA;
    link = g_strconcat(members[0], "/subsystem", NULL);
    r = sysfs_link_name(root_fd, link, &bus);
    if (r < 0)
        return r == -ENOENT ? -ENODEV : r;
    name = g_path_get_basename(members[0]);
    *ret = record_key(bus, name);
    return 0;
}

/* What record_key() can make: whoever names a lock otherwise would lock nothing. */
bool record_key_is_valid(const char *key)
{
    for (const char *p = key; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr(":._-\\", *p))
            return false;
    return *key != '\0' && *key != '.' && !g_str_has_suffix(key, LOCK_SUFFIX);
}

int record_remove_file(int root_fd, const char *folder, const char *key)
{
    g_autofree char *path = g_strconcat(folder, "/", key, NULL);

    if (!record_key_is_valid(key))
        return -EINVAL;
    if (unlinkat(root_fd, path, 0) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

int record_list_keys(int root_fd, const char *folder, char ***ret_keys)
{
    g_auto(GStrv) names = NULL;
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    int r;

    r = sysfs_list(root_fd, folder, &names);
    if (r < 0 && r != -ENOENT)
        return r;
    for (char **name = names; name && *name; name++)
        if (record_key_is_valid(*name))
            g_ptr_array_add(keys, g_strdup(*name));
    g_ptr_array_add(keys, NULL);
    *ret_keys = (char **) g_ptr_array_free(g_steal_pointer(&keys), FALSE);
    return 0;
}

int record_write(int root_fd, const char *key, const Record *record)
{
    g_autofree char *text = record_to_text(record), *error = NULL;
    g_autoptr(Record) read_back = NULL;

    /* What could not be read again must not be relied on. */
    if (!record_key_is_valid(key) || strlen(text) > RECORD_SIZE_MAX ||
        record_from_text(text, strlen(text), &read_back, &error) < 0)
        return -EINVAL;
    return record_file_write(root_fd, IOMMU_POLICY_CHANGE_DIR, key, text);
}

int record_load(int root_fd, const char *key, Record **ret, char **ret_error)
{
    g_autofree char *text = NULL;
    size_t size;
    int r;

    if (!record_key_is_valid(key))
        return -EINVAL;
    r = record_file_load(root_fd, IOMMU_POLICY_CHANGE_DIR, key, RECORD_SIZE_MAX, &text, &size, ret_error);
    return r < 0 ? r : record_from_text(text, size, ret, ret_error);
}

int record_remove(int root_fd, const char *key)
{
    return record_remove_file(root_fd, IOMMU_POLICY_CHANGE_DIR, key);
}

int record_list(int root_fd, char ***ret_keys)
{
    return record_list_keys(root_fd, IOMMU_POLICY_CHANGE_DIR, ret_keys);
}

int call_record_write(int root_fd, const char *key, const CallRecord *call)
{
    g_autofree char *text = call_record_to_text(call), *error = NULL;
    g_autoptr(CallRecord) read_back = NULL;

    if (!record_key_is_valid(key) || strlen(text) > RECORD_SIZE_MAX ||
        call_record_from_text(text, strlen(text), &read_back, &error) < 0)
        return -EINVAL;
    return record_file_write(root_fd, IOMMU_POLICY_CALL_DIR, key, text);
}

int call_record_load(int root_fd, const char *key, CallRecord **ret, char **ret_error)
{
    g_autofree char *text = NULL;
    size_t size;
    int r;

    if (!record_key_is_valid(key))
        return -EINVAL;
    r = record_file_load(root_fd, IOMMU_POLICY_CALL_DIR, key, RECORD_SIZE_MAX, &text, &size, ret_error);
    return r < 0 ? r : call_record_from_text(text, size, ret, ret_error);
}

int call_record_remove(int root_fd, const char *key)
{
    return record_remove_file(root_fd, IOMMU_POLICY_CALL_DIR, key);
}

int call_record_list(int root_fd, char ***ret_keys)
{
    return record_list_keys(root_fd, IOMMU_POLICY_CALL_DIR, ret_keys);
}

static int lock(int fd, int operation)
{
    while (flock(fd, operation) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/*
 * A looker (record_is_locked()) holds the lock shared for a moment; that must not look like a change. So,
 * refused, ask for it shared too: refused again, a change has it; granted, only lookers had it, and they are
 * gone when we come back.
 */
static int lock_unless_held(int fd)
{
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        int r = lock(fd, LOCK_EX | LOCK_NB);

        if (r != -EWOULDBLOCK)
            return r;
        r = lock(fd, LOCK_SH | LOCK_NB);
        if (r < 0)
            return r;
        (void) flock(fd, LOCK_UN);
        g_usleep(g_random_int_range(0, LOCK_TRY_USEC));
    }
    return -EWOULDBLOCK;
}

int record_lock(int root_fd, const char *key, bool wait)
{
    g_autofree char *name = g_strconcat(key, LOCK_SUFFIX, NULL);
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (!record_key_is_valid(key))
        return -EINVAL;
    fd = record_file_open(root_fd, IOMMU_POLICY_CHANGE_DIR, name, O_RDWR);
    if (fd < 0)
        return fd;
    r = wait ? lock(fd, LOCK_EX) : lock_unless_held(fd);
    return r < 0 ? r : TAKE_FD(fd);
}

static void discard_unfinished(int root_fd, const char *key)
{
    g_autofree char *name = g_strconcat(key, LOCK_SUFFIX, NULL);
    g_autofree char *path = g_strconcat(IOMMU_POLICY_CHANGE_DIR "/.", key, NULL);
    _cleanup_close_ int fd = record_file_open(root_fd, IOMMU_POLICY_CHANGE_DIR, name, O_RDWR);

    if (fd >= 0 && lock(fd, LOCK_EX | LOCK_NB) >= 0)
        (void) unlinkat(root_fd, path, 0);
}

void record_discard_unfinished(int root_fd)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, IOMMU_POLICY_CHANGE_DIR, &names) < 0)
        return;
    for (char **name = names; *name; name++)
        if (**name == '.' && record_key_is_valid(*name + 1))
            discard_unfinished(root_fd, *name + 1);
}

int record_is_locked(int root_fd, const char *key)
{
    g_autofree char *path = g_strconcat(IOMMU_POLICY_CHANGE_DIR "/", key, LOCK_SUFFIX, NULL);
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (!record_key_is_valid(key))
        return -EINVAL;
    fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = lock(fd, LOCK_SH | LOCK_NB);
    return r == -EWOULDBLOCK ? 1 : r;
}

bool record_any_locks(int root_fd)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, IOMMU_POLICY_CHANGE_DIR, &names) < 0)
        return false;
    for (char **name = names; *name; name++)
        if (g_str_has_suffix(*name, LOCK_SUFFIX))
            return true;
    return false;
}

bool record_group_is_locked(int root_fd, unsigned id)
{
    g_autofree char *key = NULL;

    return record_group_key(root_fd, id, &key) >= 0 && record_is_locked(root_fd, key) > 0;
}

void record_lock_note(int lock_fd, const char *step, uint64_t until_usec)
{
    g_autofree char *escaped = g_strescape(step, NULL);
    g_autofree char *note = g_strdup_printf("%" G_GUINT64_FORMAT " %s\n", until_usec, escaped);
    size_t size = strlen(note);

    if (size <= NOTE_MAX && pwrite(lock_fd, note, size, 0) == (ssize_t) size)
        (void) !ftruncate(lock_fd, (off_t) size);
}

int record_lock_open(int root_fd, const char *key)
{
    g_autofree char *path = g_strconcat(IOMMU_POLICY_CHANGE_DIR "/", key, LOCK_SUFFIX, NULL);
    int fd;

    if (!record_key_is_valid(key))
        return -EINVAL;
    fd = openat(root_fd, path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int parse_note(char *text, char **ret_step, uint64_t *ret_until_usec)
{
    char *blank = strchr(text, ' '), *end = strchr(text, '\n');
    guint64 until;

    if (!blank || !end || end < blank || !g_utf8_validate(text, -1, NULL))
        return -ENODATA;
    *blank = *end = '\0';
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &until, NULL) || !*(blank + 1))
        return -ENODATA;
    *ret_step = g_strdup(blank + 1);
    *ret_until_usec = until;
    return 0;
}

int record_lock_read(int root_fd, const char *key, char **ret_step, uint64_t *ret_until_usec)
{
    g_autofree char *path = g_strconcat(IOMMU_POLICY_CHANGE_DIR "/", key, LOCK_SUFFIX, NULL);
    _cleanup_close_ int fd = -EBADF;
    char text[NOTE_MAX + 1];
    ssize_t n;

    if (!record_key_is_valid(key))
        return -EINVAL;
    fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    n = read(fd, text, NOTE_MAX);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    return parse_note(text, ret_step, ret_until_usec);
}
