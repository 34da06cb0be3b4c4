/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <errno.h>

#include "diagnostic.h"
#include "log.h"
#include "record.h"
#include "settings.h"
#include "transaction.h"

static void no_step(const char *step, uint64_t limit_usec, void *userdata)
{
}

static int recover_one(int root_fd, const char *key, const ChangeLimits *limits)
{
    g_autoptr(ChangeResult) result = NULL;
    g_autofree char *text = NULL;
    int r = transaction_recover(root_fd, key, limits, no_step, NULL, &result);

    if (r == -EWOULDBLOCK) {
        log_info("%s: its worker still runs and finishes by itself", key);
        return 0;
    }
    if (r == -ENOENT)
        return 0;
    if (r < 0) {
        log_error("%s: record not recovered: %s", key,
                  result && result->detail ? result->detail : g_strerror(-r));
        return -EIO;
    }
    if (result->code == REFUSAL_NONE) {
        log_notice("%s: recovered from an interrupted change", key);
        return 0;
    }
    text = refusal_text(result->code, result->object ?: key, NULL, result->detail);
    log_error("%s", text);
    return -EIO;
}

int recover_all(int root_fd)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_auto(GStrv) keys = NULL;
    Settings settings;
    int r, result = 0;

    settings_set_defaults(&settings);
    (void) settings_load(root_fd, &settings, diagnostics); /* what is wrong in it, the daemon has said */
    r = record_list(root_fd, &keys);
    if (r < 0)
        return r;
    for (char **key = keys; *key; key++)
        if (recover_one(root_fd, *key, &settings.limits) < 0)
            result = -EIO;
    return result;
}
