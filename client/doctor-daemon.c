/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include <string.h>

#include "complaint.h"
#include "group-state.h"
#include "inventory.h"
#include "iommu-policy-names.h"
#include "sandbox.h"
#include "sysfs.h"
#include "verb.h"

#define UNIT "iommu-policyd.service"
#define BUS "org.freedesktop.DBus"
#define SYSTEMD "org.freedesktop.systemd1"

#define UNIT_ADVICE "Run 'systemctl cat iommu-policyd' to see which file of the unit takes it away."

/* One call to a service that is not ours. Returns 0 with *ret, a tuple; -errno, with nothing left in
 * CLIENT. */
static int ask(Client *client, const char *service, const char *path, const char *interface,
               const char *method, const char *argument, GVariant **ret)
{
    int r = client_call_to(client, service, path, interface, method, g_variant_new("(s)", argument), ret);

    sd_bus_error_free(&client->error);
    return r;
}

/* Where systemd does not answer, somebody else starts the daemon and knows whether it will again. */
static void look_at_unit(Client *client, GPtrArray *complaints)
{
    g_autoptr(GVariant) reply = NULL;
    const char *state;

    if (ask(client, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "GetUnitFileState", UNIT,
            &reply) < 0 ||
        !g_variant_is_of_type(reply, G_VARIANT_TYPE("(s)")))
        return;
    g_variant_get(reply, "(&s)", &state);
    if (!g_str_has_prefix(state, "enabled"))
        complain(complaints, COMPLAINT_NOT_ENABLED, "Run 'systemctl enable iommu-policyd'.", "%s is %s",
                 UNIT, state);
}

static void look_at_mounts(int root_fd, guint32 pid, GPtrArray *complaints)
{
    static const char *const written[] = {"/sys/kernel/iommu_groups", "/sys/bus", "/sys/devices"};
    g_autofree char *path = g_strdup_printf("proc/%u/mountinfo", pid), *mounts = NULL;

    /* Others than root may not read it, and are told nothing. */
    if (sysfs_read(root_fd, path, &mounts) < 0)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(written); i++)
        if (sandbox_is_read_only(mounts, written[i]))
            complain(complaints, COMPLAINT_READ_ONLY, UNIT_ADVICE, "iommu-policyd cannot write to %s",
                     written[i]);
}

static void look_at_sandbox(Client *client, int root_fd, GPtrArray *complaints)
{
    g_autofree char *path = NULL, *status = NULL, *missing = NULL;
    g_autoptr(GVariant) reply = NULL;
    guint32 pid;

    if (ask(client, BUS, "/org/freedesktop/DBus", BUS, "GetConnectionUnixProcessID", IOMMU_POLICY_BUS_NAME,
            &reply) < 0 ||
        !g_variant_is_of_type(reply, G_VARIANT_TYPE("(u)")))
        return;
    g_variant_get(reply, "(u)", &pid);

    path = g_strdup_printf("proc/%u/status", pid);
    if (sysfs_read(root_fd, path, &status) >= 0)
        missing = sandbox_missing_capabilities(status);
    if (missing)
        complain(complaints, COMPLAINT_MISSING_CAPABILITY, UNIT_ADVICE, "iommu-policyd runs without %s",
                 missing);
    look_at_mounts(root_fd, pid, complaints);
}

static void look_at_manager(const Client *client, GVariant *manager, GPtrArray *complaints)
{
    const char *state = property_string(manager, "State");
    guint32 untranslated = property_u32(manager, "Untranslated");

    if (strcmp(state, "frozen") == 0)
        complain(complaints, COMPLAINT_FROZEN,
                 "Run 'iommuctl check', correct the file, then run 'iommuctl reload'.",
                 "the rules are frozen: a file was refused when they were last read");
    if (strcmp(state, "disabled") == 0 && client->host)
        complain(complaints, COMPLAINT_DISABLED, "Run 'iommuctl doctor' there: it sees why.",
                 "the daemon applies nothing on this boot");
    if (property_boolean(manager, "RulesChangedOnDisk"))
        complain(complaints, COMPLAINT_RULES_CHANGED, "Run 'iommuctl check', then 'iommuctl reload'.",
                 "the rule files have changed since they were read");
    if (property_boolean(manager, "InitramfsStale"))
        complain(complaints, COMPLAINT_INITRAMFS_STALE,
                 "Run 'iommuctl reload': it names the command that builds it anew.",
                 "the initramfs has other rules than those on disk");
    if (untranslated > 0)
        complain(complaints, COMPLAINT_UNTRANSLATED,
                 "Run 'journalctl -u iommu-policyd' to see which, and 'iommuctl list --tree' to see what is "
                 "in a group.",
                 "%u device%s without an IOMMU group, although a rule asks for protection", untranslated,
                 untranslated == 1 ? " is" : "s are");
}

/* "group 6 (0000:00:06.0)" */
static char *name_of(GHashTable *objects, GVariant *group)
{
    g_autoptr(GPtrArray) members = inventory_members(objects, group);
    g_autofree char *names = inventory_join(members, "Name");

    return g_strdup_printf("group %u (%s)", property_u32(group, "Id"), names);
}

