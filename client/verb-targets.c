/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "inventory.h"
#include "json.h"
#include "refusal.h"
#include "sysfs.h"
#include "terminal.h"
#include "verb.h"

/* What can be typed for a TARGET, for the completion of shells. */

static void add(JsonArray *list, const char *target, const char *text)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "target", target);
    json_object_set_string_member(object, "text", text);
    json_array_add_object_element(list, object);
}

static void add_group(GHashTable *objects, GVariant *group, JsonArray *list)
{
    g_autoptr(GPtrArray) members = inventory_members(objects, group);
    g_autofree char *id = g_strdup_printf("%u", property_u32(group, "Id"));
    g_autofree char *names = inventory_join(members, "Name");
    g_autofree char *text = g_strdup_printf("%s, %s", or_dash(property_string(group, "Type")), names);

    add(list, id, text);
}

/* Interfaces of this machine; those of another are not seen from here. */
static void add_interfaces(int root_fd, GVariant *device, JsonArray *list)
{
    g_autofree char *folder = g_strdup_printf("sys/devices/%s/net", inventory_path(device));
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, folder, &names) < 0)
        return;
    for (size_t i = 0; names[i]; i++)
        add(list, names[i], property_string(device, "Name"));
}

static void add_device(int root_fd, GVariant *device, JsonArray *list)
{
    const char *bus = property_string(device, "Bus"), *name = property_string(device, "Name");
    const char *model = property_string(device, "ModelName");
    g_autofree char *full = g_strconcat(bus, ":", name, NULL);

    add(list, strcmp(bus, "pci") == 0 ? name : full, *model ? model : property_string(device, "ClassName"));
    if (root_fd >= 0)
        add_interfaces(root_fd, device, list);
}

static void print_target(JsonArray *list, guint i, JsonNode *node, void *userdata)
{
    JsonObject *object = json_node_get_object(node);
    g_autofree char *target = printable(json_object_get_string_member(object, "target"));
    g_autofree char *text = printable(json_object_get_string_member(object, "text"));

    printf("%s\t%s\n", target, text);
}

static void print_targets(const Client *client, JsonArray *list)
{
    JsonObject *answer;

    if (!client->json) {
        json_array_foreach_element(list, print_target, NULL);
        json_array_unref(list);
        return;
    }
    answer = json_object_new();
    json_object_set_array_member(answer, "targets", list);
    json_print_object(answer, false);
}

static int run_targets(Client *client, char **arguments)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    _cleanup_close_ int root_fd = -EBADF;
    JsonArray *list;
    int r;

    /* A key pressed in a shell is no reason to start a daemon. */
    if (!client_daemon_runs(client))
        return client_refuse(client, REFUSAL_NO_DAEMON, "iommu-policyd", NULL, NULL);
    r = client_objects(client, &objects);
    if (r < 0)
        return r;

    if (!client->host)
        root_fd = sysfs_open_root("/");
    groups = inventory_groups(objects);
    list = json_array_new();
    for (guint i = 0; i < groups->len; i++)
        add_group(objects, groups->pdata[i], list);
    for (guint i = 0; i < groups->len; i++) {
        g_autoptr(GPtrArray) members = inventory_members(objects, groups->pdata[i]);

        for (guint j = 0; j < members->len; j++)
            add_device(root_fd, members->pdata[j], list);
    }
    print_targets(client, list);
    return EXIT_CODE_DONE;
}

const Verb verb_targets = {
    .name = "targets",
    .description =
        "Prints what can be typed for a TARGET, one a line: name, tab, description. Completion of shells\n"
        "asks for it.",
    .run = run_targets,
};
