/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-cause.h"

#include "group-view.h"
#include "type-error.h"

/* Which program it is, as far as it is seen: the finding names its process, for those who may know. */
static void name_owner(const Sequence *sequence, const GroupView *view, char **detail)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), findings = NULL;

    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];

        g_ptr_array_add(paths, g_strconcat("sys/devices/", device->facts->path, NULL));
    }
    g_ptr_array_add(paths, NULL);
    if (findings_collect(sequence->root_fd, (char **) paths->pdata, FINDINGS_OWNER_ONLY, &findings) < 0 ||
        findings->len == 0)
        return;
    g_free(*detail);
    *detail = g_strdup(((const Finding *) findings->pdata[0])->text);
    g_ptr_array_extend_and_steal(sequence->result->findings, g_steal_pointer(&findings));
}

void change_explain_type_error(const Sequence *sequence, unsigned group, DomainType type, int error)
{
    g_autoptr(GroupView) view = NULL;
    g_autofree char *detail = NULL;
    int r = group_view_read(sequence->root_fd, group, &view);
    RefusalCode code;

    if (r < 0 && (error == -EPERM || error == -EBUSY || error == -EINVAL)) {
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, NULL, error, "the group cannot be read any more: %s",
                      g_strerror(-r));
        return;
    }
    code = type_error_explain(view, type, error, &detail);
    if (code == REFUSAL_OWNED_BY_USER)
        name_owner(sequence, view, &detail);
    if (detail)
        sequence_fail(sequence, code, NULL, error, "%s", detail);
    else
        sequence_fail(sequence, code, NULL, error, NULL);
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