static void look_at_pending(GVariant *group, const char *name, const char *why, GPtrArray *complaints)
{
    g_autofree char *next_boot = next_boot_text(group);
    const char *reason = property_string(group, "PendingReason");

    if (strcmp(reason, pending_reason_to_string(PENDING_FORBIDDEN_TYPE)) == 0)
        complain(complaints, COMPLAINT_FORBIDDEN_TYPE, why, "%s is in %s, which is forbidden", name,
                 property_string(group, "Type"));
    else if (next_boot)
        complain(complaints, COMPLAINT_NEXT_BOOT,
                 "Boot when it suits, or see 'iommuctl plan' for what it takes now.", "%s: %s", name,
                 next_boot);
    else
        complain(complaints, COMPLAINT_PENDING, why, "%s is pending: %s", name, reason);
}

static void look_at_group(GHashTable *objects, GVariant *group, GPtrArray *complaints)
{
    g_autofree char *name = name_of(objects, group), *state = group_state_text(group);
    g_autofree char *why = g_strdup_printf("Run 'iommuctl why %u'.", property_u32(group, "Id"));
    g_autofree char *show =
        g_strdup_printf("Run 'iommuctl show %u' for what went wrong.", property_u32(group, "Id"));

    switch (group_state_from_string(property_string(group, "State"))) {
    case GROUP_FAILED:
    case GROUP_BROKEN:
    case GROUP_STUCK:
        complain(complaints, COMPLAINT_GROUP_STATE, show, "%s is %s", name, state);
        break;
    case GROUP_PENDING:
        look_at_pending(group, name, why, complaints);
        break;
    default:
        break;
    }
    if (property_boolean(group, "Conflict"))
        complain(complaints, COMPLAINT_CONFLICT, why, "rules want different types for %s", name);
}

/* What doctor-host.c sees of this machine, as far as the daemon of another one tells it. */
static void look_at_other_host(GVariant *manager, const GPtrArray *groups, GHashTable *objects,
                               GPtrArray *complaints)
{
    bool identity = false;

    for (guint i = 0; i < groups->len; i++) {
        g_autoptr(GPtrArray) members = inventory_members(objects, groups->pdata[i]);

        if (strcmp(property_string(groups->pdata[i], "Type"), "identity") != 0)
            continue;
        identity = true;
        for (guint j = 0; j < members->len; j++)
            if (property_boolean(members->pdata[j], "Untrusted"))
                complain(complaints, COMPLAINT_EXTERNAL_IDENTITY,
                         "Run 'iommuctl doctor' there for what to do.", "%s is external, and in identity",
                         property_string(members->pdata[j], "Name"));
    }
    if (strcmp(property_string(manager, "BootDefaultType"), "identity") == 0)
        complain(complaints, identity ? COMPLAINT_PASSTHROUGH_DEFAULT : COMPLAINT_PASSTHROUGH_OVERRULED,
                 "Run 'iommuctl doctor' there for what to do.",
                 "the kernel gives every group identity by itself");
    if (groups->len == 0)
        complain(complaints, COMPLAINT_IOMMU_OFF, "Run 'iommuctl doctor' there for the cause.",
                 "no device is in an IOMMU group");
}

static int look_at_objects(Client *client, GPtrArray *complaints)
{
    g_autoptr(GHashTable) objects = NULL;
    g_autoptr(GVariant) manager = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    int r;

    r = client_properties(client, IOMMU_POLICY_ROOT_PATH, IOMMU_POLICY_MANAGER_INTERFACE, &manager);
    if (r >= 0)
        r = client_objects(client, &objects);
    if (r < 0)
        return r;

    groups = inventory_groups(objects);
    look_at_manager(client, manager, complaints);
    for (guint i = 0; i < groups->len; i++)
        look_at_group(objects, groups->pdata[i], complaints);
    if (client->host)
        look_at_other_host(manager, groups, objects, complaints);
    return 0;
}

static void complain_of_error(Client *client, int error, GPtrArray *complaints)
{
    complain(complaints, COMPLAINT_NO_DAEMON, "Run 'systemctl status iommu-policyd' on its machine.",
             "the daemon cannot be asked: %s", client->error.message ?: g_strerror(-error));
    sd_bus_error_free(&client->error);
}

void doctor_look_at_daemon(Client *client, int root_fd, GPtrArray *complaints)
{
    int r;

    r = client_connect(client);
    if (r < 0) {
        complain_of_error(client, r, complaints);
        return;
    }

    look_at_unit(client, complaints);
    if (!client_daemon_runs(client)) {
        complain(complaints, COMPLAINT_NO_DAEMON, "Run 'systemctl enable --now iommu-policyd'.",
                 "iommu-policyd does not run");
        return;
    }
    if (!client->host)
        look_at_sandbox(client, root_fd, complaints);
    r = look_at_objects(client, complaints);
    if (r < 0)
        complain_of_error(client, r, complaints);
}
