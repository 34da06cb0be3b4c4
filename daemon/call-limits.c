/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-limits.h"

#include <errno.h>
#include <stdbool.h>

struct CallPlace {
    CallLimits *limits;
    char *sender;
    bool identified;
    uid_t uid;
};

void call_limits_init(CallLimits *limits, const CallLimits *sizes)
{
    *limits = (CallLimits) {
        .per_sender = sizes->per_sender,
        .per_user = sizes->per_user,
        .in_all = sizes->in_all,
        .for_root = sizes->for_root,
        .senders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .users = g_hash_table_new(NULL, NULL),
    };
}

void call_limits_clear(CallLimits *limits)
{
    g_clear_pointer(&limits->senders, g_hash_table_unref);
    g_clear_pointer(&limits->users, g_hash_table_unref);
}

char *call_limits_text(const CallLimits *limits)
{
    return g_strdup_printf("at most %u of one connection, %u of one user, %u in all, %u of them for root",
                           limits->per_sender, limits->per_user, limits->in_all, limits->for_root);
}

static unsigned count_of(GHashTable *table, const void *key)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(table, key));
}

int call_limits_enter(CallLimits *limits, const char *sender, CallPlace **ret)
{
    unsigned count = count_of(limits->senders, sender ?: "");
    CallPlace *place;

    if (count >= limits->per_sender)
        return -EDQUOT;
    g_hash_table_replace(limits->senders, g_strdup(sender ?: ""), GUINT_TO_POINTER(count + 1));
    place = g_new0(CallPlace, 1);
    place->limits = limits;
    place->sender = g_strdup(sender ?: "");
    *ret = place;
    return 0;
}

int call_place_identify(CallPlace *place, uid_t uid)
{
    CallLimits *limits = place->limits;
    unsigned count = count_of(limits->users, GUINT_TO_POINTER(uid));

    if (limits->count >= limits->in_all)
        return -EDQUOT;
    if (uid != 0 && (count >= limits->per_user ||
                     limits->count - limits->of_root >= limits->in_all - limits->for_root))
        return -EDQUOT;
    g_hash_table_insert(limits->users, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(count + 1));
    limits->count++;
    limits->of_root += uid == 0;
    place->identified = true;
    place->uid = uid;
    return 0;
}

static void leave_user(CallLimits *limits, uid_t uid)
{
    unsigned count = count_of(limits->users, GUINT_TO_POINTER(uid));

    if (count > 1)
        g_hash_table_insert(limits->users, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(count - 1));
    else
        g_hash_table_remove(limits->users, GUINT_TO_POINTER(uid));
    limits->count--;
    limits->of_root -= uid == 0;
}

CallPlace *call_place_free(CallPlace *place)
{
    CallLimits *limits;
    unsigned count;

    if (!place)
        return NULL;
    limits = place->limits;
    if (place->identified)
        leave_user(limits, place->uid);
    count = count_of(limits->senders, place->sender);
    if (count > 1)
        g_hash_table_replace(limits->senders, g_strdup(place->sender), GUINT_TO_POINTER(count - 1));
    else
        g_hash_table_remove(limits->senders, place->sender);
    g_free(place->sender);
    g_free(place);
    return NULL;
}
