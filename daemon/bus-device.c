/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>

#include "class-words.h"
#include "cleanup.h"
#include "iommu-policy-names.h"

char *bus_device_path(const ManagedDevice *managed)
{
    const DeviceFacts *facts = managed->device->facts;
    char *path = NULL;

    (void) sd_bus_path_encode_many(&path, IOMMU_POLICY_DEVICE_PREFIX "/%/%", facts->bus, facts->name);
    return path;
}

/* --- properties: one getter for each, of the device that `find` found */

#define GETTER(name, type, expression)                                                                      \
    static int name(sd_bus *bus, const char *path, const char *interface, const char *property,             \
                    sd_bus_message *reply, void *userdata, sd_bus_error *error)                             \
    {                                                                                                       \
        const ManagedDevice *managed = userdata;                                                            \
        const Device *device = managed->device;                                                             \
        const DeviceFacts *facts = device->facts;                                                           \
                                                                                                            \
        (void) facts;                                                                                       \
        return sd_bus_message_append(reply, type, expression);                                              \
    }

GETTER(get_name, "s", facts->name)
GETTER(get_bus, "s", facts->bus)
GETTER(get_driver, "s", device->driver)
GETTER(get_model_name, "s", device->model_name)
GETTER(get_vendor_id, "u", facts->vendor)
GETTER(get_device_id, "u", facts->device)
GETTER(get_class, "u", facts->class_code)
GETTER(get_class_name, "s", facts->class_code == FACT_NO_ID ? NULL : class_word_of(facts->class_code))
GETTER(get_untrusted, "b", facts->untrusted == TRISTATE_YES)
GETTER(get_dma_mask_bits, "u", device->facts->dma_mask_bits)
GETTER(get_virtual_function, "b", facts->virtual_function == TRISTATE_YES)
GETTER(get_physical_function, "s", device->physical_function)
GETTER(get_iommu, "s", facts->iommu)
GETTER(get_manages_dma, "b", facts->manages_dma)
GETTER(get_rule_type, "s", managed->rule_type < 0 ? NULL : domain_type_to_string(managed->rule_type))
GETTER(get_rule_origin, "s", managed->rule_origin)

static int get_sysfs_path(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const ManagedDevice *managed = userdata;
    char absolute[4096];

    g_snprintf(absolute, sizeof absolute, "/%s", managed->syspath);
    return sd_bus_message_append(reply, "s", absolute);
}

static int get_group(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const ManagedDevice *managed = userdata;
    char group[64] = "/";

    if (managed->device->group >= 0)
        g_snprintf(group, sizeof group, IOMMU_POLICY_GROUP_PREFIX "/%d", managed->device->group);
    return sd_bus_message_append(reply, "o", group);
}

/* --- GetFeatures */

static int append_features(sd_bus_message *reply, GVariant *features)
{
    GVariantIter iter;
    const char *name;
    gboolean has, enabled;
    int r = sd_bus_message_open_container(reply, 'a', "{s(bb)}");

    g_variant_iter_init(&iter, features);
    while (r >= 0 && g_variant_iter_next(&iter, "{&s(bb)}", &name, &has, &enabled))
        r = sd_bus_message_append(reply, "{s(bb)}", name, has, enabled);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void on_features(Job *job, int error, GVariant *answer, void *userdata)
{
    BusCall *call = userdata;
    g_autoptr(sd_bus_message) reply = NULL;

    if (bus_call_was_late(call))
        return;
    if (error == -ENODEV)
        bus_call_refuse(call, REFUSAL_NO_SUCH_DEVICE, call->device, NULL);
    else if (error < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, call->device, job_error_text(error));
    else if (!g_variant_is_of_type(answer, G_VARIANT_TYPE("a{s(bb)}")) ||
             sd_bus_message_new_method_return(call->message, &reply) < 0 ||
             append_features(reply, answer) < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, call->device, NULL);
    else
        bus_call_done(call, reply);
}

static void on_features_late(Job *job, void *userdata)
{
    BusCall *call = userdata;

    bus_call_late(call, call->device, "reading the configuration space");
}

static void start_features(BusCall *call)
{
    static const JobCallbacks callbacks = { .done = on_features, .late = on_features_late };
    Manager *manager = call->manager;
    const ManagedDevice *managed = manager_device(manager, call->device);
    int r;

    if (!managed) {
        bus_call_refuse(call, REFUSAL_NO_SUCH_DEVICE, call->device, NULL);
        return;
    }
    r = job_features(manager->event, manager->root_fd, managed->syspath, &callbacks, call, &call->job);
    if (r < 0)
        bus_call_refuse(call, REFUSAL_INTERNAL, call->device, g_strerror(-r));
}

static int get_features(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const ManagedDevice *managed = userdata;
    Manager *manager = sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(message)));
    BusCall *call;
    int r = bus_call_new(manager, &manager->look_limits, message, &call);

    if (r != 0)
        return r;
    call->device = g_strdup(managed->key);
    bus_call_identify(call, start_features);
    return 1;
}

