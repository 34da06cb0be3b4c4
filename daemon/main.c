/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "bus.h"
#include "cleanup.h"
#include "config.h"
#include "instance-lock.h"
#include "iommu-policy-names.h"
#include "log.h"
#include "manager.h"
#include "recover.h"
#include "sysfs.h"

typedef struct Service {
    sd_bus *bus;
    Manager *manager;
    sd_bus_slot *name_slot;
} Service;

static void print_help(void)
{
    puts("iommu-policyd [OPTION]\n\n"
         "Applies the rules in /etc/iommu-policy.d to the IOMMU groups of this machine and\n"
         "serves org.iommupolicy1 on the system bus. Started by iommu-policyd.service.\n\n"
         "  --recover  bring back the devices of interrupted changes, then exit\n"
         "  --version  print the version\n"
         "  --help     print this text");
}

typedef enum Mode { MODE_SERVE, MODE_RECOVER, MODE_DONE, MODE_USAGE } Mode;

static Mode parse_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "recover", no_argument, NULL, 'r' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    Mode mode = MODE_SERVE;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
        switch (option) {
        case 'h':
            print_help();
            return MODE_DONE;
        case 'v':
            puts("iommu-policyd " PROJECT_VERSION);
            return MODE_DONE;
        case 'r':
            mode = MODE_RECOVER;
            break;
        default:
            return MODE_USAGE;
        }
    }
    if (optind == argc)
        return mode;
    fprintf(stderr, "iommu-policyd: unknown argument \"%s\", see --help\n", argv[optind]);
    return MODE_USAGE;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Service *service = userdata;
    g_autoptr(GPtrArray) diagnostics = NULL;
    const Caller caller = { .uid = info->ssi_uid, .pid = (pid_t) info->ssi_pid };
    int r = manager_reload(service->manager, &caller, &diagnostics);

    if (r < 0)
        log_error("the rule directories cannot be read, the rules in force stay: %s", g_strerror(-r));
    return 0;
}

static int on_name_released(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    Service *service = userdata;

    manager_stop(service->manager);
    return 0;
}

/* The name goes first, and only once that is confirmed the rest: a call that was on its way then either is
 * answered or never reaches us. */
static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Service *service = userdata;

    (void) sd_notify(false, "STOPPING=1\nSTATUS=Stopping.");
    CLEAR_SLOT(service->name_slot);
    /* Before the start is over nothing is read from the bus, so no answer would come. */
    if (service->manager->starting ||
        sd_bus_release_name_async(service->manager->bus, &service->name_slot, IOMMU_POLICY_BUS_NAME,
                                      on_name_released, service) < 0)
        manager_stop(service->manager);
    return 0;
}

/* Whoever has called since the name was ours is answered now: everything has been read and decided. */
static void on_started(Manager *manager, void *userdata)
{
    int r = sd_bus_attach_event(manager->bus, manager->event, SD_EVENT_PRIORITY_NORMAL);

    if (r < 0) {
        log_error("cannot serve the bus: %s", g_strerror(-r));
        (void) sd_event_exit(manager->event, r);
        return;
    }
    (void) sd_notifyf(false, "READY=1\nSTATUS=Serving %u groups.", g_hash_table_size(manager->groups));
}

static int block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    (void) signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int add_signals(sd_event *event, Service *service)
{
    int r = sd_event_add_signal(event, NULL, SIGTERM, on_stop_signal, service);

    if (r >= 0)
        r = sd_event_add_signal(event, NULL, SIGINT, on_stop_signal, service);
    if (r >= 0)
        r = sd_event_add_signal(event, NULL, SIGHUP, on_reload_signal, service);
    return r;
}

/*
 * Takes the name first of all: who calls from now on waits in the socket until the start is over, instead of
 * being told that there is nobody.
 */
static int open_bus(sd_bus **ret)
{
    g_autoptr(sd_bus) bus = NULL;
    int r = sd_bus_open_system(&bus);

    if (r < 0) {
        log_error("cannot reach the system bus: %s", g_strerror(-r));
        return r;
    }
    r = sd_bus_request_name(bus, IOMMU_POLICY_BUS_NAME, 0);
    if (r < 0) {
        log_error("the name " IOMMU_POLICY_BUS_NAME " is not to be had: %s",
                  r == -EEXIST ? "in use" : g_strerror(-r));
        return r;
    }
    r = sd_bus_set_exit_on_disconnect(bus, true);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&bus);
    return 0;
}

static int start(sd_event *event, Service *service, int root_fd)
{
    int r = open_bus(&service->bus);

    if (r < 0)
        return r;
    r = manager_new(event, service->bus, root_fd, &service->manager);
    if (r >= 0)
        r = bus_attach(service->bus, service->manager);
    if (r >= 0)
        r = add_signals(event, service);
    if (r >= 0)
        r = manager_start(service->manager, on_started, service);
    if (r < 0)
        log_error("cannot start: %s", g_strerror(-r));
    return r;
}

static int serve(int root_fd)
{
    _cleanup_close_ int lock_fd = -EBADF;
    g_autoptr(sd_event) event = NULL;
    Service service = { 0 };
    int r = block_signals();

    lock_fd = instance_lock(root_fd);
    if (lock_fd < 0) {
        log_error("%s", lock_fd == -EINTR ? "another iommu-policyd is running"
                                                : "/" IOMMU_POLICY_RUN_DIR " cannot be used");
        return lock_fd;
    }
    if (r >= 0)
        r = sd_event_default(&event);
    if (r >= 0)
        r = sd_event_set_watchdog(event, true);
    if (r >= 0)
        r = start(event, &service, root_fd);
    if (r >= 0)
        r = sd_event_loop(event);
    CLEAR_SLOT(service.name_slot);
    (void) manager_free(service.manager);
    (void) sd_bus_flush_close_unref(service.bus);
    if (r < 0)
        (void) sd_notifyf(false, "ERRNO=%i", -r);
    return r;
}

int main(int argc, char **argv)
{
    _cleanup_close_ int root_fd = -EBADF;
    Mode mode = parse_arguments(argc, argv);

    if (mode == MODE_DONE)
        return EXIT_SUCCESS;
    if (mode == MODE_USAGE)
        return 2;
    root_fd = sysfs_open_root("/");
    if (root_fd < 0) {
        log_error("cannot open the root directory: %s", g_strerror(-root_fd));
        return EXIT_FAILURE;
    }
    if (mode == MODE_RECOVER)
        return recover_all(root_fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    return serve(root_fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
