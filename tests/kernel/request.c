/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include <errno.h>
#include <signal.h>

#include "command.h"
#include "fault.h"

static const char *const kinds[_REQUEST_MAX] = {
    [REQUEST_OPEN] = "open",         [REQUEST_OPENDIR] = "opendir",   [REQUEST_CREATE] = "create",
    [REQUEST_READ] = "read",         [REQUEST_WRITE] = "write",       [REQUEST_TRUNCATE] = "truncate",
    [REQUEST_RENAME] = "rename",     [REQUEST_UNLINK] = "unlink",     [REQUEST_RMDIR] = "rmdir",
    [REQUEST_MKDIR] = "mkdir",       [REQUEST_READLINK] = "readlink", [REQUEST_SYMLINK] = "symlink",
    [REQUEST_CHMOD] = "chmod",       [REQUEST_FSYNC] = "fsync",
};

const char *request_kind_to_string(RequestKind kind)
{
    return kinds[kind];
}

RequestKind request_kind_from_string(const char *word)
{
    for (int kind = 0; kind < _REQUEST_MAX; kind++)
        if (g_str_equal(kinds[kind], word))
            return kind;
    return _REQUEST_INVALID;
}

char *request_path(const Request *request)
{
    g_autofree char *path = node_path(request->node);

    return request->name ? g_build_filename(path, request->name, NULL) : g_steal_pointer(&path);
}

static void request_free(Request *request)
{
    Tree *tree = request->machine->tree;

    request->node->users--;
    tree_release(tree, request->node);
    if (request->other) {
        request->other->users--;
        tree_release(tree, request->other);
    }
    (void) sd_event_source_disable_unref(request->timer);
    if (request->answer)
        g_string_free(request->answer, TRUE);
    g_free(request->name);
    g_free(request->other_name);
    g_free(request->bytes);
    g_free(request);
}

static void finish(Request *request, bool killed)
{
    if (request->entry) {
        request->entry->result = request->result;
        request->entry->killed = killed;
    }
    request->reply(request, request->result);
    request_free(request);
}

static int on_delay(sd_event_source *source, uint64_t usec, void *data)
{
    request_go_on(data);
    return 0;
}

/* Applies the rule. True if the request is kept or ended by it. */
static bool act(Request *request)
{
    Faults *faults = request->machine->faults;
    Rule *rule = g_steal_pointer(&request->rule);

    faults_fired(faults, rule);
    switch (rule->action) {
    case RULE_FAIL:
        request->result = -rule->error;
        finish(request, false);
        return true;
    case RULE_KILL:
        (void) kill(request->pid, SIGKILL);
        if (!request->performed)
            request->result = -EINTR;
        finish(request, true);
        return true;
    case RULE_DELAY:
        (void) sd_event_add_time_relative(request->machine->event, &request->timer, CLOCK_MONOTONIC,
                                          rule->delay_ms * 1000ULL, 1, on_delay, request);
        return true;
    case RULE_BLOCK:
        if (rule->retired)
            return false;
        faults_block(faults, rule, request);
        return true;
    case RULE_DO:
        command_run_quietly(request->machine, rule->command);
        return false;
    }
    return false;
}

void request_complete(Request *request, int result)
{
    request->performed = true;
    request->result = result;
    if (request->rule && act(request))
        return;
    finish(request, false);
}

void request_perform(Request *request)
{
    int r = request->perform(request);

    if (r <= 0)
        request_complete(request, r);
}

void request_go_on(Request *request)
{
    if (request->performed)
        finish(request, false);
    else
        request_perform(request);
}

void request_submit(Request *request)
{
    Faults *faults = request->machine->faults;

    request->node->users++;
    if (request->other)
        request->other->users++;
    if (faults_watches(faults, request->pid)) {
        request->entry = faults_log(faults, request);
        request->rule = faults_match(faults, request);
    }
    if (request->rule && !request->rule->after && act(request))
        return;
    request_perform(request);
}
