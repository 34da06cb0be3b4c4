/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fake-kernel [--generation=6.1|6.12] [--topology=FILE]... [--control=SOCKET] [--events] [--ready-fd=N]
 * MOUNTPOINT
 *
 * Serves a small root whose sysfs answers as the kernel does. Ends when it is told to (SIGTERM, SIGINT), or
 * when the mount goes away. --ready-fd: a byte is written to this descriptor once the tree is there.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "control-server.h"
#include "fake-group.h"
#include "fault.h"
#include "filesystem.h"
#include "uevent.h"

static char *generation, *control_path;
static char **topologies, **rest;
static gboolean events;
static int ready_fd = -1;

static const GOptionEntry options[] = {
    {"generation", 0, 0, G_OPTION_ARG_STRING, &generation, "errno tables", "6.1|6.12"},
    {"topology", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &topologies, "commands to run first", "FILE"},
    {"control", 0, 0, G_OPTION_ARG_FILENAME, &control_path, "where to listen", "SOCKET"},
    {"events", 0, 0, G_OPTION_ARG_NONE, &events, "send kernel events", NULL},
    {"ready-fd", 0, 0, G_OPTION_ARG_INT, &ready_fd, "say when the tree is there", "N"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
    {NULL},
};

static bool parse_arguments(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("MOUNTPOINT");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "fake-kernel: %s\n", error->message);
        return false;
    }
    if (!rest || !rest[0] || rest[1]) {
        fprintf(stderr, "fake-kernel: one mount point is needed\n");
        return false;
    }
    return true;
}

static int prepare(Machine *machine)
{
    int r = events ? uevent_open(machine) : 0;

    if (r == 0 && generation) {
        g_autofree char *line = g_strdup_printf("generation %s", generation);
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

        r = command_run(machine, line, lines);
    }
    for (char **topology = topologies; r == 0 && topology && *topology; topology++)
        r = command_run_file(machine, *topology);
    return r;
}

static int serve(Machine *machine)
{
    Filesystem *filesystem = NULL;
    ControlServer *server = NULL;
    int r = prepare(machine);

    if (r == 0)
        r = filesystem_new(machine, rest[0], &filesystem);
    if (r == 0 && control_path)
        r = control_server_new(machine, control_path, &server);
    if (r == 0 && ready_fd >= 0) {
        (void) !write(ready_fd, "", 1);
        (void) close(ready_fd);
    }
    if (r == 0)
        r = sd_event_loop(machine->event);
    control_server_free(server);
    /* Whoever still waits gets an answer. */
    (void) faults_remove_rule(machine->faults, "all");
    groups_forget_users(machine);
    filesystem_free(filesystem);
    if (r < 0)
        fprintf(stderr, "fake-kernel: %s\n", strerror(-r));
    return r;
}

int main(int argc, char **argv)
{
    sd_event *event = NULL;
    Machine *machine;
    sigset_t signals;
    int r;

    if (!parse_arguments(argc, argv))
        return 2;
    (void) sigemptyset(&signals);
    (void) sigaddset(&signals, SIGTERM);
    (void) sigaddset(&signals, SIGINT);
    (void) sigprocmask(SIG_BLOCK, &signals, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
    r = sd_event_new(&event);
    if (r < 0)
        return 1;
    (void) sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
    (void) sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
    machine = machine_new(event);
    r = serve(machine);
    machine_free(machine);
    sd_event_unref(event);
    return r < 0 ? 1 : 0;
}
