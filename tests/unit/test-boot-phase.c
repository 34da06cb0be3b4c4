/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "boot-phase.h"
#include "unit.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"

/* A systemd at the other end of a socket: it answers what is asked for, and says what happens. */
typedef struct Scene {
    sd_event *event;
    sd_bus *ours, *systemd;
    BootPhase *phase;
    const char *state; /* NULL: it does not answer */
    uint32_t jobs;
    unsigned asked;    /* for the state */
    unsigned told;     /* that a phase has ended */
} Scene;

static int answer_get(Scene *scene, sd_bus_message *message)
{
    const char *interface, *property;

    ck_assert_int_ge(sd_bus_message_read(message, "ss", &interface, &property), 0);
    ck_assert_str_eq(interface, SYSTEMD_INTERFACE);
    if (!scene->state)
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_SERVICE_UNKNOWN, "nobody there");
    if (g_str_equal(property, "NJobs"))
        return sd_bus_reply_method_return(message, "v", "u", scene->jobs);
    ck_assert_str_eq(property, "SystemState");
    scene->asked++;
    return sd_bus_reply_method_return(message, "v", "s", scene->state);
}

static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    int r;

    if (sd_bus_message_is_method_call(message, SYSTEMD_INTERFACE, "Subscribe"))
        r = sd_bus_reply_method_return(message, NULL);
    else if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Get"))
        r = answer_get(userdata, message);
    else
        return 0;
    ck_assert_int_ge(r, 0);
    return 1;
}

static void on_phase(void *userdata)
{
    ((Scene *) userdata)->told++;
}

static sd_bus *open_bus(sd_event *event, int fd, bool server)
{
    sd_bus *bus;

    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_fd(bus, fd, fd), 0);
    if (server)
        ck_assert_int_ge(sd_bus_set_server(bus, true, SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08,
                                                                    09, 10, 11, 12, 13, 14, 15, 16)), 0);
    ck_assert_int_ge(sd_bus_set_anonymous(bus, true), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    ck_assert_int_ge(sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL), 0);
    return bus;
}

/* Until neither side has anything left to do. */
static void run(Scene *scene)
{
    uint64_t nothing = 0;

    while (nothing < 3)
        nothing = sd_event_run(scene->event, 0) > 0 ? 0 : nothing + 1;
}

static Scene *scene_new(const char *state, uint32_t jobs)
{
    Scene *scene = g_new0(Scene, 1);
    int fds[2];

    scene->state = state;
    scene->jobs = jobs;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_ge(sd_event_new(&scene->event), 0);
    scene->ours = open_bus(scene->event, fds[0], false);
    scene->systemd = open_bus(scene->event, fds[1], true);
    ck_assert_int_ge(sd_bus_add_filter(scene->systemd, NULL, on_call, scene), 0);
    ck_assert_int_eq(boot_phase_new(scene->ours, on_phase, scene, &scene->phase), 0);
    run(scene);
    return scene;
}

