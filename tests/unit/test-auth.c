/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What polkit is sent. The other end of a socket pair plays the bus with polkit on it, so that values can be
 * tried that no device here can be named by; everything else is tried with the real ones (tests/service).
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "auth.h"
#include "cleanup.h"
#include "unit.h"

static const CallLimits sizes = { .per_sender = 1, .per_user = 1, .in_all = 1 };

typedef struct Scene {
    sd_bus *bus, *peer;
    sd_bus_message *message;
    CallLimits limits;
    AuthQuestion *question;
    AuthAnswer answer;
    char *refused;
    bool answered;
} Scene;

static sd_bus *bus_of(int fd, bool server)
{
    sd_bus *bus = NULL;
    sd_id128_t id;

    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_fd(bus, fd, fd), 0);
    ck_assert_int_ge(sd_id128_randomize(&id), 0);
    if (server)
        ck_assert_int_ge(sd_bus_set_server(bus, 1, id), 0);
    ck_assert_int_ge(sd_bus_set_anonymous(bus, 1), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    return bus;
}

static void pump(Scene *scene)
{
    for (unsigned i = 0; i < 64; i++) {
        (void) sd_bus_process(scene->bus, NULL);
        (void) sd_bus_flush(scene->bus);
    }
}

static void scene_init(Scene *scene, bool interactive)
{
    int fds[2];

    *scene = (Scene) { 0 };
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    scene->bus = bus_of(fds[0], false);
    scene->peer = bus_of(fds[1], true);
    for (unsigned i = 0;
         i < 64 && (sd_bus_is_ready(scene->bus) <= 0 || sd_bus_is_ready(scene->peer) <= 0); i++) {
        (void) sd_bus_process(scene->bus, NULL);
        (void) sd_bus_process(scene->peer, NULL);
    }
    call_limits_init(&scene->limits, &sizes);
    ck_assert_int_ge(
        sd_bus_message_new_method_call(scene->bus, &scene->message, NULL, "/", NULL, "SetType"), 0);
    ck_assert_int_ge(sd_bus_message_set_sender(scene->message, ":1.7"), 0);
    ck_assert_int_ge(sd_bus_message_set_allow_interactive_authorization(scene->message, interactive), 0);
}

static void scene_clear(Scene *scene)
{
    (void) auth_question_free(scene->question);
    ck_assert_uint_eq(scene->limits.count, 0);
    call_limits_clear(&scene->limits);
    sd_bus_message_unref(scene->message);
    sd_bus_close_unref(scene->bus);
    sd_bus_close_unref(scene->peer);
    g_free(scene->refused);
}

static void on_answer(AuthQuestion *question, AuthAnswer answer, const char *action, void *userdata)
{
    Scene *scene = userdata;

    scene->answer = answer;
    scene->refused = g_strdup(action);
    scene->answered = true;
}

static int ask(Scene *scene, const char *value)
{
    static const char *const actions[] = { "org.example.one", "org.example.two", NULL };
    const AuthDetail details[] = { { "devices", value } };
    const AuthCaller caller = { .message = scene->message, .uid = 1000 };

    return auth_ask(&caller, &scene->limits, actions, details, 1, on_answer, scene, &scene->question);
}

/* The next call that has been sent to the peer with this name. */
static sd_bus_message *next_call(Scene *scene, const char *member)
{
    for (unsigned i = 0; i < 256; i++) {
        sd_bus_message *message = NULL;

        pump(scene);
        (void) sd_bus_process(scene->peer, &message);
        if (message && sd_bus_message_is_method_call(message, NULL, member) > 0)
            return message;
        sd_bus_message_unref(message);
    }
    return NULL;
}

/* A scene in which polkit has been asked: its call. */
static sd_bus_message *begin(Scene *scene)
{
    sd_bus_message *call;

    scene_init(scene, true);
    ck_assert_int_eq(ask(scene, "x"), 0);
    call = next_call(scene, "CheckAuthorization");
    ck_assert_ptr_nonnull(call);
    return call;
}

