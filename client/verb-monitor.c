/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "iommu-policy-names.h"
#include "json.h"
#include "message.h"
#include "terminal.h"
#include "verb.h"

/* Follows what the daemon says, line by line, until it is interrupted. */

/* "group/7" of "/org/iommupolicy1/group/7"; "manager" of the root. */
static const char *short_path(const char *path)
{
    size_t length = strlen(IOMMU_POLICY_ROOT_PATH);

    return path && strlen(path) > length + 1 ? path + length + 1 : "manager";
}

static void print_line(const char *object, const char *what)
{
    g_autofree char *safe = printable(what);
    time_t now = time(NULL);
    char when[16] = "";
    struct tm parts;

    if (localtime_r(&now, &parts))
        (void) strftime(when, sizeof(when), "%H:%M:%S", &parts);
    printf("%s %s: %s\n", when, object, safe);
    fflush(stdout);
}

static void print_changes(const char *path, GVariant *properties)
{
    g_autoptr(GString) line = g_string_new(NULL);
    GVariantIter iterator;
    const char *name;
    GVariant *value;

    g_variant_iter_init(&iterator, properties);
    while (g_variant_iter_loop(&iterator, "{&sv}", &name, &value)) {
        g_autofree char *text = g_variant_print(value, FALSE);

        g_string_append_printf(line, "%s%s=%s", line->len > 0 ? " " : "", name, text);
    }
    print_line(short_path(path), line->str);
}

static void print_event_json(const char *path, const char *event, GVariant *properties)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "path", path);
    json_object_set_string_member(object, "event", event);
    if (properties)
        json_object_set_object_member(object, "properties", json_from_properties(properties));
    json_print_object(object, true);
}

static int on_properties_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    g_autoptr(GVariant) content = NULL, changed = NULL;
    const char *path = sd_bus_message_get_path(signal);
    Client *client = userdata;

    if (message_read_tuple(signal, &content) < 0 ||
        !g_variant_is_of_type(content, G_VARIANT_TYPE("(sa{sv}as)")))
        return 0;

    changed = g_variant_get_child_value(content, 1);
    if (client->json)
        print_event_json(path, "changed", changed);
    else
        print_changes(path, changed);
    return 0;
}

/* InterfacesAdded and InterfacesRemoved: the first argument is the object. */
static int on_object(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    bool added = sd_bus_message_is_signal(signal, NULL, "InterfacesAdded") > 0;
    Client *client = userdata;
    const char *path;

    if (sd_bus_message_read_basic(signal, SD_BUS_TYPE_OBJECT_PATH, &path) <= 0)
        return 0;

    if (client->json)
        print_event_json(path, added ? "added" : "removed", NULL);
    else
        print_line(short_path(path), added ? "added" : "removed");
    return 0;
}

static int on_reloaded(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    g_autofree char *text = NULL;
    Client *client = userdata;
    guint32 errors, warnings;

    if (sd_bus_message_read(signal, "uu", &errors, &warnings) < 0)
        return 0;

    text = g_strdup_printf("rules read again, %u errors, %u warnings", errors, warnings);
    if (client->json)
        print_event_json(IOMMU_POLICY_ROOT_PATH, "reloaded", NULL);
    else
        print_line("manager", text);
    return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    Client *client = userdata;
    const char *owner;

    if (sd_bus_message_read(signal, "sss", NULL, NULL, &owner) < 0)
        return 0;

    if (client->json)
        print_event_json(IOMMU_POLICY_ROOT_PATH, *owner ? "started" : "stopped", NULL);
    else
        print_line("manager", *owner ? "the daemon is there" : "the daemon has gone");
    return 0;
}

static int subscribe(Client *client)
{
    int r;

    r = sd_bus_match_signal(client->bus, NULL, IOMMU_POLICY_BUS_NAME, NULL,
                            "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties_changed,
                            client);
    if (r >= 0)
        r = sd_bus_match_signal(client->bus, NULL, IOMMU_POLICY_BUS_NAME, NULL,
                                "org.freedesktop.DBus.ObjectManager", NULL, on_object, client);
    if (r >= 0)
        r = sd_bus_match_signal(client->bus, NULL, IOMMU_POLICY_BUS_NAME, IOMMU_POLICY_ROOT_PATH,
                                IOMMU_POLICY_MANAGER_INTERFACE, "Reloaded", on_reloaded, client);
    if (r >= 0)
        r = sd_bus_add_match(client->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" IOMMU_POLICY_BUS_NAME "'",
                             on_owner_changed, client);
    return r;
}

static int run_monitor(Client *client, char **arguments)
{
    int r;

    r = subscribe(client);
    while (r >= 0) {
        r = sd_bus_process(client->bus, NULL);
        if (r == 0)
            r = sd_bus_wait(client->bus, UINT64_MAX);
        if (r == -EINTR)
            r = 0;
    }
    return r;
}

const Verb verb_monitor = {
    .name = "monitor",
    .summary = "Follow what happens",
    .description = "Prints each change of a group, a device or the rules as it happens, until interrupted. "
                   "With --json\n"
                   "each line is an object.",
    .run = run_monitor,
};
