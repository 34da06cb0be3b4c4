/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "function-types.h"

#include <errno.h>

#include "decision.h"
#include "group-view.h"
#include "host.h"

static Decision *decide(const RuleSet *rules, const Host *host, const GroupView *view)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(view->devices->len, 1));
    DecisionInput input = {
        .members = members,
        .n_members = view->devices->len,
        .current = view->type,
        .auto_outcome = host->auto_outcome,
        .auto_settled = (DOMAIN_TYPE_BIT(view->type) & host->auto_outcome) != 0,
        .call_type = _DOMAIN_TYPE_INVALID,
        .early_only = true,
    };

    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];

        if (view->type != DOMAIN_TYPE_DMA_FQ && !device_has_dma_fq(device))
            input.not_given = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
        device_decision_member(device, &members[i]);
    }
    return decision_make(rules, host->facts, &input);
}

/* Nobody is unbound for it. */
static ChangeRequest *make_request(const GroupView *view, const Decision *decision,
                                   const ChangeLimits *limits)
{
    ChangeRequest *request = change_request_new(view->id, decision->wanted);

    request->out = decision->out;
    request->origin = g_strdup_printf("rule:%s", decision->wanted_by);
    request->by_rule = true;
    request->limits = *limits;
    request->type_from = view->type;
    request->how = CHANGE_UNBOUND;
    request->members = g_ptr_array_new_with_free_func((GDestroyNotify) change_member_free);
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];
        g_autofree char *syspath = g_strconcat("sys/devices/", device->facts->path, NULL);
        ChangeMember *member = change_member_new(device->facts->bus, device->facts->name, syspath);

        member->inode = device->inode;
        member->driver = g_strdup(device->driver);
        g_ptr_array_add(request->members, member);
    }
    return request;
}

static void write_type(int root_fd, const char *name, const RuleSet *rules, const Host *host,
                       const ChangeLimits *limits)
{
    g_autofree char *syspath = NULL;
    g_autoptr(Device) device = NULL;
    g_autoptr(GroupView) view = NULL;
    g_autoptr(Decision) decision = NULL;
    g_autoptr(ChangeRequest) request = NULL;
    g_autoptr(ChangeResult) result = NULL;

    if (device_find(root_fd, "pci", name, &syspath) < 0 ||
        device_read(root_fd, syspath, NULL, &device) < 0 || device->group < 0 || group_view_read(root_fd, (unsigned) device->group, &view) < 0)
        return;
    decision = decide(rules, host, view);
    if (decision->settled || decision->wanted < 0 || decision->obstacle != PENDING_NONE)
        return;
    request = make_request(view, decision, limits);
    /* What came of it is read by the next daemon; a driver does not wait for more. */
    (void) transaction_run(root_fd, request, NULL, NULL, &result);
}

int function_types_write(int root_fd, char **names, const ChangeLimits *limits)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    g_autoptr(Host) host = NULL;
    int r;

    r = host_read(root_fd, &host);
    if (r < 0 || host->disabled)
        return r;
    r = rule_set_load_once(root_fd, &rules, &diagnostics);
    if (r < 0)
        return r;
    for (char **name = names; *name; name++)
        write_type(root_fd, *name, rules, host, limits);
    return 0;
}
