/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>

#include "bus-error.h"
#include "cleanup.h"
#include "config.h"
#include "device-lookup.h"
#include "diagnostic.h"
#include "iommu-policy-names.h"

static const char *const manage_rules[] = { IOMMU_POLICY_ACTION_MANAGE_RULES, NULL };

bool bus_may_signal(const Manager *manager)
{
    return manager->bus && !manager->starting;
}

char **bus_property_names(const char *const *names, size_t n_names, unsigned properties)
{
    char **list = g_new0(char *, n_names + 1);
    size_t n = 0;

    for (size_t i = 0; i < n_names; i++)
        if (properties & (1u << i))
            list[n++] = (char *) names[i];
    return list;
}

/* --- methods that only read */

static int list_groups(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const Manager *manager = userdata;
    g_autoptr(GArray) ids = manager_group_ids(manager);
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_return(message, &reply);

    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(usssso)");
    for (guint i = 0; r >= 0 && i < ids->len; i++) {
        const ManagedGroup *group = manager_group(manager, g_array_index(ids, unsigned, i));
        g_autofree char *path = bus_group_path(group->id);

        if (!group->announced)
            continue;
        r = sd_bus_message_append(reply, "(usssso)", group->id,
                                  group->type < 0 ? "" : domain_type_to_string(group->type),
                                  group->wanted < 0 ? "" : domain_type_to_string(group->wanted),
                                  group_state_to_string(group->state), group->wanted_by, path);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_group(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    g_autofree char *path = NULL;
    const ManagedGroup *group;
    unsigned id;
    int r = sd_bus_message_read(message, "u", &id);

    if (r < 0)
        return r;
    group = manager_group(userdata, id);
    if (!group || !group->announced)
        return bus_reply_group_refusal(message, REFUSAL_NO_SUCH_GROUP, id, NULL);
    path = bus_group_path(id);
    return sd_bus_reply_method_return(message, "o", path);
}

/* The devices behind NAME, of which there must be exactly one; NULL with *ret_detail saying why not. */
static ManagedDevice *find_device(Manager *manager, const char *name, const char **ret_detail)
{
    g_autofree char *address = g_strdup_printf("pci:%s", name);
    ManagedDevice *found = manager_device(manager, name) ?: manager_device(manager, address);
    g_auto(GStrv) paths = NULL;

    if (found || device_lookup(manager->root_fd, name, &paths) < 0)
        return found;
    for (char **path = paths; *path; path++) {
        ManagedDevice *managed = manager_device_of_path(manager, *path);

        if (!managed || managed == found)
            continue;
        if (found) {
            *ret_detail = "more than one device stands behind it";
            return NULL;
        }
        found = managed;
    }
    return found;
}

static int get_device(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const ManagedDevice *managed;
    const char *name, *detail = NULL;
    char *path;
    int r = sd_bus_message_read(message, "s", &name);

    if (r < 0)
        return r;
    managed = find_device(userdata, name, &detail);
    if (!managed)
        return bus_reply_refusal(message, REFUSAL_NO_SUCH_DEVICE, name, NULL, detail);
    path = bus_device_path(managed);
    r = path ? sd_bus_reply_method_return(message, "o", path) : -ENOMEM;
    free(path);
    return r;
}

/* --- Reload and Apply */

static void authorise(BusCall *call, BusCallNext next)
{
    g_auto(ChangeShown) shown = { 0 };

    change_shown_init(&shown, NULL);
    bus_call_authorise(call, manage_rules, &shown, next);
}

static int append_diagnostics(sd_bus_message *reply, const GPtrArray *diagnostics)
{
    int r = sd_bus_message_open_container(reply, 'a', "(suuss)");

    for (guint i = 0; r >= 0 && i < diagnostics->len; i++) {
        const Diagnostic *diagnostic = diagnostics->pdata[i];

        r = sd_bus_message_append(reply, "(suuss)", diagnostic->file, diagnostic->line, diagnostic->column,
                                  diagnostic->severity == DIAGNOSTIC_ERROR ? "error" : "warning",
                                  diagnostic->text);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void do_reload(BusCall *call)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r = manager_reload(call->manager, &call->caller, &diagnostics);

    if (r < 0)
        bus_call_refuse(call, REFUSAL_INVALID_RULE, "the rule directories", g_strerror(-r));
    else if (sd_bus_message_new_method_return(call->message, &reply) < 0 ||
             append_diagnostics(reply, diagnostics) < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, "Reload", NULL);
    else
        bus_call_done(call, reply);
}

static void authorise_reload(BusCall *call)
{
    authorise(call, do_reload);
}

static int reload(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    Manager *manager = userdata;
    BusCall *call;
    int r = bus_call_new(manager, &manager->change_limits, message, &call);

    if (r == 0)
        bus_call_identify(call, authorise_reload);
    return r < 0 ? r : 1;
}

static int append_results(sd_bus_message *reply, const Manager *manager, uint64_t since)
{
    g_autoptr(GArray) ids = manager_group_ids(manager);
    int r = sd_bus_message_open_container(reply, 'a', "(uss)");

    for (guint i = 0; r >= 0 && i < ids->len; i++) {
        const ManagedGroup *group = manager_group(manager, g_array_index(ids, unsigned, i));

        if (group->state != GROUP_SETTLED || group->last_result.realtime_usec >= since)
            r = sd_bus_message_append(reply, "(uss)", group->id, group_state_to_string(group->state),
                                      pending_reason_to_string(group->reason));
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void on_applied(Manager *manager, void *userdata)
{
    BusCall *call = userdata;
    g_autoptr(sd_bus_message) reply = NULL;

    if (sd_bus_message_new_method_return(call->message, &reply) < 0 ||
        append_results(reply, manager, call->since) < 0 || sd_bus_send(NULL, reply, NULL) < 0)
        (void) bus_reply_refusal(call->message, REFUSAL_INTERNAL, "Apply", NULL, NULL);
}

static void free_call(void *call)
{
    bus_call_free(call);
}

static void do_apply(BusCall *call)
{
    Manager *manager = call->manager;
    g_autoptr(GArray) ids = NULL;

    if (manager->host->disabled) {
        bus_call_refuse(call, REFUSAL_DISABLED, "this host", manager->host->disabled);
        return;
    }
    call->since = (uint64_t) g_get_real_time();
    manager_apply(manager);
    ids = manager_group_ids(manager);
    manager_wait(manager, ids, on_applied, call, free_call);
}

static void authorise_apply(BusCall *call)
{
    authorise(call, do_apply);
}

static int apply(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    Manager *manager = userdata;
    BusCall *call;
    int r = bus_call_new(manager, &manager->change_limits, message, &call);

    if (r == 0)
        bus_call_identify(call, authorise_apply);
    return r < 0 ? r : 1;
}

/* --- properties */

#define GETTER(name, type, expression)                                                                      \
    static int name(sd_bus *bus, const char *path, const char *interface, const char *property,             \
                    sd_bus_message *reply, void *userdata, sd_bus_error *error)                             \
    {                                                                                                       \
        const Manager *manager = userdata;                                                                  \
                                                                                                            \
        (void) manager;                                                                                     \
        return sd_bus_message_append(reply, type, expression);                                              \
    }

GETTER(get_version, "s", PROJECT_VERSION)
GETTER(get_state, "s", manager_state(manager))
GETTER(get_boot_default_type, "s",
       manager->host->boot_default < 0 ? NULL : domain_type_to_string(manager->host->boot_default))
GETTER(get_rules_changed_on_disk, "b", rule_set_changed_on_disk(manager->rules, manager->root_fd))
GETTER(get_pending, "u", manager->pending)
GETTER(get_identity, "u", manager->identity)
GETTER(get_forbidden, "u", manager->forbidden)
GETTER(get_untranslated, "u", manager->untranslated)
GETTER(get_adds_before_driver, "u", manager->adds_before_driver)
GETTER(get_adds_after_driver, "u", manager->adds_after_driver)
GETTER(get_initramfs_stale, "b", manager->initramfs_stale)

static int get_rule_files(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const Manager *manager = userdata;

    return sd_bus_message_append_strv(reply, (char **) rule_set_files(manager->rules));
}

static int get_kernel_features(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const Manager *manager = userdata;
    char *features[_KERNEL_FEATURE_MAX + 1] = { NULL };
    size_t n = 0;

    for (KernelFeature feature = 0; feature < _KERNEL_FEATURE_MAX; feature++)
        if (manager->kernel_features & KERNEL_FEATURE_BIT(feature))
            features[n++] = (char *) kernel_feature_to_string(feature);
    return sd_bus_message_append_strv(reply, features);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define EVERYBODY SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("ListGroups", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(usssso)", groups), list_groups,
                            EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("GetGroup", SD_BUS_ARGS("u", id), SD_BUS_RESULT("o", group), get_group,
                            EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("GetDevice", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", device), get_device,
                            EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Apply", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(uss)", results), apply, EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(suuss)", diagnostics), reload,
                            EVERYBODY),
    SD_BUS_SIGNAL_WITH_ARGS("Reloaded", SD_BUS_ARGS("u", errors, "u", warnings), 0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
    SD_BUS_PROPERTY("BootDefaultType", "s", get_boot_default_type, 0, CHANGES),
    SD_BUS_PROPERTY("RuleFiles", "as", get_rule_files, 0, CHANGES),
    SD_BUS_PROPERTY("RulesChangedOnDisk", "b", get_rules_changed_on_disk, 0, 0),
    SD_BUS_PROPERTY("InitramfsStale", "b", get_initramfs_stale, 0, CHANGES),
    SD_BUS_PROPERTY("KernelFeatures", "as", get_kernel_features, 0, CHANGES),
    SD_BUS_PROPERTY("Pending", "u", get_pending, 0, CHANGES),
    SD_BUS_PROPERTY("Identity", "u", get_identity, 0, CHANGES),
    SD_BUS_PROPERTY("Forbidden", "u", get_forbidden, 0, CHANGES),
    SD_BUS_PROPERTY("Untranslated", "u", get_untranslated, 0, CHANGES),
    SD_BUS_PROPERTY("AddsBeforeDriver", "u", get_adds_before_driver, 0, CHANGES),
    SD_BUS_PROPERTY("AddsAfterDriver", "u", get_adds_after_driver, 0, CHANGES),
    SD_BUS_VTABLE_END,
};

int bus_attach(sd_bus *bus, Manager *manager)
{
    int r = sd_bus_add_object_manager(bus, NULL, IOMMU_POLICY_ROOT_PATH);

    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, NULL, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE,
                                     manager_vtable, manager);
    if (r >= 0)
        r = bus_attach_groups(bus, manager);
    return r < 0 ? r : bus_attach_devices(bus, manager);
}

/* --- signals */

void notify_manager_changed(Manager *manager, unsigned properties)
{
    static const char *const names[] = {
        "State", "RuleFiles", "KernelFeatures", "Pending", "Identity", "Forbidden", "Untranslated",
        "InitramfsStale", "AddsBeforeDriver", "AddsAfterDriver",
    };
    g_autofree char **changed = bus_property_names(names, G_N_ELEMENTS(names), properties);

    if (bus_may_signal(manager))
        (void) sd_bus_emit_properties_changed_strv(manager->bus, IOMMU_POLICY_ROOT_PATH,
                                                   IOMMU_POLICY_MANAGER_INTERFACE, changed);
}

void notify_reloaded(Manager *manager, unsigned errors, unsigned warnings)
{
    if (bus_may_signal(manager))
        (void) sd_bus_emit_signal(manager->bus, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE,
                                 "Reloaded", "uu", errors, warnings);
}