static const sd_bus_vtable device_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("GetFeatures", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{s(bb)}", features), get_features,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Bus", "s", get_bus, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("SysfsPath", "s", get_sysfs_path, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Group", "o", get_group, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Driver", "s", get_driver, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ModelName", "s", get_model_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("VendorId", "u", get_vendor_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("DeviceId", "u", get_device_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Class", "u", get_class, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("ClassName", "s", get_class_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Untrusted", "b", get_untrusted, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("DmaMaskBits", "u", get_dma_mask_bits, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("VirtualFunction", "b", get_virtual_function, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("PhysicalFunction", "s", get_physical_function, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Iommu", "s", get_iommu, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ManagesDma", "b", get_manages_dma, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RuleType", "s", get_rule_type, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RuleOrigin", "s", get_rule_origin, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_VTABLE_END,
};

/* --- objects */

static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *error)
{
    char *bus_name = NULL, *name = NULL, *again = NULL;
    g_autofree char *key = NULL;
    ManagedDevice *managed = NULL;
    int r = sd_bus_path_decode_many(path, IOMMU_POLICY_DEVICE_PREFIX "/%/%", &bus_name, &name);

    if (r > 0)
        r = sd_bus_path_encode_many(&again, IOMMU_POLICY_DEVICE_PREFIX "/%/%", bus_name, name);
    /* Only one of the spellings that decode to this name is the object. */
    if (r >= 0 && again && g_str_equal(again, path)) {
        key = g_strdup_printf("%s:%s", bus_name, name);
        managed = manager_device(userdata, key);
    }
    free(bus_name);
    free(name);
    free(again);
    if (!managed)
        return 0;
    *ret_found = managed;
    return 1;
}

/* sd-bus frees the list and its strings with free(), which is what g_free() is (glib 2.46). */
static int enumerate_devices(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                             sd_bus_error *error)
{
    const Manager *manager = userdata;
    char **nodes = calloc(g_hash_table_size(manager->devices) + 1, sizeof(char *));
    GHashTableIter iter;
    gpointer managed;
    size_t n = 0;

    if (!nodes)
        return -ENOMEM;
    g_hash_table_iter_init(&iter, manager->devices);
    while (g_hash_table_iter_next(&iter, NULL, &managed)) {
        nodes[n] = bus_device_path(managed);
        if (nodes[n])
            n++;
    }
    *ret_nodes = nodes;
    return 0;
}

int bus_attach_devices(sd_bus *bus, Manager *manager)
{
    int r = sd_bus_add_fallback_vtable(bus, NULL, IOMMU_POLICY_DEVICE_PREFIX, IOMMU_POLICY_DEVICE_INTERFACE,
                                       device_vtable, find_device, manager);

    return r < 0 ? r
                 : sd_bus_add_node_enumerator(bus, NULL, IOMMU_POLICY_DEVICE_PREFIX, enumerate_devices,
                                              manager);
}

/* --- signals */

void notify_device_changed(Manager *manager, const ManagedDevice *managed, unsigned properties)
{
    static const char *const names[] = {"Group", "Driver",     "ModelName", "DmaMaskBits",
                                        "Iommu", "ManagesDma", "RuleType",  "RuleOrigin"};
    g_autofree char **changed = bus_property_names(names, G_N_ELEMENTS(names), properties);
    char *path;

    if (!bus_may_signal(manager))
        return;
    path = bus_device_path(managed);
    if (path)
        (void) sd_bus_emit_properties_changed_strv(manager->bus, path, IOMMU_POLICY_DEVICE_INTERFACE,
                                                  changed);
    free(path);
}

void notify_device(Manager *manager, const ManagedDevice *managed, bool added)
{
    char *path;

    if (!bus_may_signal(manager))
        return;
    path = bus_device_path(managed);
    if (path && added)
        (void) sd_bus_emit_object_added(manager->bus, path);
    else if (path)
        (void) sd_bus_emit_object_removed(manager->bus, path);
    free(path);
}
