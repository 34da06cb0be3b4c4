/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cleanup.h"
#include "complaint.h"
#include "doctor.h"
#include "refusal.h"
#include "sysfs.h"
#include "verb.h"

/* Is everything as it should be? */

static char *root_path;

static int look_at_machine(Client *client, int root_fd, GPtrArray *complaints)
{
    g_autoptr(Machine) machine = NULL;
    int r;

    r = machine_read(root_fd, NULL, &machine);
    if (r < 0)
        return sd_bus_error_set_errnof(&client->error, r, "the devices cannot be read: %s", g_strerror(-r));

    doctor_look_at_host(root_fd, machine, complaints);
    r = doctor_look_at_rules(root_fd, machine, complaints);
    if (r < 0)
        return sd_bus_error_set_errnof(&client->error, r, "the rule files cannot be read: %s",
                                       g_strerror(-r));
    return 0;
}

static int run_doctor(Client *client, char **arguments)
{
    g_autoptr(GPtrArray) complaints = complaints_new();
    const char *path = root_path ?: "/";
    _cleanup_close_ int root_fd = -EBADF;
    int r = 0;

    root_fd = sysfs_open_root(path);
    if (root_fd < 0)
        return sd_bus_error_setf(&client->error, SD_BUS_ERROR_FILE_NOT_FOUND, "%s: %s", path,
                                 g_strerror(-root_fd));

    if (!client->host)
        r = look_at_machine(client, root_fd, complaints);
    if (r < 0)
        return r;
    if (!root_path)
        doctor_look_at_daemon(client, root_fd, complaints);

    complaints_print(complaints, client->json);
    return complaints_exit_code(complaints);
}

static const GOptionEntry doctor_options[] = {
    {"root", 0, 0, G_OPTION_ARG_FILENAME, &root_path, "take this directory for /, and ask no daemon", "DIR"},
    {NULL},
};

const Verb verb_doctor = {
    .name = "doctor",
    .summary = "Tell what is wrong, why it matters and what to do",
    .description = "Looks at the IOMMU, the kernel command line, the rule files and the devices that they "
                   "name, and the daemon.\n"
                   "Ends with 0 if nothing is wrong, 1 if something is; a note is nothing wrong. Works "
                   "without the daemon, as far\n"
                   "as that goes; with --host only what the daemon there knows is told.",
    .options = doctor_options,
    .offline = true, /* a daemon that does not answer is a thing to tell */
    .run = run_doctor,
};