static char *sent_value(sd_bus_message *call)
{
    const char *key, *value;
    char *copy;

    ck_assert_int_ge(sd_bus_message_skip(call, "(sa{sv})s"), 0);
    ck_assert_int_gt(sd_bus_message_enter_container(call, 'a', "{ss}"), 0);
    ck_assert_int_gt(sd_bus_message_read(call, "{ss}", &key, &value), 0);
    ck_assert_str_eq(key, "devices");
    copy = g_strdup(value);
    ck_assert_int_eq(sd_bus_message_read(call, "{ss}", &key, &value), 0);
    return copy;
}

static char *value_after(const char *value)
{
    g_autoptr(sd_bus_message) call = NULL;
    Scene scene;
    char *sent;

    scene_init(&scene, true);
    ck_assert_int_eq(ask(&scene, value), 0);
    call = next_call(&scene, "CheckAuthorization");
    ck_assert_ptr_nonnull(call);
    sent = sent_value(call);
    scene_clear(&scene);
    return sent;
}

START_TEST(nothing_unprintable_is_sent)
{
    static const char *const values[][2] = {
        { "0000:00:04.0 eth0", "0000:00:04.0 eth0" },
        { "a\nb\rc\td\x1b[1m\x7f", "a b c d [1m " },
        { "quote\"back\\slash'$(devices)", "quote\"back\\slash'$(devices)" },
        { "a\xc2\x85" "b\xc2\x9b" "c", "a b c" },                           /* controls above ASCII */
        { "a\xe2\x80\xae" "b\xe2\x81\xa6" "c\xe2\x80\xa8" "d", "a b c d" }, /* directions, a line's end */
        { "a\xff" "b\xc3(", "a\xef\xbf\xbd" "b\xef\xbf\xbd(" },             /* no UTF-8 */
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "", "" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *sent = value_after(values[i][0]);

        ck_assert_str_eq(sent, values[i][1]);
    }
}
END_TEST

START_TEST(long_values_are_cut)
{
    g_autofree char *whole = g_strnfill(4096, 'x'), *more = g_strnfill(4097, 'x');
    g_autofree char *huge = g_strnfill(65536, '\xff'), *sent_whole = value_after(whole);
    g_autofree char *sent_more = value_after(more), *sent_huge = value_after(huge);

    ck_assert_str_eq(sent_whole, whole);
    ck_assert_uint_eq(strlen(sent_more), 4096);
    ck_assert(g_str_has_suffix(sent_more, "x ..."));
    ck_assert_uint_le(strlen(sent_huge), 4096);
    ck_assert(g_utf8_validate(sent_huge, -1, NULL));
    ck_assert(g_str_has_suffix(sent_huge, " ..."));
}
END_TEST

static void reply(sd_bus_message *call, bool authorised, bool challenge)
{
    sd_bus *peer = sd_bus_message_get_bus(call);

    ck_assert_int_ge(sd_bus_reply_method_return(call, "(bba{ss})", authorised, challenge, 0), 0);
    ck_assert_int_ge(sd_bus_flush(peer), 0);
}

START_TEST(each_action_is_asked_for_in_turn)
{
    g_autoptr(sd_bus_message) first = NULL, second = NULL;
    Scene scene;

    first = begin(&scene);
    reply(first, true, false);
    second = next_call(&scene, "CheckAuthorization");
    ck_assert_ptr_nonnull(second);
    ck_assert(!scene.answered);
    reply(second, false, false);
    pump(&scene);
    ck_assert(scene.answered);
    ck_assert_int_eq(scene.answer, AUTH_NO);
    ck_assert_str_eq(scene.refused, "org.example.two");
    scene_clear(&scene);
}
END_TEST

/* A yes to CALL, which has been given up: it has nobody to reach. polkit has never been told, and could not
 * be. */
