/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scanner.h"

#include <errno.h>
#include <stdlib.h>

#include "group.h"
#include "log.h"
#include "scan.h"
#include "worker.h"

/* A read that takes longer waits for an attach in the kernel. */
#define READ_DEADLINE_USEC (5 * G_GUINT64_CONSTANT(1000000))
/* Each worker that hangs is a process; when so many hang the machine has another trouble. */
#define WORKERS_MAX 8

typedef struct Scan {
    Scanner *scanner;
    Worker *worker;
    GArray *ids;
    guint next;  /* the group that is read now: they come in order, only skipped ones are missing */
    bool late;
} Scan;

struct Scanner {
    sd_event *event;
    int root_fd;
    ScannerCallback callback;
    void *userdata;
    GPtrArray *scans;   /* Scan: the one that reads, and those that hang */
    GHashTable *wanted; /* ids to read when the present scan has ended */
};

static void start_next(Scanner *scanner);

static void scan_free(void *data)
{
    Scan *scan = data;

    (void) worker_free(scan->worker);
    g_array_unref(scan->ids);
    g_free(scan);
}

static void tell_error(Scanner *scanner, unsigned id, int error)
{
    ScannedGroup group = { .id = id, .error = error, .type = _DOMAIN_TYPE_INVALID };

    scanner->callback(&group, scanner->userdata);
}

/* Groups that come after the present one were left out because their lock is held. */
static void skip_until(Scan *scan, unsigned id)
{
    while (scan->next < scan->ids->len && g_array_index(scan->ids, unsigned, scan->next) != id)
        tell_error(scan->scanner, g_array_index(scan->ids, unsigned, scan->next++), -EBUSY);
}

static GArray *reserved_from_variant(GVariantIter *iter)
{
    GArray *reserved = g_array_new(FALSE, TRUE, sizeof(ReservedRegion));
    ReservedRegion region = { 0 };
    const char *type;

    while (g_variant_iter_next(iter, "(tt&s)", &region.start, &region.end, &type)) {
        (void) g_strlcpy(region.type, type, sizeof region.type);
        g_array_append_val(reserved, region);
    }
    return reserved;
}

static void on_message(Worker *worker, GVariant *message, void *userdata)
{
    Scan *scan = userdata;
    g_autoptr(GVariantIter) iter = NULL;
    g_autoptr(GArray) reserved = NULL;
    g_autofree const char **pasid = NULL;
    ScannedGroup group = { 0 };
    const char *type;

    g_variant_get(message, "(ui&s&s^a&sa(tts))", &group.id, &group.error, &type, &group.name, &pasid, &iter);
    group.pasid = pasid;
    if (!scan->late)
        skip_until(scan, group.id);
    if (scan->next < scan->ids->len)
        scan->next++;
    (void) worker_set_deadline(worker, READ_DEADLINE_USEC);

    reserved = reserved_from_variant(iter);
    group.error = group.error >= 0 ? -group.error : -EBADMSG;
    group.type = domain_type_from_string(type);
    group.reserved = reserved;
    if (group.error == 0 && group.type < 0)
        group.error = -EBADMSG;
    scan->scanner->callback(&group, scan->scanner->userdata);
}

static void on_done(Worker *worker, int status, void *userdata)
{
    Scan *scan = userdata;
    Scanner *scanner = scan->scanner;

    if (!scan->late)
        while (scan->next < scan->ids->len)
            tell_error(scanner, g_array_index(scan->ids, unsigned, scan->next++), -EBUSY);
    g_ptr_array_remove(scanner->scans, scan);
    start_next(scanner);
}

/* The present group hangs: it is told, the rest goes to a new worker, and this one is kept only to be
 * reaped. If it ever goes on, what it then says is still true and is passed on. */
