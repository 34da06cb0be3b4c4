/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include <errno.h>
#include <string.h>

#include "iommu-policy-names.h"

/* "3b:00.0": bus, device and function of a PCI address. */
static bool is_short_pci_address(const char *text)
{
    return strlen(text) == 7 && g_ascii_isxdigit(text[0]) && g_ascii_isxdigit(text[1]) && text[2] == ':' &&
           g_ascii_isxdigit(text[3]) && g_ascii_isxdigit(text[4]) && text[5] == '.' && text[6] >= '0' &&
           text[6] <= '7';
}

TargetKind target_parse(const char *text, guint32 *ret_group, char **ret_name)
{
    if (!*text)
        return TARGET_INVALID;

    if (strspn(text, "0123456789") == strlen(text)) {
        guint64 number;

        if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &number, NULL))
            return TARGET_INVALID;
        *ret_group = number;
        return TARGET_GROUP;
    }

    *ret_name = is_short_pci_address(text) ? g_strconcat("0000:", text, NULL) : g_strdup(text);
    return TARGET_DEVICE;
}

/* Calls METHOD of the Manager, which looks something up and replies with an object path. */
static int look_up(Client *client, const char *method, GVariant *parameters, char **ret_path)
{
    g_autoptr(GVariant) reply = NULL;
    int r;

    r = client_call(client, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE, method, parameters,
                    &reply);
    if (r < 0)
        return r;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(o)")))
        return -EBADMSG;

    g_variant_get(reply, "(o)", ret_path);
    return 0;
}

/* The object that TEXT names; *ret_kind says whether it is a group or a device. */
static int find_object(Client *client, const char *text, TargetKind *ret_kind, char **ret_path)
{
    g_autofree char *name = NULL;
    guint32 group;

    *ret_kind = target_parse(text, &group, &name);
    switch (*ret_kind) {
    case TARGET_GROUP:
        return look_up(client, "GetGroup", g_variant_new("(u)", group), ret_path);
    case TARGET_DEVICE:
        if (!g_utf8_validate(name, -1, NULL))
            return client_refuse(client, REFUSAL_INVALID_TARGET, "TARGET", NULL, "not UTF-8");
        return look_up(client, "GetDevice", g_variant_new("(s)", name), ret_path);
    default:
        return client_refuse(client, REFUSAL_INVALID_TARGET, *text ? text : "TARGET", NULL, NULL);
    }
}

int target_find_group(Client *client, const char *text, char **ret_path)
{
    g_autofree char *path = NULL;
    g_autoptr(GVariant) device = NULL;
    TargetKind kind;
    int r;

    r = find_object(client, text, &kind, &path);
    if (r < 0)
        return r;

    if (kind == TARGET_DEVICE) {
        r = client_properties(client, path, IOMMU_POLICY_DEVICE_INTERFACE, &device);
        if (r < 0)
            return r;
        g_free(path);
        path = g_strdup(property_string(device, "Group"));
        if (!g_str_has_prefix(path, IOMMU_POLICY_GROUP_PREFIX "/"))
            return client_refuse(client, REFUSAL_NO_SUCH_DEVICE, text, NULL, NULL);
    }

    *ret_path = g_steal_pointer(&path);
    return 0;
}

int target_find_devices(Client *client, const char *text, char ***ret_paths)
{
    g_autofree char *path = NULL;
    g_autofree const char **members = NULL;
    g_autoptr(GVariant) group = NULL;
    TargetKind kind;
    int r;

    r = find_object(client, text, &kind, &path);
    if (r < 0)
        return r;

    if (kind == TARGET_DEVICE) {
        const char *const one[] = {path, NULL};

        *ret_paths = g_strdupv((char **) one);
        return 0;
    }

    r = client_properties(client, path, IOMMU_POLICY_GROUP_INTERFACE, &group);
    if (r < 0)
        return r;
    members = property_strings(group, "Devices");
    *ret_paths = g_strdupv((char **) members);
    return 0;
}
