/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-sequence.h"

#include <errno.h>

#include "cleanup.h"
#include "group.h"
#include "record.h"
#include "sysfs.h"

#define BACK_OFF_FIRST_USEC 10000u
#define BACK_OFF_LONGEST_USEC 1000000u
#define BACK_OFF_TRIES 8u

uint64_t sequence_now(void)
{
    return (uint64_t) g_get_monotonic_time();
}

/* A step that runs holds the time of its beginning. */
static void end_step(const ChangeResult *result, uint64_t now)
{
    ChangeStepTime *last;

    if (result->steps->len == 0)
        return;
    last = g_ptr_array_index(result->steps, result->steps->len - 1);
    last->usec = now - last->usec;
}

static void begin_step(const ChangeResult *result, const char *name)
{
    uint64_t now = sequence_now();
    ChangeStepTime *step = g_new(ChangeStepTime, 1);

    end_step(result, now);
    *step = (ChangeStepTime) { .name = g_strdup(name), .usec = now };
    g_ptr_array_add(result->steps, step);
}

void sequence_begin(const Sequence *sequence)
{
    begin_step(sequence->result, "look");
}

void sequence_end(const Sequence *sequence)
{
    end_step(sequence->result, sequence_now());
}

void sequence_step(const Sequence *sequence, uint64_t limit_usec, const char *format, ...)
{
    g_autofree char *name = NULL;
    va_list arguments;

    va_start(arguments, format);
    name = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    begin_step(sequence->result, name);
    if (sequence->lock_fd >= 0)
        record_lock_note(sequence->lock_fd, name, limit_usec > 0 ? sequence_now() + limit_usec : 0);
    if (sequence->step)
        sequence->step(name, limit_usec, sequence->userdata);
}

int sequence_write(const Sequence *sequence, int dir_fd, const char *path, const char *text)
{
    uint64_t start = sequence_now();
    int r = sysfs_write(dir_fd, path, text);

    sequence->result->kernel_usec += sequence_now() - start;
    return r;
}

int sequence_write_fd(const Sequence *sequence, int fd, const char *text)
{
    uint64_t start = sequence_now();
    int r = sysfs_write_fd(fd, text);

    sequence->result->kernel_usec += sequence_now() - start;
    return r;
}

static bool is_member(int root_fd, const char *path, const GPtrArray *members)
{
    uint64_t inode;

    for (guint i = 0; i < members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(members, i);

        if (g_str_equal(member->syspath, path))
            return sysfs_inode(root_fd, path, &inode) >= 0 && inode == member->inode;
    }
    return false;
}

bool group_has_members(int root_fd, unsigned id, const GPtrArray *members)
{
    g_auto(GStrv) paths = NULL;

    if (group_list_members(root_fd, id, &paths) < 0 || g_strv_length(paths) != members->len)
        return false;
    for (char **path = paths; *path; path++)
        if (!is_member(root_fd, *path, members))
            return false;
    return true;
}

bool sequence_has_group(const Sequence *sequence, unsigned group)
{
    return group_has_members(sequence->root_fd, group, sequence->members);
}

/* Opened first, then looked at: what is opened cannot become another group's. */
int sequence_write_type(const Sequence *sequence, unsigned group, DomainType type)
{
    _cleanup_close_ int fd = group_open_type(sequence->root_fd, group);
    uint64_t start;
    int r;

    if (fd < 0)
        return fd;
    if (!sequence_has_group(sequence, group))
        return -ENODEV;
    start = sequence_now();
    r = group_write_type(fd, type);
    sequence->result->kernel_usec += sequence_now() - start;
    return r;
}

void sequence_fail(const Sequence *sequence, RefusalCode code, const char *object, int error,
                   const char *format, ...)
{
    ChangeResult *result = sequence->result;
    va_list arguments;

    if (result->code != REFUSAL_NONE)
        return;
    result->code = code;
    result->error = error < 0 ? -error : 0;
    if (object) {
        g_free(result->object);
        result->object = g_strdup(object);
    }
    if (!format)
        return;
    va_start(arguments, format);
    result->detail = g_strdup_vprintf(format, arguments);
    va_end(arguments);
}

void sequence_broken(const Sequence *sequence, const char *object, const char *format, ...)
{
    ChangeResult *result = sequence->result;
    g_autofree char *first = g_steal_pointer(&result->detail);
    g_autofree char *detail = NULL;
    va_list arguments;

    va_start(arguments, format);
    detail = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    result->detail = first ? g_strdup_printf("%s; %s", detail, first) : g_steal_pointer(&detail);
    result->code = REFUSAL_DEVICE_LOST;
    result->broken = true;
    if (object) {
        g_free(result->object);
        result->object = g_strdup(object);
    }
}

void sequence_note(const Sequence *sequence, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(sequence->result->notes, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

bool sequence_back_off(unsigned try, uint64_t deadline)
{
    uint64_t wait = MIN((uint64_t) BACK_OFF_FIRST_USEC << MIN(try, 16u), BACK_OFF_LONGEST_USEC);

    if (try >= BACK_OFF_TRIES || sequence_now() + wait > deadline)
        return false;
    g_usleep(wait);
    return true;
}
