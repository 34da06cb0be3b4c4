/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <errno.h>
#include <fcntl.h>

#include "cleanup.h"
#include "iommu-policy-names.h"
#include "message.h"
#include "terminal.h"


void client_done(Client *client)
{
    sd_bus_error_free(&client->error);
    client->bus = sd_bus_flush_close_unref(client->bus);
    g_clear_pointer(&client->host, g_free);
}

int client_connect(Client *client)
{
    int r;

    if (client->host)
        r = sd_bus_open_system_remote(&client->bus, client->host);
    else
        r = sd_bus_open_system(&client->bus);
    if (r < 0) {
        g_autofree char *name =
            g_strconcat("the system bus", client->host ? " of " : NULL, client->host, NULL);

        return client_refuse(client, REFUSAL_NO_BUS, name, NULL, g_strerror(-r));
    }

    return sd_bus_set_allow_interactive_authorization(client->bus, !client->no_ask_password);
}

int client_refuse(Client *client, RefusalCode code, const char *object, const char *target,
                  const char *detail)
{
    g_autofree char *text = refusal_text(code, object, target, detail);

    (void) sd_bus_error_set(&client->error, refusal_bus_name(code), text);
    return -EINVAL;
}

static int new_call(Client *client, const char *service, const char *path, const char *interface,
                    const char *method, GVariant *parameters, sd_bus_message **ret)
{
    g_autoptr(GVariant) owned = parameters ? g_variant_ref_sink(parameters) : NULL;
    g_autoptr(sd_bus_message) call = NULL;
    int r;

    r = sd_bus_message_new_method_call(client->bus, &call, service, path, interface, method);
    if (r >= 0 && owned)
        r = message_append_tuple(call, owned);
    if (r < 0)
        return r;

    *ret = g_steal_pointer(&call);
    return 0;
}

static int call_and_wait(Client *client, const char *service, const char *path, const char *interface,
                         const char *method, GVariant *parameters, sd_bus_message **ret)
{
    g_autoptr(sd_bus_message) call = NULL;
    int r;

    r = new_call(client, service, path, interface, method, parameters, &call);
    if (r < 0)
        return r;

    return sd_bus_call(client->bus, call, UINT64_MAX, &client->error, ret);
}

int client_call_to(Client *client, const char *service, const char *path, const char *interface,
                   const char *method, GVariant *parameters, GVariant **ret)
{
    g_autoptr(sd_bus_message) reply = NULL;
    int r;

    r = call_and_wait(client, service, path, interface, method, parameters, &reply);
    if (r < 0)
        return r;

    return ret ? message_read_tuple(reply, ret) : 0;
}

int client_call(Client *client, const char *path, const char *interface, const char *method,
                GVariant *parameters, GVariant **ret)
{
    return client_call_to(client, IOMMU_POLICY_BUS_NAME, path, interface, method, parameters, ret);
}

bool client_daemon_runs(Client *client)
{
    g_autoptr(GVariant) reply = NULL;
    gboolean owned = FALSE;

    if (client_call_to(client, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                       "NameHasOwner", g_variant_new("(s)", IOMMU_POLICY_BUS_NAME), &reply) < 0)
        sd_bus_error_free(&client->error);
    else if (g_variant_is_of_type(reply, G_VARIANT_TYPE("(b)")))
        g_variant_get(reply, "(b)", &owned);
    return owned;
}

int client_call_fd(Client *client, const char *path, const char *interface, const char *method,
                   GVariant *parameters)
{
    g_autoptr(sd_bus_message) reply = NULL;
    int fd, r;

    r = call_and_wait(client, IOMMU_POLICY_BUS_NAME, path, interface, method, parameters, &reply);
    if (r < 0)
        return r;

    r = sd_bus_message_read(reply, "h", &fd);
    if (r < 0)
        return r;

    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

/* The reply that the loop of client_call_with_progress() waits for. */
typedef struct Awaited {
    sd_bus_message *reply;
} Awaited;

static int take_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    Awaited *awaited = userdata;

    awaited->reply = sd_bus_message_ref(reply);
    return 1;
}

static int show_step(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    g_autoptr(GVariant) content = NULL, changed = NULL;
    const char *step;

    if (message_read_tuple(signal, &content) < 0 ||
        !g_variant_is_of_type(content, G_VARIANT_TYPE("(sa{sv}as)")))
        return 0;

    changed = g_variant_get_child_value(content, 1);
    step = property_string(changed, "Step");
    if (*step)
        progress_show("group %s: %s", strrchr(sd_bus_message_get_path(signal), '/') + 1, step);
    return 0;
}

