/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transaction.h"

#include "escape.h"
#include "findings.h"

/* The values that go into a change and come out of it: made, freed, and packed for a worker's message. */

#define MEMBERS_FORMAT "a(ssstsb)"

static const char *const how_names[_CHANGE_HOW_MAX] = {
    [CHANGE_NOTHING] = "nothing",
    [CHANGE_LIVE] = "live",
    [CHANGE_UNBOUND] = "unbound",
    [CHANGE_DISRUPTIVE] = "disruptive",
    [CHANGE_REFUSED] = "refused",
};

const char *change_how_to_string(ChangeHow how)
{
    return how >= 0 && how < _CHANGE_HOW_MAX ? how_names[how] : NULL;
}

ChangeMember *change_member_new(const char *bus, const char *name, const char *syspath)
{
    ChangeMember *member = g_new0(ChangeMember, 1);

    member->bus = g_strdup(bus);
    member->name = g_strdup(name);
    member->syspath = g_strdup(syspath);
    return member;
}

void change_member_free(ChangeMember *member)
{
    if (!member)
        return;
    g_free(member->bus);
    g_free(member->name);
    g_free(member->syspath);
    g_free(member->driver);
    g_free(member);
}

static GPtrArray *members_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) change_member_free);
}

ChangeRequest *change_request_new(unsigned group, DomainType type)
{
    ChangeRequest *request = g_new0(ChangeRequest, 1);

    request->group = group;
    request->type = type;
    request->type_from = _DOMAIN_TYPE_INVALID;
    request->how = _CHANGE_HOW_INVALID;
    request->limits = (ChangeLimits) {
        .unbind_usec = 30 * G_USEC_PER_SEC,
        .type_usec = 30 * G_USEC_PER_SEC,
        .bind_usec = 180 * G_USEC_PER_SEC,
        .probe_usec = 90 * G_USEC_PER_SEC,
    };
    return request;
}

void change_request_free(ChangeRequest *request)
{
    if (!request)
        return;
    g_free(request->origin);
    g_strfreev(request->allow);
    g_clear_pointer(&request->members, g_ptr_array_unref);
    g_free(request);
}

ChangeSurvey *change_survey_new(void)
{
    ChangeSurvey *survey = g_new0(ChangeSurvey, 1);

    survey->how = CHANGE_REFUSED;
    survey->type_from = _DOMAIN_TYPE_INVALID;
    survey->members = members_new();
    survey->findings = findings_new();
    return survey;
}

void change_survey_free(ChangeSurvey *survey)
{
    if (!survey)
        return;
    g_ptr_array_unref(survey->members);
    g_ptr_array_unref(survey->findings);
    g_free(survey->object);
    g_free(survey->detail);
    g_free(survey);
}

static void step_time_free(void *data)
{
    ChangeStepTime *step = data;

    g_free(step->name);
    g_free(step);
}

ChangeResult *change_result_new(void)
{
    ChangeResult *result = g_new0(ChangeResult, 1);

    result->type = _DOMAIN_TYPE_INVALID;
    result->how = CHANGE_REFUSED;
    result->findings = findings_new();
    result->notes = g_ptr_array_new_with_free_func(g_free);
    result->steps = g_ptr_array_new_with_free_func(step_time_free);
    return result;
}

void change_result_free(ChangeResult *result)
{
    if (!result)
        return;
    g_free(result->object);
    g_free(result->detail);
    g_ptr_array_unref(result->findings);
    g_ptr_array_unref(result->notes);
    g_ptr_array_unref(result->steps);
    g_free(result);
}

/* What a worker says is believed only if it has a meaning: the process may have gone mad. */
static bool is_meaningful(int how, int type, int refusal)
{
    return change_how_to_string(how) && (type == _DOMAIN_TYPE_INVALID || domain_type_to_string(type)) &&
           refusal >= REFUSAL_NONE && refusal < _REFUSAL_CODE_MAX;
}

static char *text_or_null(const char *text)
{
    return *text ? g_strdup(text) : NULL;
}

/* A message is UTF-8; an interface may be called anything. */
static GVariant *text_to_variant(const char *text)
{
    return g_variant_new_take_string(printable_text(text ?: ""));
}

static GVariant *members_to_variant(const GPtrArray *members)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(MEMBERS_FORMAT));
    for (guint i = 0; i < members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(members, i);

        g_variant_builder_add(&builder, "(ssstsb)", member->bus, member->name, member->syspath,
                              member->inode, member->driver ?: "", member->unbinds);
    }
    return g_variant_builder_end(&builder);
}

