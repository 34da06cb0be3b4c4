/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refusal-rate.h"

#include <stdbool.h>

#define MINUTE (60 * G_GUINT64_CONSTANT(1000000))

typedef struct User {
    uint64_t since;
    unsigned told;
    bool limit_told;
} User;

struct RefusalRate {
    GHashTable *users; /* uid -> User */
};

RefusalRate *refusal_rate_new(void)
{
    RefusalRate *rate = g_new0(RefusalRate, 1);

    rate->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return rate;
}

RefusalRate *refusal_rate_free(RefusalRate *rate)
{
    if (!rate)
        return NULL;
    g_hash_table_unref(rate->users);
    g_free(rate);
    return NULL;
}

static gboolean is_over(gpointer key, gpointer value, gpointer now)
{
    return *(const uint64_t *) now - ((const User *) value)->since >= MINUTE;
}

static User *find_user(RefusalRate *rate, uid_t uid, uint64_t now)
{
    User *user = g_hash_table_lookup(rate->users, GUINT_TO_POINTER(uid));

    if (user && !is_over(NULL, user, &now))
        return user;
    (void) g_hash_table_foreach_remove(rate->users, is_over, &now);
    user = g_new0(User, 1);
    user->since = now;
    g_hash_table_insert(rate->users, GUINT_TO_POINTER(uid), user);
    return user;
}

RefusalRoom refusal_rate_take(RefusalRate *rate, uid_t uid, RefusalCode code, uint64_t now)
{
    User *user = find_user(rate, uid, now);

    if (code == REFUSAL_TOO_MANY_CALLS && user->limit_told)
        return REFUSAL_ROOM_NONE;
    if (uid != 0 && user->told >= REFUSAL_RATE_MAX)
        return REFUSAL_ROOM_NONE;
    user->limit_told |= code == REFUSAL_TOO_MANY_CALLS;
    user->told++;
    return uid != 0 && user->told == REFUSAL_RATE_MAX ? REFUSAL_ROOM_LAST : REFUSAL_ROOM_MORE;
}

void refusal_rate_forget(RefusalRate *rate, uid_t uid)
{
    (void) g_hash_table_remove(rate->users, GUINT_TO_POINTER(uid));
}