static void on_late(Worker *worker, void *userdata)
{
    Scan *scan = userdata;
    Scanner *scanner = scan->scanner;

    if (scan->next < scan->ids->len)
        tell_error(scanner, g_array_index(scan->ids, unsigned, scan->next), -ETIMEDOUT);
    for (guint i = scan->next + 1; i < scan->ids->len; i++)
        g_hash_table_add(scanner->wanted, GUINT_TO_POINTER(g_array_index(scan->ids, unsigned, i)));
    scan->late = true;
    g_array_set_size(scan->ids, 0);
    scan->next = 0;
    start_next(scanner);
}

static int send_group(GVariant *group, void *userdata)
{
    const int *socket_fd = userdata;

    return worker_send(*socket_fd, group);
}

static int read_groups(int socket_fd, void *userdata)
{
    const Scan *scan = userdata;
    int r;

    worker_end_with_daemon();
    r = scan_groups(scan->scanner->root_fd, (const unsigned *) (void *) scan->ids->data, scan->ids->len,
                    send_group, &socket_fd);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static GArray *take_wanted(Scanner *scanner)
{
    GArray *ids = group_ids_of(scanner->wanted);

    g_hash_table_remove_all(scanner->wanted);
    return ids;
}

static bool reading(const Scanner *scanner)
{
    for (guint i = 0; i < scanner->scans->len; i++)
        if (!((const Scan *) scanner->scans->pdata[i])->late)
            return true;
    return false;
}

/* As many hang as may. The rest is read when one of them returns; nobody waits for that. */
static void put_off(Scanner *scanner)
{
    g_autoptr(GArray) ids = take_wanted(scanner);

    for (guint i = 0; i < ids->len; i++)
        g_hash_table_add(scanner->wanted, GUINT_TO_POINTER(g_array_index(ids, unsigned, i)));
    for (guint i = 0; i < ids->len; i++)
        tell_error(scanner, g_array_index(ids, unsigned, i), -ETIMEDOUT);
}

static void start_next(Scanner *scanner)
{
    static const WorkerCallbacks callbacks = { .message = on_message, .done = on_done, .late = on_late };
    Scan *scan;
    int r;

    if (reading(scanner) || g_hash_table_size(scanner->wanted) == 0)
        return;
    if (scanner->scans->len >= WORKERS_MAX) {
        put_off(scanner);
        return;
    }
    scan = g_new0(Scan, 1);
    scan->scanner = scanner;
    scan->ids = take_wanted(scanner);
    r = worker_start(scanner->event, &scanner->root_fd, 1, read_groups, scan, SCAN_GROUP_FORMAT, &callbacks,
                     scan, &scan->worker);
    if (r < 0) {
        log_error("cannot start a worker to read groups: %s", g_strerror(-r));
        for (guint i = 0; i < scan->ids->len; i++)
            tell_error(scanner, g_array_index(scan->ids, unsigned, i), r);
        scan_free(scan);
        return;
    }
    (void) worker_set_deadline(scan->worker, READ_DEADLINE_USEC);
    g_ptr_array_add(scanner->scans, scan);
}

Scanner *scanner_new(sd_event *event, int root_fd, ScannerCallback callback, void *userdata)
{
    Scanner *scanner = g_new0(Scanner, 1);

    scanner->event = sd_event_ref(event);
    scanner->root_fd = root_fd;
    scanner->callback = callback;
    scanner->userdata = userdata;
    scanner->scans = g_ptr_array_new_with_free_func(scan_free);
    scanner->wanted = g_hash_table_new(NULL, NULL);
    return scanner;
}

void scanner_read(Scanner *scanner, const GArray *ids)
{
    for (guint i = 0; i < ids->len; i++)
        g_hash_table_add(scanner->wanted, GUINT_TO_POINTER(g_array_index(ids, unsigned, i)));
    start_next(scanner);
}

Scanner *scanner_free(Scanner *scanner)
{
    if (!scanner)
        return NULL;
    g_ptr_array_unref(scanner->scans);
    g_hash_table_unref(scanner->wanted);
    sd_event_unref(scanner->event);
    g_free(scanner);
    return NULL;
}