static void members_from_variant(GVariant *variant, GPtrArray *members)
{
    const char *bus, *name, *syspath, *driver;
    GVariantIter iter;
    guint64 inode;
    gboolean unbinds;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(&s&s&st&sb)", &bus, &name, &syspath, &inode, &driver, &unbinds)) {
        ChangeMember *member = change_member_new(bus, name, syspath);

        member->inode = inode;
        member->driver = text_or_null(driver);
        member->unbinds = unbinds;
        g_ptr_array_add(members, member);
    }
}

GVariant *change_survey_to_variant(const ChangeSurvey *survey)
{
    return g_variant_new("(ii@" MEMBERS_FORMAT "@" FINDINGS_FORMAT "i@s@s)", survey->how, survey->type_from,
                         members_to_variant(survey->members), findings_to_variant(survey->findings),
                         survey->refusal, text_to_variant(survey->object), text_to_variant(survey->detail));
}

ChangeSurvey *change_survey_from_variant(GVariant *variant)
{
    g_autoptr(GVariant) members = NULL, findings = NULL;
    const char *object, *detail;
    int how, type, refusal;
    ChangeSurvey *survey;

    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(CHANGE_SURVEY_FORMAT)))
        return NULL;
    g_variant_get(variant, "(ii@" MEMBERS_FORMAT "@" FINDINGS_FORMAT "i&s&s)", &how, &type, &members,
                  &findings, &refusal, &object, &detail);
    if (!is_meaningful(how, type, refusal))
        return NULL;
    survey = change_survey_new();
    survey->how = how;
    survey->type_from = type;
    survey->refusal = refusal;
    survey->object = text_or_null(object);
    survey->detail = text_or_null(detail);
    members_from_variant(members, survey->members);
    g_ptr_array_unref(survey->findings);
    survey->findings = findings_from_variant(findings);
    return survey;
}

static GVariant *steps_to_variant(const GPtrArray *steps)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(st)"));
    for (guint i = 0; i < steps->len; i++) {
        const ChangeStepTime *step = g_ptr_array_index(steps, i);

        g_variant_builder_add(&builder, "(@st)", text_to_variant(step->name), step->usec);
    }
    return g_variant_builder_end(&builder);
}

static void steps_from_variant(GVariant *variant, GPtrArray *steps)
{
    GVariantIter iter;
    const char *name;
    guint64 usec;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(&st)", &name, &usec)) {
        ChangeStepTime *step = g_new(ChangeStepTime, 1);

        *step = (ChangeStepTime) { .name = g_strdup(name), .usec = usec };
        g_ptr_array_add(steps, step);
    }
}

GVariant *change_result_to_variant(const ChangeResult *result)
{
    GVariantBuilder notes;

    g_variant_builder_init(&notes, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < result->notes->len; i++)
        g_variant_builder_add_value(&notes, text_to_variant(result->notes->pdata[i]));
    return g_variant_new("(i@s@siiibb@" FINDINGS_FORMAT "as@a(st)tt)", result->code,
                         text_to_variant(result->object), text_to_variant(result->detail), result->error,
                         result->type, result->how, result->undone, result->broken,
                         findings_to_variant(result->findings), &notes, steps_to_variant(result->steps),
                         result->kernel_usec, result->total_usec);
}

ChangeResult *change_result_from_variant(GVariant *variant)
{
    g_autoptr(GVariant) findings = NULL, steps = NULL;
    g_autofree const char **notes = NULL;
    const char *object, *detail;
    guint64 kernel_usec, total_usec;
    int code, error, type, how;
    gboolean undone, broken;
    ChangeResult *result;

    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(CHANGE_RESULT_FORMAT)))
        return NULL;
    g_variant_get(variant, "(i&s&siiibb@" FINDINGS_FORMAT "^a&s@a(st)tt)", &code, &object, &detail, &error,
                  &type, &how, &undone, &broken, &findings, &notes, &steps, &kernel_usec, &total_usec);
    if (!is_meaningful(how, type, code) || error < 0)
        return NULL;
    result = change_result_new();
    result->kernel_usec = kernel_usec;
    result->total_usec = total_usec;
    result->error = error;
    result->code = code;
    result->type = type;
    result->how = how;
    result->undone = undone;
    result->broken = broken;
    result->object = text_or_null(object);
    result->detail = text_or_null(detail);
    for (size_t i = 0; notes[i]; i++)
        g_ptr_array_add(result->notes, g_strdup(notes[i]));
    steps_from_variant(steps, result->steps);
    g_ptr_array_unref(result->findings);
    result->findings = findings_from_variant(findings);
    return result;
}
