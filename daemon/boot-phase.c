/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-phase.h"

#include <systemd/sd-daemon.h>

#include "cleanup.h"
#include "log.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"

struct BootPhase {
    BootPhaseCallback callback;
    void *userdata;
    bool started;
    bool stopping;
    sd_bus *bus; /* outlives us */
    sd_bus_slot *owner_slot;
    sd_bus_slot *state_slot; /* the question that has not been answered, if there is one */
    bool ask_again;          /* something has happened since it was asked */
    sd_bus_slot *subscribe_slot;
    sd_bus_slot *finished_slot;
    sd_bus_slot *job_slot;   /* only while jobs are waited for */
    sd_bus_slot *shutdown_slot;
};

static int ask(BootPhase *phase);

static void set_phase(BootPhase *phase, bool started, bool stopping)
{
    if (phase->started == started && phase->stopping == stopping)
        return;
    phase->started = started;
    phase->stopping = stopping;
    phase->callback(phase->userdata);
}

/* Nobody is woken by the jobs of a machine that has started. */
static void set_started(BootPhase *phase)
{
    CLEAR_SLOT(phase->job_slot);
    set_phase(phase, true, phase->stopping);
}

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    return ask(userdata);
}

/*
 * systemd says "running" or "degraded" from the first time on that it had nothing to do, and that may have
 * been the emergency shell: who leaves that has file systems mounted and disks opened in a "running" system.
 * So jobs are waited for, too, our own start among them. Asked once more with the match in place: what ended
 * before it was not heard of.
 */
static int wait_for_jobs(BootPhase *phase)
{
    int r;

    if (phase->job_slot)
        return 0;
    r = sd_bus_match_signal_async(phase->bus, &phase->job_slot, SYSTEMD_NAME, SYSTEMD_PATH,
                                  SYSTEMD_INTERFACE, "JobRemoved", on_job_removed, NULL, phase);
    return r < 0 ? r : ask(phase);
}

static int get(BootPhase *phase, const char *property, sd_bus_message_handler_t handler)
{
    return sd_bus_call_method_async(phase->bus, &phase->state_slot, SYSTEMD_NAME, SYSTEMD_PATH,
                                    "org.freedesktop.DBus.Properties", "Get", handler, phase, "ss",
                                    SYSTEMD_INTERFACE, property);
}

static int on_no_answer(BootPhase *phase, const sd_bus_error *error)
{
    if (sd_booted() <= 0) {
        log_info("there is no systemd: start-up counts as finished");
        set_started(phase);
        return 0;
    }
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
        return ask(phase);
    /* Early in a boot systemd is not on the bus yet: then it is asked again when it comes. */
    log_notice("systemd does not answer on the bus: rules unbind nothing until it does");
    return 0;
}

/* The question is answered. Returns true if there is a newer one. */
static bool is_outdated(BootPhase *phase)
{
    CLEAR_SLOT(phase->state_slot);
    if (!phase->ask_again)
        return false;
    (void) ask(phase);
    return true;
}

static int on_jobs(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    BootPhase *phase = userdata;
    uint32_t jobs;

    if (is_outdated(phase))
        return 0;
    if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_enter_container(reply, 'v', "u") < 0 ||
        sd_bus_message_read(reply, "u", &jobs) < 0)
        return on_no_answer(phase, sd_bus_message_get_error(reply));
    if (jobs > 0)
        return wait_for_jobs(phase);
    set_started(phase);
    return 0;
}

/* systemctl(1), is-system-running. In "maintenance" somebody repairs the machine in a shell, and its disks
 * only look idle; "degraded" is a start-up that has finished, with failures. */
static int on_state(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    BootPhase *phase = userdata;
    const char *state;

    if (is_outdated(phase))
        return 0;
    if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_enter_container(reply, 'v', "s") < 0 ||
        sd_bus_message_read(reply, "s", &state) < 0)
        return on_no_answer(phase, sd_bus_message_get_error(reply));
    if (g_str_equal(state, "stopping"))
        set_phase(phase, phase->started, true);
    else if (phase->started)
        return 0;
    else if (g_str_equal(state, "running") || g_str_equal(state, "degraded"))
        return get(phase, "NJobs", on_jobs);
    else if (g_str_equal(state, "maintenance"))
        return wait_for_jobs(phase);
    return 0;
}

/* The emergency shell is a start-up that has finished, too. */
static int on_startup_finished(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    return ask(userdata);
}

static int on_prepare_for_shutdown(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    BootPhase *phase = userdata;
    int begins;

    if (sd_bus_message_read(message, "b", &begins) >= 0)
        set_phase(phase, phase->started, begins);
    return 0;
}

/* systemd sends its signals only while somebody has subscribed; whether that worked shows in the state asked
 * after it. */
static int on_subscribed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return 0;
}

/* One question at a time: of what comes in a burst, the last answer counts. */
static int ask(BootPhase *phase)
{
    phase->ask_again = phase->state_slot != NULL;
    return phase->ask_again ? 0 : get(phase, "SystemState", on_state);
}

static int subscribe_and_ask(BootPhase *phase)
{
    int r;

    CLEAR_SLOT(phase->subscribe_slot);
    CLEAR_SLOT(phase->state_slot);
    r = sd_bus_call_method_async(phase->bus, &phase->subscribe_slot, SYSTEMD_NAME, SYSTEMD_PATH,
                                 SYSTEMD_INTERFACE, "Subscribe", on_subscribed, phase, NULL);
    return r < 0 ? r : ask(phase);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    BootPhase *phase = userdata;
    const char *new_owner;

    if (sd_bus_message_read(message, "sss", NULL, NULL, &new_owner) >= 0 && *new_owner &&
        subscribe_and_ask(phase) < 0)
        log_warning("systemd cannot be asked whether start-up has finished");
    return 0;
}

static int subscribe(BootPhase *phase)
{
    sd_bus *bus = phase->bus;
    int r;

    r = sd_bus_add_match_async(bus, &phase->owner_slot,
                               "type='signal',sender='org.freedesktop.DBus',"
                               "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                               "arg0='" SYSTEMD_NAME "'",
                               on_owner_changed, NULL, phase);
    if (r < 0)
        return r;
    r = sd_bus_match_signal_async(bus, &phase->finished_slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_INTERFACE,
                                  "StartupFinished", on_startup_finished, NULL, phase);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, &phase->shutdown_slot, "org.freedesktop.login1",
                                      "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                                      "PrepareForShutdown", on_prepare_for_shutdown, NULL, phase);
    return r < 0 ? r : subscribe_and_ask(phase);
}

int boot_phase_new(sd_bus *bus, BootPhaseCallback callback, void *userdata, BootPhase **ret)
{
    g_autoptr(BootPhase) phase = g_new0(BootPhase, 1);
    int r;

    phase->callback = callback;
    phase->userdata = userdata;
    phase->bus = bus;
    r = subscribe(phase);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&phase);
    return 0;
}

bool boot_phase_is_running(const BootPhase *phase)
{
    return phase->started && !phase->stopping;
}

BootPhase *boot_phase_free(BootPhase *phase)
{
    if (!phase)
        return NULL;
    CLEAR_SLOT(phase->owner_slot);
    CLEAR_SLOT(phase->state_slot);
    CLEAR_SLOT(phase->subscribe_slot);
    CLEAR_SLOT(phase->finished_slot);
    CLEAR_SLOT(phase->job_slot);
    CLEAR_SLOT(phase->shutdown_slot);
    g_free(phase);
    return NULL;
}
