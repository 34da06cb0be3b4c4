/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-queue.h"

#include "managed-device.h"

struct ChangeQueue {
    GPtrArray *waiting; /* QueueItem, in order; borrowed */
    GPtrArray *running; /* QueueItem; borrowed */
};

void queue_item_clear(QueueItem *item)
{
    g_clear_pointer(&item->syspaths, g_strfreev);
    g_clear_pointer(&item->names, g_strfreev);
    g_clear_pointer(&item->relatives, g_strfreev);
}

static bool any_in(char **words, char **list)
{
    for (char **word = words; word && *word; word++)
        if (list && g_strv_contains((const char *const *) list, *word))
            return true;
    return false;
}

static bool any_below(char **paths, char **ancestors)
{
    for (char **path = paths; path && *path; path++)
        for (char **ancestor = ancestors; ancestor && *ancestor; ancestor++)
            if (syspath_is_below(*path, *ancestor))
                return true;
    return false;
}

bool queue_items_related(const QueueItem *a, const QueueItem *b)
{
    return a->group == b->group || any_in(a->relatives, b->names) || any_in(b->relatives, a->names) ||
        any_below(a->syspaths, b->syspaths) || any_below(b->syspaths, a->syspaths);
}

ChangeQueue *change_queue_new(void)
{
    ChangeQueue *queue = g_new0(ChangeQueue, 1);

    queue->waiting = g_ptr_array_new();
    queue->running = g_ptr_array_new();
    return queue;
}

QueueItem *change_queue_push(ChangeQueue *queue, QueueItem *item)
{
    QueueItem *older = change_queue_waiting(queue, item->group);
    guint at = queue->waiting->len;

    if (older && older->by_rule)
        g_ptr_array_remove(queue->waiting, older);
    else
        older = NULL;
    if (item->first)
        for (at = 0; at < queue->waiting->len; at++)
            if (!((const QueueItem *) queue->waiting->pdata[at])->first)
                break;
    g_ptr_array_insert(queue->waiting, (int) MIN(at, queue->waiting->len), item);
    return older;
}

static bool may_run(const ChangeQueue *queue, const QueueItem *item)
{
    for (guint i = 0; i < queue->running->len; i++)
        if (queue_items_related(item, queue->running->pdata[i]))
            return false;
    return true;
}

QueueItem *change_queue_next(ChangeQueue *queue)
{
    if (change_queue_count_running(queue) >= CHANGES_AT_ONCE)
        return NULL;
    for (guint i = 0; i < queue->waiting->len; i++) {
        QueueItem *item = queue->waiting->pdata[i];

        if (!may_run(queue, item))
            continue;
        g_ptr_array_remove_index(queue->waiting, i);
        g_ptr_array_add(queue->running, item);
        return item;
    }
    return NULL;
}

void change_queue_remove(ChangeQueue *queue, QueueItem *item)
{
    if (!g_ptr_array_remove(queue->waiting, item))
        g_ptr_array_remove(queue->running, item);
}

static QueueItem *find(const GPtrArray *items, unsigned group)
{
    for (guint i = 0; i < items->len; i++)
        if (((QueueItem *) items->pdata[i])->group == group)
            return items->pdata[i];
    return NULL;
}

QueueItem *change_queue_waiting(const ChangeQueue *queue, unsigned group)
{
    return find(queue->waiting, group);
}

unsigned change_queue_count_running(const ChangeQueue *queue)
{
    unsigned count = 0;

    for (guint i = 0; i < queue->running->len; i++)
        count += !((const QueueItem *) queue->running->pdata[i])->late;
    return count;
}

ChangeQueue *change_queue_free(ChangeQueue *queue)
{
    if (!queue)
        return NULL;
    g_ptr_array_unref(queue->waiting);
    g_ptr_array_unref(queue->running);
    g_free(queue);
    return NULL;
}