static void scene_free(Scene *scene)
{
    (void) boot_phase_free(scene->phase);
    sd_bus_flush_close_unref(scene->ours);
    sd_bus_flush_close_unref(scene->systemd);
    sd_event_unref(scene->event);
    g_free(scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

/* What SENDER says, without arguments that anybody reads. */
static void say(Scene *scene, const char *sender, const char *path, const char *interface,
                const char *member, const char *types, ...)
{
    sd_bus_message *message;
    va_list arguments;

    ck_assert_int_ge(sd_bus_message_new_signal(scene->systemd, &message, path, interface, member), 0);
    ck_assert_int_ge(sd_bus_message_set_sender(message, sender), 0);
    va_start(arguments, types);
    ck_assert_int_ge(sd_bus_message_appendv(message, types, arguments), 0);
    va_end(arguments);
    ck_assert_int_ge(sd_bus_send(scene->systemd, message, NULL), 0);
    sd_bus_message_unref(message);
    run(scene);
}

static void end_job(Scene *scene)
{
    say(scene, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_INTERFACE, "JobRemoved", "uoss", 1, SYSTEMD_PATH "/job/1",
        "a.mount", "done");
}

static void finish_startup(Scene *scene)
{
    say(scene, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_INTERFACE, "StartupFinished", "tttttt", 0, 0, 0, 0, 0, 0);
}

START_TEST(states)
{
    static const struct {
        const char *state;
        uint32_t jobs;
        bool running;
    } rows[] = {
        { "initializing", 0, false },
        { "initializing", 9, false },
        { "starting", 1, false },
        { "starting", 0, false },
        { "running", 0, true },
        { "running", 1, false },
        { "degraded", 0, true },
        { "degraded", 3, false },
        { "maintenance", 0, false },
        { "maintenance", 2, false },
        { "stopping", 0, false },
        { "a word of a later systemd", 0, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new(rows[i].state, rows[i].jobs);

        ck_assert_msg(boot_phase_is_running(scene->phase) == rows[i].running, "%s, %u jobs", rows[i].state,
                      rows[i].jobs);
    }
}
END_TEST

START_TEST(an_ordinary_boot)
{
    g_autoptr(Scene) scene = scene_new("starting", 20);

    /* Jobs end all the time: systemd says when the last has. */
    end_job(scene);
    ck_assert_uint_eq(scene->asked, 1);
    scene->state = "degraded";
    scene->jobs = 0;
    finish_startup(scene);
    ck_assert(boot_phase_is_running(scene->phase));
    ck_assert_uint_eq(scene->told, 1);

    /* Over is over, and nobody is woken for jobs any more. */
    scene->jobs = 5;
    end_job(scene);
    ck_assert_uint_eq(scene->asked, 2);
    ck_assert(boot_phase_is_running(scene->phase));
}
END_TEST

START_TEST(through_the_emergency_shell)
{
    g_autoptr(Scene) scene = scene_new("starting", 20);

    scene->state = "maintenance";
    scene->jobs = 0;
    finish_startup(scene);
    ck_assert(!boot_phase_is_running(scene->phase));

    /* systemctl default: file systems are mounted now, in what is called running. */
    scene->state = "running";
    scene->jobs = 2;
    end_job(scene);
    ck_assert(!boot_phase_is_running(scene->phase));
    scene->jobs = 1;
    end_job(scene);
    ck_assert(!boot_phase_is_running(scene->phase));
    scene->jobs = 0;
    end_job(scene);
    ck_assert(boot_phase_is_running(scene->phase));
    ck_assert_uint_eq(scene->told, 1);
}
END_TEST

/* The job that starts the daemon has ended between the question and the match for its end. */
START_TEST(no_end_of_a_job_is_missed)
{
    g_autoptr(Scene) scene = scene_new("running", 1);

    ck_assert_uint_eq(scene->asked, 2);
    scene->jobs = 0;
    end_job(scene);
    ck_assert(boot_phase_is_running(scene->phase));
}
END_TEST

START_TEST(shutdown_of_the_machine)
{
    g_autoptr(Scene) scene = scene_new("running", 0);
    const char *logind = "org.freedesktop.login1", *path = "/org/freedesktop/login1";

    say(scene, logind, path, "org.freedesktop.login1.Manager", "PrepareForShutdown", "b", 1);
    ck_assert(!boot_phase_is_running(scene->phase));
    say(scene, logind, path, "org.freedesktop.login1.Manager", "PrepareForShutdown", "b", 0);
    ck_assert(boot_phase_is_running(scene->phase));
    ck_assert_uint_eq(scene->told, 3);
}
END_TEST

START_TEST(systemd_is_not_there_yet)
{
    g_autoptr(Scene) scene = scene_new(NULL, 0);

    if (sd_booted() <= 0) {
        ck_assert(boot_phase_is_running(scene->phase)); /* it will never be */
        return;
    }
    ck_assert(!boot_phase_is_running(scene->phase));
    scene->state = "running";
    say(scene, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
        "sss", SYSTEMD_NAME, "", ":1.2");
    ck_assert(boot_phase_is_running(scene->phase));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("boot-phase");

    tcase_add_test(cases, states);
    tcase_add_test(cases, an_ordinary_boot);
    tcase_add_test(cases, through_the_emergency_shell);
    tcase_add_test(cases, no_end_of_a_job_is_missed);
    tcase_add_test(cases, shutdown_of_the_machine);
    tcase_add_test(cases, systemd_is_not_there_yet);
    return unit_run("boot-phase", cases);
}
