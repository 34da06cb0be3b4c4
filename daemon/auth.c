/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auth.h"

#include <glib.h>

#include "cleanup.h"
#include "plain-text.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_INTERACTION 1u

#define USEC_PER_SEC G_GUINT64_CONSTANT(1000000)
#define PERSON_TIMEOUT (5 * 60 * USEC_PER_SEC)
#define VALUE_MAX 4096

/*
 * polkit is asked without a cancellation id, so it can never be told to cancel: it closes a dialog by itself
 * when the one it is about leaves the bus, or we do. CancelCheckAuthorization would lock polkit 122 up for
 * good if the agent's answer comes in the same moment: its main thread holds the GCancellable and waits for
 * the GDBusConnection, the thread that delivers the answer the other way round. docs/authorisation.md has
 * the rest of it.
 */
#define NO_CANCELLATION ""

/* The sender is watched while polkit is asked, once for each action: nothing is done for a program that is
 * gone. */
struct AuthQuestion {
    sd_bus_message *message;
    char **actions;
    size_t next;        /* the action that is asked now */
    GPtrArray *details; /* key, value, key, value ... */
    CallPlace *place;   /* of a question that may open a dialog, or NULL */
    AuthCallback callback;
    void *userdata;
    sd_bus_slot *slot;
    sd_bus_slot *gone_slot;
};

static void ask_next(AuthQuestion *question);

static void answer(AuthQuestion *question, AuthAnswer yes_or_no)
{
    const char *action = question->actions[question->next];

    CLEAR_SLOT(question->slot);
    CLEAR_SLOT(question->gone_slot);
    question->callback(question, yes_or_no, action, question->userdata);
}

static int append_details(sd_bus_message *ask, const GPtrArray *details)
{
    int r = sd_bus_message_open_container(ask, 'a', "{ss}");

    for (guint i = 0; r >= 0 && i < details->len; i += 2)
        r = sd_bus_message_append(ask, "{ss}", details->pdata[i], details->pdata[i + 1]);
    return r < 0 ? r : sd_bus_message_close_container(ask);
}

static int on_polkit(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    AuthQuestion *question = userdata;
    int authorized, challenge, r;

    CLEAR_SLOT(question->slot);
    /* Whatever goes wrong here is a no: polkit absent, or no answer in time. */
    if (sd_bus_message_is_method_error(reply, NULL)) {
        answer(question, AUTH_NO);
        return 0;
    }
    r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
    if (r >= 0)
        r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
    if (r < 0)
        answer(question, AUTH_NO);
    else if (!authorized)
        answer(question, challenge ? AUTH_INTERACTION_REQUIRED : AUTH_NO);
    else {
        question->next++;
        ask_next(question);
    }
    return 0;
}

static int ask_polkit(AuthQuestion *question)
{
    g_autoptr(sd_bus_message) ask = NULL;
    sd_bus *bus = sd_bus_message_get_bus(question->message);
    unsigned flags = sd_bus_message_get_allow_interactive_authorization(question->message) > 0
        ? POLKIT_ALLOW_INTERACTION : 0;
    int r;

    r = sd_bus_message_new_method_call(bus, &ask, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                       "CheckAuthorization");
    if (r < 0)
        return r;
    r = sd_bus_message_append(ask, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                              sd_bus_message_get_sender(question->message),
                              question->actions[question->next]);
    if (r >= 0)
        r = append_details(ask, question->details);
    if (r >= 0)
        r = sd_bus_message_append(ask, "us", flags, NO_CANCELLATION);
    if (r < 0)
        return r;
    return sd_bus_call_async(bus, &question->slot, ask, on_polkit, question, PERSON_TIMEOUT);
}

static void ask_next(AuthQuestion *question)
{
    if (!question->actions[question->next])
        answer(question, AUTH_YES);
    else if (ask_polkit(question) < 0)
        answer(question, AUTH_NO);
}

static int on_name_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    AuthQuestion *question = userdata;
    const char *new_owner;

    if (sd_bus_message_read(message, "sss", NULL, NULL, &new_owner) < 0 || *new_owner)
        return 0;
    answer(question, AUTH_CALLER_GONE);
    return 0;
}

static int watch_sender(AuthQuestion *question)
{
    g_autofree char *match = g_strdup_printf(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
        "member='NameOwnerChanged',arg0='%s'", sd_bus_message_get_sender(question->message));

    return sd_bus_add_match_async(sd_bus_message_get_bus(question->message), &question->gone_slot, match,
                                  on_name_owner, NULL, question);
}

/* Values reach a dialog that a person believes: nobody who names a device may write lines of it, turn the
 * direction of its letters, or push the end out of sight unseen. */
static GPtrArray *copy_details(const AuthDetail *details, size_t n_details)
{
    GPtrArray *copy = g_ptr_array_new_with_free_func(g_free);

    for (size_t i = 0; i < n_details; i++) {
        g_ptr_array_add(copy, g_strdup(details[i].key));
        g_ptr_array_add(copy, plain_text(details[i].value, VALUE_MAX));
    }
    return copy;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthQuestion, auth_question_free)

static int take_place(AuthQuestion *question, CallLimits *limits, uid_t uid)
{
    int r;

    if (sd_bus_message_get_allow_interactive_authorization(question->message) <= 0)
        return 0;
    r = call_limits_enter(limits, sd_bus_message_get_sender(question->message), &question->place);
    return r < 0 ? r : call_place_identify(question->place, uid);
}

int auth_ask(const AuthCaller *caller, CallLimits *limits, const char *const *actions,
             const AuthDetail *details, size_t n_details, AuthCallback callback, void *userdata,
             AuthQuestion **ret)
{
    g_autoptr(AuthQuestion) question = g_new0(AuthQuestion, 1);
    int r;

    question->message = sd_bus_message_ref(caller->message);
    question->actions = g_strdupv((char **) actions);
    question->details = copy_details(details, n_details);
    question->callback = callback;
    question->userdata = userdata;

    r = take_place(question, limits, caller->uid);
    if (r >= 0)
        r = watch_sender(question);
    if (r >= 0)
        r = ask_polkit(question);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&question);
    return 0;
}

AuthQuestion *auth_question_free(AuthQuestion *question)
{
    if (!question)
        return NULL;
    CLEAR_SLOT(question->slot);
    CLEAR_SLOT(question->gone_slot);
    (void) call_place_free(question->place);
    sd_bus_message_unref(question->message);
    g_strfreev(question->actions);
    g_ptr_array_unref(question->details);
    g_free(question);
    return NULL;
}
