/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "worker.h"

#if HAVE_LIBAUDIT
#include <libaudit.h>
#endif

/* A minute of waiting for auditd must not fill the memory. */
#define WAITING_MAX 1024u

typedef struct AuditText {
    bool success;
    char *text;
} AuditText;

struct AuditLog {
    sd_event *event;     /* or NULL */
    Worker *worker;      /* while one sends */
    GPtrArray *waiting;  /* AuditText */
    bool refused;        /* the kernel takes none from us */
    unsigned lost;
};

static void audit_text_free(void *data)
{
    AuditText *text = data;

    g_free(text->text);
    g_free(text);
}

AuditLog *audit_log_new(sd_event *event)
{
    AuditLog *log = g_new0(AuditLog, 1);

    log->event = sd_event_ref(event);
    log->waiting = g_ptr_array_new_with_free_func(audit_text_free);
#if !HAVE_LIBAUDIT
    log->refused = true;
#endif
    return log;
}

AuditLog *audit_log_free(AuditLog *log)
{
    if (!log)
        return NULL;
    (void) worker_free(log->worker);
    g_ptr_array_unref(log->waiting);
    sd_event_unref(log->event);
    g_free(log);
    return NULL;
}

#if HAVE_LIBAUDIT

void audit_log_append(GString *text, const char *name, const char *value)
{
    char *pair = audit_encode_nv_string(name, value, 0);

    if (pair)
        g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", pair);
    free(pair);
}

/* Returns 0 or -errno. */
static int send_all(const GPtrArray *texts)
{
    int fd = audit_open(), r = 0;

    if (fd < 0)
        return -errno;
    for (guint i = 0; i < texts->len && r >= 0; i++) {
        const AuditText *text = g_ptr_array_index(texts, i);

        r = audit_log_user_message(fd, AUDIT_USYS_CONFIG, text->text, NULL, NULL, NULL, text->success);
        if (r <= 0)
            r = errno > 0 ? -errno : -EIO;
    }
    audit_close(fd);
    return MIN(r, 0);
}

/* Said once: without audit nothing changes for the journal. */
static void note_result(AuditLog *log, int error)
{
    if (error == 0 || log->refused)
        return;
    log->refused = true;
    g_ptr_array_set_size(log->waiting, 0);
    log_info("no audit records are written%s: %s",
             error == EPERM ? " (that takes CAP_AUDIT_WRITE)" : ", this kernel takes none",
             g_strerror(error));
}

static int send_in_child(int socket_fd, void *userdata)
{
    return MIN(-send_all(userdata), UINT8_MAX);
}

static void send_waiting(AuditLog *log);

static void on_sent(Worker *worker, int status, void *userdata)
{
    AuditLog *log = userdata;

    log->worker = worker_free(log->worker);
    note_result(log, MAX(status, 0));
    send_waiting(log);
}

static void send_waiting(AuditLog *log)
{
    static const WorkerCallbacks callbacks = { .done = on_sent };

    if (log->worker || log->waiting->len == 0)
        return;
    if (log->lost > 0)
        log_warning("auditd is behind: %u audit records were not written", log->lost);
    log->lost = 0;
    if (worker_start(log->event, NULL, 0, send_in_child, log->waiting, "s", &callbacks, log,
                     &log->worker) < 0)
        return; /* they go with the next */
    g_ptr_array_set_size(log->waiting, 0);
}

void audit_log_write(AuditLog *log, const char *text, bool success)
{
    AuditText *entry;

    if (log->refused)
        return;
    if (log->waiting->len >= WAITING_MAX) {
        log->lost++;
        return;
    }
    entry = g_new(AuditText, 1);
    *entry = (AuditText) { .success = success, .text = g_strdup(text) };
    g_ptr_array_add(log->waiting, entry);
    if (log->event) {
        send_waiting(log);
    } else {
        note_result(log, -send_all(log->waiting));
        g_ptr_array_set_size(log->waiting, 0);
    }
}

#else

void audit_log_append(GString *text, const char *name, const char *value)
{
}

void audit_log_write(AuditLog *log, const char *text, bool success)
{
}

#endif
