/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "transaction.h"

/*
 * The plan: from what was read of a group to how its type can be changed, in which order, or why not. Pure.
 * What the kernel will say to it is not foreseen here from its version: the change asks and judges the
 * answer.
 */

static void refuse(ChangeSurvey *survey, RefusalCode code, const char *object, char *detail)
{
    survey->how = CHANGE_REFUSED;
    survey->refusal = code;
    survey->object = g_strdup(object);
    survey->detail = detail;
}

/* Bridges stay bound, and so do drivers that manage DMA themselves: since Linux 6.4 they do not stand in
 * the way of a type write, and before they refuse it (drivers/iommu/iommu.c,
 * iommu_group_store_type()), which costs nothing. */
static bool member_unbinds(const Device *device)
{
    return device->driver && !device->facts->manages_dma && !device->facts->bridge;
}

/* Children before parents: a path sorts behind each of its own beginnings. */
static gint compare_members(gconstpointer a, gconstpointer b)
{
    const ChangeMember *const *left = a, *const *right = b;

    return strcmp((*right)->syspath, (*left)->syspath);
}

static void list_members(const GPtrArray *devices, ChangeSurvey *survey)
{
    for (guint i = 0; i < devices->len; i++) {
        const Device *device = g_ptr_array_index(devices, i);
        g_autofree char *syspath = g_strconcat("sys/devices/", device->facts->path, NULL);
        ChangeMember *member = change_member_new(device->facts->bus, device->facts->name, syspath);

        member->inode = device->inode;
        member->driver = g_strdup(device->driver);
        member->unbinds = member_unbinds(device);
        g_ptr_array_add(survey->members, member);
    }
    g_ptr_array_sort(survey->members, compare_members);
}

/* The first of DEVICES for which TEST is true, or NULL. */
static const Device *find_device(const GPtrArray *devices, bool (*test)(const Device *device))
{
    for (guint i = 0; i < devices->len; i++) {
        const Device *device = g_ptr_array_index(devices, i);

        if (test(device))
            return device;
    }
    return NULL;
}

static bool is_untrusted(const Device *device)
{
    return device->facts->untrusted != TRISTATE_NO; /* what cannot be told is read the safe way */
}

static bool lacks_dma_fq(const Device *device)
{
    return !device->facts->iommu || !iommu_family_has_dma_fq(device->facts->iommu);
}

static bool cannot_unbind(const Device *device)
{
    return member_unbinds(device) && !device->unbindable;
}

/* A bridge on a driver that does not manage DMA itself (shpchp) would make the kernel refuse, but only
 * after the others have been unbound for nothing. */
static bool is_bound_bridge(const Device *device)
{
    return device->driver && device->facts->bridge && !device->facts->manages_dma;
}

static bool refuse_type(const GroupView *view, const ChangeRequest *request, ChangeSurvey *survey)
{
    const char *word = domain_type_to_string(request->type);
    const GPtrArray *devices = view->devices;
    char *unsupported;
    const Device *device;

    if (request->type != DOMAIN_TYPE_AUTO && !domain_type_is_switchable(request->type)) {
        refuse(survey, REFUSAL_INVALID_TYPE, NULL, g_strdup(word));
        return true;
    }
    if (devices->len == 0) {
        refuse(survey, REFUSAL_NOT_SUPPORTED, NULL, g_strdup("the group has no devices"));
        return true;
    }
    unsupported = group_view_unsupported(view);
    if (unsupported) {
        refuse(survey, REFUSAL_NOT_SUPPORTED, NULL, unsupported);
        return true;
    }
    if (request->out & DOMAIN_TYPE_BIT(request->type)) {
        refuse(survey, REFUSAL_FORBIDDEN, NULL, g_strdup(word));
        return true;
    }
    device = find_device(devices, is_untrusted);
    if (device && (request->type == DOMAIN_TYPE_DMA_FQ || request->type == DOMAIN_TYPE_IDENTITY)) {
        /* Kernels since 6.4 take DMA-FQ for a device behind an external port; nobody should want it. */
        refuse(survey, REFUSAL_UNTRUSTED, NULL, g_strdup(device->facts->name));
        return true;
    }
    if (request->type == DOMAIN_TYPE_DMA_FQ && request->type != view->type &&
        find_device(devices, lacks_dma_fq)) {
        /* Some IOMMU drivers cannot flush a queue, and the live switch does not ask them before it calls
         * them. */
        refuse(survey, REFUSAL_TYPE_NOT_GIVEN, NULL, g_strdup(word));
        return true;
    }
    return false;
}

static char *unbinding_names(const ChangeSurvey *survey)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < survey->members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(survey->members, i);

        if (member->unbinds)
            g_string_append_printf(names, "%s%s", names->len ? " " : "", member->name);
    }
    return g_string_free(names, FALSE);
}

static void plan_disruptive(const GPtrArray *devices, const ChangeRequest *request, ChangeSurvey *survey)
{
    const Device *device;

    survey->how = CHANGE_DISRUPTIVE;
    device = find_device(devices, is_bound_bridge);
    if (device) {
        refuse(survey, REFUSAL_STILL_BOUND, NULL,
               g_strdup_printf("%s is a bridge on %s, and bridges are not unbound", device->facts->name,
                               device->driver));
        return;
    }
    device = find_device(devices, cannot_unbind);
    if (device) {
        refuse(survey, REFUSAL_NOT_SUPPORTED, device->facts->name,
               g_strdup_printf("driver %s cannot be unbound", device->driver));
        return;
    }
    if (!request->may_unbind)
        refuse(survey, REFUSAL_DISRUPTION_NOT_ALLOWED, NULL, unbinding_names(survey));
}

static bool is_bound(const Device *device)
{
    return device->driver;
}

static void keep_all_bound(ChangeSurvey *survey)
{
    for (guint i = 0; i < survey->members->len; i++)
        ((ChangeMember *) g_ptr_array_index(survey->members, i))->unbinds = false;
}

void transaction_plan(const GroupView *view, const ChangeRequest *request, ChangeSurvey *survey)
{
    const GPtrArray *devices = view->devices;
    DomainType current = view->type;

    survey->type_from = current;
    list_members(devices, survey);
    if (!refuse_type(view, request, survey)) {
        if (request->type == current)
            survey->how = CHANGE_NOTHING;
        else if (request->type == DOMAIN_TYPE_DMA_FQ && current == DOMAIN_TYPE_DMA &&
                 find_device(devices, is_bound))
            survey->how = CHANGE_LIVE;
        else if (!find_device(devices, member_unbinds))
            survey->how = CHANGE_UNBOUND;
        else {
            plan_disruptive(devices, request, survey);
            return;
        }
    }
    keep_all_bound(survey);
}