static void say_yes_in_vain(Scene *scene, sd_bus_message *call)
{
    g_autoptr(sd_bus_message) cancelled = NULL;
    const char *cancellation;

    scene->answered = false;
    reply(call, true, false);
    cancelled = next_call(scene, NULL);
    ck_assert_ptr_null(cancelled);
    ck_assert(!scene->answered);
    ck_assert_int_ge(sd_bus_message_rewind(call, true), 0);
    ck_assert_int_ge(sd_bus_message_skip(call, "(sa{sv})sa{ss}u"), 0);
    ck_assert_int_gt(sd_bus_message_read(call, "s", &cancellation), 0);
    ck_assert_str_eq(cancellation, "");
}

START_TEST(no_answer_in_time_is_a_no)
{
    g_autoptr(sd_bus_message) call = NULL;
    Scene scene;

    call = begin(&scene);
    ck_assert_int_ge(sd_bus_reply_method_errorf(call, SD_BUS_ERROR_NO_REPLY, "too late"), 0);
    ck_assert_int_ge(sd_bus_flush(scene.peer), 0);
    pump(&scene);
    ck_assert(scene.answered);
    ck_assert_int_eq(scene.answer, AUTH_NO);
    say_yes_in_vain(&scene, call);
    scene_clear(&scene);
}
END_TEST

static void tell_that_sender_is_gone(Scene *scene)
{
    g_autoptr(sd_bus_message) gone = NULL;

    ck_assert_int_ge(sd_bus_message_new_signal(scene->peer, &gone, "/org/freedesktop/DBus",
                                               "org.freedesktop.DBus", "NameOwnerChanged"), 0);
    ck_assert_int_ge(sd_bus_message_set_sender(gone, "org.freedesktop.DBus"), 0);
    ck_assert_int_ge(sd_bus_message_append(gone, "sss", ":1.7", ":1.7", ""), 0);
    ck_assert_int_ge(sd_bus_send(scene->peer, gone, NULL), 0);
    ck_assert_int_ge(sd_bus_flush(scene->peer), 0);
}

START_TEST(a_sender_that_is_gone_is_not_answered)
{
    g_autoptr(sd_bus_message) call = NULL;
    Scene scene;

    call = begin(&scene);
    tell_that_sender_is_gone(&scene);
    pump(&scene);
    ck_assert(scene.answered);
    ck_assert_int_eq(scene.answer, AUTH_CALLER_GONE);
    scene.question = auth_question_free(scene.question);
    say_yes_in_vain(&scene, call);
    scene_clear(&scene);
}
END_TEST

START_TEST(a_question_that_is_given_up_is_silent)
{
    g_autoptr(sd_bus_message) call = NULL;
    Scene scene;

    call = begin(&scene);
    scene.question = auth_question_free(scene.question);
    say_yes_in_vain(&scene, call);
    scene_clear(&scene);
}
END_TEST

START_TEST(only_dialogs_take_a_place)
{
    AuthQuestion *other = NULL;
    Scene scene;

    scene_init(&scene, false);
    ck_assert_int_eq(ask(&scene, "x"), 0);
    ck_assert_uint_eq(scene.limits.count, 0);
    scene_clear(&scene);

    scene_init(&scene, true);
    ck_assert_int_eq(ask(&scene, "x"), 0);
    other = g_steal_pointer(&scene.question);
    ck_assert_int_eq(ask(&scene, "x"), -EDQUOT);
    ck_assert_ptr_null(scene.question);
    (void) auth_question_free(other);
    ck_assert_int_eq(ask(&scene, "x"), 0);
    scene_clear(&scene);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("auth");

    tcase_add_test(cases, nothing_unprintable_is_sent);
    tcase_add_test(cases, long_values_are_cut);
    tcase_add_test(cases, each_action_is_asked_for_in_turn);
    tcase_add_test(cases, no_answer_in_time_is_a_no);
    tcase_add_test(cases, a_sender_that_is_gone_is_not_answered);
    tcase_add_test(cases, a_question_that_is_given_up_is_silent);
    tcase_add_test(cases, only_dialogs_take_a_place);
    return unit_run("auth", cases);
}
