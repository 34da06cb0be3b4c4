/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-cause.h"

#include "group-view.h"

typedef enum BoundDriver {
    ANY_DRIVER,
    DRIVER_WITHOUT_OWN_DMA, /* one that lets the DMA API manage its domain: it keeps the group since
                               Linux 6.4 */
} BoundDriver;

static const Device *find_bound(const GroupView *view, BoundDriver which)
{
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = g_ptr_array_index(view->devices, i);

        if (device->driver && (which == ANY_DRIVER || !device->facts->manages_dma))
            return device;
    }
    return NULL;
}

static void fail_bound(const Sequence *sequence, const Device *device, int error)
{
    sequence_fail(sequence, REFUSAL_STILL_BOUND, NULL, error, "%s is bound to %s", device->facts->name,
                  device->driver);
}

/* EPERM, since 6.4: no member, a driver that uses the DMA API, or a user-space owner (owner_cnt). */
static void explain_permission(const Sequence *sequence, const GroupView *view, int error)
{
    const Device *bound = find_bound(view, DRIVER_WITHOUT_OWN_DMA);

    if (bound)
        fail_bound(sequence, bound, error);
    else if (view->devices->len == 0)
        sequence_fail(sequence, REFUSAL_NOT_SUPPORTED, NULL, error, "the group has no devices");
    else if ((bound = find_bound(view, ANY_DRIVER)))
        sequence_fail(sequence, REFUSAL_OWNED_BY_USER, NULL, error, "%s, through %s", bound->facts->name,
                      bound->driver);
    else
        sequence_fail(sequence, REFUSAL_SWITCH_FAILED, NULL, error, "%s", g_strerror(-error));
}

/* EBUSY: before 6.4 any bound driver; since 7.0 a member that is being reset. */
static void explain_busy(const Sequence *sequence, const GroupView *view, int error)
{
    const Device *bound = find_bound(view, ANY_DRIVER);

    if (bound)
        fail_bound(sequence, bound, error);
    else
        sequence_fail(sequence, REFUSAL_BUSY, NULL, error,
                      "a member is being reset, or attached by somebody else");
}

/*
 * EINVAL: a type that is forced or not offered; before 6.4 also any group of more than one device. A kernel
 * since 6.4 says EPERM before it looks at the type, so EINVAL while a driver is bound tells the older one.
 */
static void explain_invalid(const Sequence *sequence, const GroupView *view, DomainType type, int error)
{
    const char *word = domain_type_to_string(type);

    if (view->devices->len > 1 && find_bound(view, DRIVER_WITHOUT_OWN_DMA))
        sequence_fail(sequence, REFUSAL_MULTIPLE_MEMBERS, NULL, error, "%u devices", view->devices->len);
    else if (view->devices->len > 1)
        sequence_fail(sequence, REFUSAL_NOT_SUPPORTED, NULL, error,
                      "%s: forced otherwise, or a kernel that switches only groups of one device", word);
    else
        sequence_fail(sequence, REFUSAL_FORCED, NULL, error, "%s is not given to this device", word);
}

void change_explain_type_error(const Sequence *sequence, unsigned group, DomainType type, int error)
{
    g_autoptr(GroupView) view = NULL;
    int r = group_view_read(sequence->root_fd, group, &view);

    if (r < 0 && (error == -EPERM || error == -EBUSY || error == -EINVAL)) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, error, "the group cannot be read any more: %s",
                      g_strerror(-r));
        return;
    }
    switch (-error) {
    case EPERM:
        explain_permission(sequence, view, error);
        break;
    case EBUSY:
        explain_busy(sequence, view, error);
        break;
    case EINVAL:
        explain_invalid(sequence, view, type, error);
        break;
    case EACCES:
        sequence_fail(sequence, REFUSAL_MISSING_CAPABILITY, NULL, error, NULL);
        break;
    case EOPNOTSUPP:
        sequence_fail(sequence, REFUSAL_TYPE_NOT_GIVEN, NULL, error, "%s", domain_type_to_string(type));
        break;
    case ENOENT:
    case ENODEV:
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, error,
                      "the group is gone, or has other members now");
        break;
    default:
        sequence_fail(sequence, REFUSAL_SWITCH_FAILED, NULL, error, "%s", g_strerror(-error));
    }
}

RefusalCode change_findings_refusal(const GPtrArray *blocking, char **ret_detail)
{
    GString *ids = g_string_new(NULL);

    for (guint i = 0; i < blocking->len; i++) {
        const Finding *finding = g_ptr_array_index(blocking, i);

        if (finding->kind == FINDING_OWNER) {
            g_string_free(ids, TRUE);
            *ret_detail = g_strdup(finding->text);
            return REFUSAL_OWNED_BY_USER;
        }
        g_string_append_printf(ids, "%s%s", ids->len ? " " : "", finding->id);
    }
    *ret_detail = g_string_free(ids, FALSE);
    return REFUSAL_IN_USE;
}

static int collect(int root_fd, const ChangeSurvey *survey, bool unbinds, FindingsScope scope,
                   GPtrArray *findings)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new(), found = NULL;
    int r;

    for (guint i = 0; i < survey->members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(survey->members, i);

        if ((survey->how == CHANGE_DISRUPTIVE && member->unbinds) == unbinds)
            g_ptr_array_add(paths, member->syspath);
    }
    if (paths->len == 0)
        return 0;
    g_ptr_array_add(paths, NULL);
    r = findings_collect(root_fd, (char **) paths->pdata, scope, &found);
    if (r < 0)
        return r;
    g_ptr_array_extend_and_steal(findings, g_steal_pointer(&found));
    return 0;
}

int change_collect_findings(int root_fd, const ChangeSurvey *survey, GPtrArray *findings)
{
    int r = collect(root_fd, survey, true, FINDINGS_ALL, findings);

    return r < 0 ? r : collect(root_fd, survey, false, FINDINGS_OWNER_ONLY, findings);
}

static bool contains(const GPtrArray *list, const void *element)
{
    for (guint i = 0; i < list->len; i++)
        if (g_ptr_array_index(list, i) == element)
            return true;
    return false;
}

bool change_explain_findings(const Sequence *sequence, const ChangeRequest *request, GPtrArray *findings,
                             bool all)
{
    g_autoptr(GPtrArray) blocking = NULL;
    g_autofree char *detail = NULL;
    RefusalCode code;

    blocking = findings_blocking(findings, all ? 0 : request->accept, all ? NULL : request->allow);
    if (blocking->len == 0)
        return false;
    code = change_findings_refusal(blocking, &detail);
    sequence_fail(sequence, code, NULL, -EBUSY, "%s", detail);
    for (guint i = 0; i < findings->len;) {
        if (contains(blocking, g_ptr_array_index(findings, i)))
            g_ptr_array_add(sequence->result->findings, g_ptr_array_steal_index(findings, i));
        else
            i++;
    }
    return true;
}
