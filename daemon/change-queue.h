/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Whose turn it is. Groups are independent and change in parallel, eight at once, unless a member of one is
 * an ancestor of, the physical or virtual function of, or a supplier or consumer of a member of the other.
 * Knows nothing of what a change does.
 */
#define CHANGES_AT_ONCE 8

typedef struct QueueItem {
    unsigned group;
    bool by_rule;
    bool first;         /* goes before all that do not: recovery */
    bool late; /* it hangs: it takes nobody's turn any more, but what is related still waits for it */
    char **syspaths;    /* of the members */
    char **names;       /* of the members: "0000:00:04.0" */
    char **relatives;   /* names of their physical functions, suppliers and consumers */
} QueueItem;

/* Frees what ITEM owns, not ITEM. */
void queue_item_clear(QueueItem *item);

/* True if the two must not change at the same time. */
bool queue_items_related(const QueueItem *a, const QueueItem *b);

typedef struct ChangeQueue ChangeQueue;
ChangeQueue *change_queue_new(void);

/* Puts ITEM, which stays the caller's, into the queue. Returns the rule's item of the same group that waited
 * and is now out of the queue, or NULL. */
QueueItem *change_queue_push(ChangeQueue *queue, QueueItem *item);

/* Returns an item that may run now, and counts it as running; NULL if there is none. */
QueueItem *change_queue_next(ChangeQueue *queue);

/* ITEM has ended, or does not want to wait any more. */
void change_queue_remove(ChangeQueue *queue, QueueItem *item);

/* What waits for GROUP; NULL for nothing. */
QueueItem *change_queue_waiting(const ChangeQueue *queue, unsigned group);

/* How many run and are not late. */
unsigned change_queue_count_running(const ChangeQueue *queue);

ChangeQueue *change_queue_free(ChangeQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChangeQueue, change_queue_free)