static int wait_for_reply(Client *client, const Awaited *awaited)
{
    int r;

    while (!awaited->reply) {
        r = sd_bus_process(client->bus, NULL);
        if (r < 0)
            return r;
        if (r > 0)
            continue;

        r = sd_bus_wait(client->bus, UINT64_MAX);
        if (r < 0 && r != -EINTR)
            return r;
    }
    return 0;
}

int client_call_with_progress(Client *client, const char *path, const char *interface, const char *method,
                              GVariant *parameters, GVariant **ret)
{
    g_autoptr(sd_bus_message) call = NULL, reply = NULL;
    g_autoptr(sd_bus_slot) steps = NULL, answer = NULL;
    Awaited awaited = {.reply = NULL};
    int r;

    if (!progress_wanted())
        return client_call(client, path, interface, method, parameters, ret);

    r = new_call(client, IOMMU_POLICY_BUS_NAME, path, interface, method, parameters, &call);
    if (r < 0)
        return r;

    r = sd_bus_match_signal_async(client->bus, &steps, IOMMU_POLICY_BUS_NAME, NULL,
                                  "org.freedesktop.DBus.Properties", "PropertiesChanged", show_step, NULL,
                                  client);
    if (r >= 0)
        r = sd_bus_call_async(client->bus, &answer, call, take_reply, &awaited, UINT64_MAX);
    if (r >= 0)
        r = wait_for_reply(client, &awaited);
    progress_clear();
    if (r < 0)
        return r;

    reply = awaited.reply;
    if (sd_bus_message_is_method_error(reply, NULL))
        return sd_bus_error_copy(&client->error, sd_bus_message_get_error(reply));
    return ret ? message_read_tuple(reply, ret) : 0;
}

int client_properties(Client *client, const char *path, const char *interface, GVariant **ret)
{
    g_autoptr(GVariant) reply = NULL;
    int r;

    r = client_call(client, path, "org.freedesktop.DBus.Properties", "GetAll",
                    g_variant_new("(s)", interface), &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a{sv})")))
        return -EBADMSG;

    *ret = g_variant_get_child_value(reply, 0);
    return 0;
}

/* The properties of an object: those of the one interface of ours that it has. */
static GVariant *own_properties(GVariant *interfaces)
{
    static const char *const names[] = {
        IOMMU_POLICY_GROUP_INTERFACE,
        IOMMU_POLICY_DEVICE_INTERFACE,
        IOMMU_POLICY_MANAGER_INTERFACE,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        GVariant *properties = g_variant_lookup_value(interfaces, names[i], G_VARIANT_TYPE_VARDICT);

        if (properties)
            return properties;
    }
    return NULL;
}

int client_objects(Client *client, GHashTable **ret)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GVariant) reply = NULL, all = NULL;
    GVariantIter iterator;
    GVariant *interfaces;
    const char *path;
    int r;

    r = client_call(client, IOMMU_POLICY_ROOT_PATH, "org.freedesktop.DBus.ObjectManager",
                    "GetManagedObjects", NULL, &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a{oa{sa{sv}}})")))
        return -EBADMSG;

    objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
    all = g_variant_get_child_value(reply, 0);
    g_variant_iter_init(&iterator, all);
    while (g_variant_iter_loop(&iterator, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        GVariant *properties = own_properties(interfaces);

        if (properties)
            g_hash_table_insert(objects, g_strdup(path), properties);
    }

    *ret = g_steal_pointer(&objects);
    return 0;
}

const char *property_string(GVariant *properties, const char *name)
{
    const char *text;

    if (g_variant_lookup(properties, name, "&s", &text) || g_variant_lookup(properties, name, "&o", &text))
        return text;
    return "";
}

guint32 property_u32(GVariant *properties, const char *name)
{
    guint32 number = 0;

    (void) g_variant_lookup(properties, name, "u", &number);
    return number;
}

bool property_boolean(GVariant *properties, const char *name)
{
    gboolean value = FALSE;

    (void) g_variant_lookup(properties, name, "b", &value);
    return value;
}

const char **property_strings(GVariant *properties, const char *name)
{
    const char **list = NULL;

    if (!g_variant_lookup(properties, name, "^a&s", &list) &&
        !g_variant_lookup(properties, name, "^a&o", &list))
        list = g_new0(const char *, 1);
    return list;
}
