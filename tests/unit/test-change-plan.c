/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plan of a change: from what a group looks like to how its type can be changed, or why not. */
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "transaction.h"
#include "unit.h"

typedef struct Member {
    const char *path;    /* below sys/devices; its last part is the name */
    const char *driver;
    bool managed, bridge, untrusted, no_unbind;
    const char *iommu;   /* NULL: "intel" */
} Member;

#define MEMBERS_MAX 4

typedef struct Case {
    const char *what;
    DomainType current, wanted;
    const char *name;    /* of the group, or NULL */
    DomainTypeSet out;
    bool no_unbind;      /* the request does not allow it */
    Member members[MEMBERS_MAX];
    ChangeHow how;
    RefusalCode refusal;
    const char *detail;  /* it begins so; NULL: not looked at */
    const char *unbinds; /* names in order */
} Case;

#define A "pci0000:00/0000:00:04.0"
#define PORT "pci0000:00/0000:00:05.0"
#define BEHIND PORT "/0000:01:00.0"

static const Case cases[] = {
    {"same type", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA, .members = {{A, "nvme"}}, .how = CHANGE_NOTHING},
    {"live", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, .members = {{A, "nvme"}}, .how = CHANGE_LIVE},
    {"live needs no permission to unbind", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, .no_unbind = true,
     .members = {{A, "nvme"}}, .how = CHANGE_LIVE},
    {"live, many", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ,
     .members = {{PORT, "pcieport", .managed = true, .bridge = true}, {BEHIND, "nvme"}}, .how = CHANGE_LIVE},
    {"nothing bound", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, .members = {{A}}, .how = CHANGE_UNBOUND},
    {"nothing bound, relaxed", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY, .no_unbind = true, .members = {{A}},
     .how = CHANGE_UNBOUND},
    {"manages its DMA", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY, .members = {{A, "vfio-pci", .managed = true}},
     .how = CHANGE_UNBOUND},
    {"lone bridge", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY,
     .members = {{PORT, "pcieport", .managed = true, .bridge = true}}, .how = CHANGE_UNBOUND},
    {"bound", DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_DMA, .members = {{A, "nvme"}}, .how = CHANGE_DISRUPTIVE,
     .unbinds = "0000:00:04.0"},
    {"auto is written even if it may change nothing", DOMAIN_TYPE_DMA, DOMAIN_TYPE_AUTO,
     .members = {{A, "nvme"}}, .how = CHANGE_DISRUPTIVE, .unbinds = "0000:00:04.0"},
    {"children first, bridge stays", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY,
     .members = {{"pci0000:00/0000:00:03.0", "e1000e"},
                 {"pci0000:00/0000:00:03.0/0000:02:00.0", "e1000e"},
                 {PORT, "pcieport", .managed = true, .bridge = true},
                 {BEHIND, "nvme"}},
     .how = CHANGE_DISRUPTIVE, .unbinds = "0000:01:00.0 0000:02:00.0 0000:00:03.0"},
    {"only the bound ones", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY,
     .members = {{A, "nvme"}, {"pci0000:00/0000:00:04.1"}}, .how = CHANGE_DISRUPTIVE,
     .unbinds = "0000:00:04.0"},
    {"not allowed to unbind", DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_IDENTITY, .no_unbind = true,
     .members = {{A, "nvme"}}, .how = CHANGE_REFUSED, .refusal = REFUSAL_DISRUPTION_NOT_ALLOWED,
     .detail = "0000:00:04.0", .unbinds = "0000:00:04.0"},
    {"cannot be unbound", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY,
     .members = {{A, "lpc_ich", .no_unbind = true}}, .how = CHANGE_REFUSED, .refusal = REFUSAL_NOT_SUPPORTED,
     .detail = "driver lpc_ich cannot be unbound", .unbinds = "0000:00:04.0"},
    {"bridge on another driver", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY,
     .members = {{PORT, "shpchp", .bridge = true}, {BEHIND, "nvme"}}, .how = CHANGE_REFUSED,
     .refusal = REFUSAL_STILL_BOUND, .unbinds = "0000:01:00.0"},
    {"empty group", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY, .how = CHANGE_REFUSED,
     .refusal = REFUSAL_NOT_SUPPORTED, .detail = "the group has no devices"},
    {"no default domain", DOMAIN_TYPE_UNKNOWN, DOMAIN_TYPE_DMA, .members = {{A}}, .how = CHANGE_REFUSED,
     .refusal = REFUSAL_NOT_SUPPORTED, .detail = "its type reads unknown"},
    {"no IOMMU, whatever is read", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, .name = "vfio-noiommu",
     .members = {{A}}, .how = CHANGE_REFUSED, .refusal = REFUSAL_NOT_SUPPORTED,
     .detail = "VFIO uses its devices without an IOMMU"},
    {"PowerPC", DOMAIN_TYPE_UNKNOWN, DOMAIN_TYPE_AUTO, .members = {{A, .iommu = "ppc64"}},
     .how = CHANGE_REFUSED, .refusal = REFUSAL_NOT_SUPPORTED,
     .detail = "its type reads unknown: on PowerPC"},
    {"attached by the kernel", DOMAIN_TYPE_UNMANAGED, DOMAIN_TYPE_DMA, .members = {{A}},
     .how = CHANGE_REFUSED, .refusal = REFUSAL_NOT_SUPPORTED, .detail = "its type reads unmanaged: "},
    {"blocked", DOMAIN_TYPE_BLOCKED, DOMAIN_TYPE_DMA, .members = {{A}}, .how = CHANGE_REFUSED,
     .refusal = REFUSAL_NOT_SUPPORTED},
    {"not a type to ask for", DOMAIN_TYPE_DMA, DOMAIN_TYPE_BLOCKED, .members = {{A}}, .how = CHANGE_REFUSED,
     .refusal = REFUSAL_INVALID_TYPE},
    {"forbidden", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY, .out = DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY),
     .members = {{A}}, .how = CHANGE_REFUSED, .refusal = REFUSAL_FORBIDDEN},
    {"untrusted, lazy", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ, .members = {{A, .untrusted = true}},
     .how = CHANGE_REFUSED, .refusal = REFUSAL_UNTRUSTED, .detail = "0000:00:04.0"},
    {"untrusted, not translated", DOMAIN_TYPE_DMA, DOMAIN_TYPE_IDENTITY, .members = {{A, .untrusted = true}},
     .how = CHANGE_REFUSED, .refusal = REFUSAL_UNTRUSTED},
    {"untrusted, stricter", DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_DMA, .members = {{A, .untrusted = true}},
     .how = CHANGE_UNBOUND},
    {"family without lazy flushing", DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ,
     .members = {{A, "sdhci", .iommu = "rockchip"}}, .how = CHANGE_REFUSED,
     .refusal = REFUSAL_TYPE_NOT_GIVEN},
    {"but the kernel chose it", DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_DMA_FQ,
     .members = {{A, "sdhci", .iommu = "rockchip"}}, .how = CHANGE_NOTHING},
};

static void device_free_void(gpointer device)
{
    device_free(device);
}

static Device *make_device(const Member *member)
{
    g_autofree char *name = g_path_get_basename(member->path);
    Device *device = g_new0(Device, 1);

    device->facts = device_facts_new("pci", name, member->path);
    device->facts->untrusted = member->untrusted ? TRISTATE_YES : TRISTATE_NO;
    device->facts->bridge = member->bridge;
    device->facts->manages_dma = member->managed;
    device->facts->iommu = g_strdup(member->iommu ?: "intel");
    device->driver = g_strdup(member->driver);
    device->unbindable = !member->no_unbind;
    return device;
}

static char *unbinding(const ChangeSurvey *survey)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < survey->members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(survey->members, i);

        if (member->unbinds)
            g_string_append_printf(names, "%s%s", names->len ? " " : "", member->name);
    }
    return g_string_free(names, FALSE);
}

START_TEST(plans)
{
    const Case *c = &cases[_i];
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(device_free_void);
    g_autoptr(ChangeRequest) request = change_request_new(7, c->wanted);
    g_autoptr(ChangeSurvey) survey = change_survey_new();
    g_autofree char *unbinds = NULL;
    GroupView view = { .type = c->current, .name = (char *) c->name, .devices = devices };

    for (size_t i = 0; i < MEMBERS_MAX && c->members[i].path; i++)
        g_ptr_array_add(devices, make_device(&c->members[i]));
    request->out = c->out;
    request->may_unbind = !c->no_unbind;
    transaction_plan(&view, request, survey);
    unbinds = unbinding(survey);
    ck_assert_msg(survey->how == c->how, "%s: %s", c->what, change_how_to_string(survey->how));
    ck_assert_msg(survey->refusal == c->refusal, "%s: refusal %d (%s)", c->what, survey->refusal,
                  survey->detail);
    ck_assert_msg(survey->type_from == c->current, "%s", c->what);
    ck_assert_msg(survey->members->len == devices->len, "%s", c->what);
    if (c->detail)
        ck_assert_msg(g_str_has_prefix(survey->detail, c->detail), "%s: %s", c->what, survey->detail);
    ck_assert_msg(g_str_equal(unbinds, c->unbinds ?: ""), "%s: unbinds '%s'", c->what, unbinds);
}
END_TEST

START_TEST(words)
{
    for (int how = 0; how < _CHANGE_HOW_MAX; how++)
        ck_assert_ptr_nonnull(change_how_to_string(how));
    ck_assert_ptr_null(change_how_to_string(_CHANGE_HOW_MAX));
}
END_TEST

START_TEST(survey_survives_message)
{
    g_autoptr(ChangeSurvey) survey = change_survey_new(), back = NULL;
    g_autoptr(GVariant) variant = NULL;
    ChangeMember *member = change_member_new("pci", "0000:00:04.0", "sys/devices/pci0000:00/0000:00:04.0");
    const ChangeMember *same;

    member->inode = 4711;
    member->driver = g_strdup("nvme");
    member->unbinds = true;
    g_ptr_array_add(survey->members, member);
    g_ptr_array_add(survey->members,
                    change_member_new("pci", "0000:00:05.0", "sys/devices/pci0000:00/0000:00:05.0"));
    findings_add(survey->findings, FINDING_MOUNT, FINDING_ABSOLUTE, "0000:00:04.0", "/srv", "nvme0n1",
                 "mounted");
    survey->how = CHANGE_DISRUPTIVE;
    survey->type_from = DOMAIN_TYPE_DMA_FQ;
    survey->refusal = REFUSAL_IN_USE;
    survey->detail = g_strdup("mount:/srv@nvme0n1");
    variant = g_variant_ref_sink(change_survey_to_variant(survey));
    ck_assert_str_eq(g_variant_get_type_string(variant), CHANGE_SURVEY_FORMAT);
    back = change_survey_from_variant(variant);
    ck_assert_int_eq(back->how, CHANGE_DISRUPTIVE);
    ck_assert_int_eq(back->type_from, DOMAIN_TYPE_DMA_FQ);
    ck_assert_int_eq(back->refusal, REFUSAL_IN_USE);
    ck_assert_ptr_null(back->object);
    ck_assert_str_eq(back->detail, "mount:/srv@nvme0n1");
    ck_assert_int_eq(back->members->len, 2);
    same = g_ptr_array_index(back->members, 0);
    ck_assert_str_eq(same->name, "0000:00:04.0");
    ck_assert_uint_eq(same->inode, 4711);
    ck_assert_str_eq(same->driver, "nvme");
    ck_assert(same->unbinds);
    same = g_ptr_array_index(back->members, 1);
    ck_assert_ptr_null(same->driver);
    ck_assert(!same->unbinds);
    ck_assert_int_eq(back->findings->len, 1);
}
END_TEST

START_TEST(result_survives_message)
{
    g_autoptr(ChangeResult) result = change_result_new(), back = NULL;
    g_autoptr(GVariant) variant = NULL;

    result->code = REFUSAL_REBIND_FAILED;
    result->object = g_strdup("0000:00:04.0");
    result->detail = g_strdup("nvme: Input/output error");
    result->error = 5;
    result->type = DOMAIN_TYPE_DMA;
    result->how = CHANGE_DISRUPTIVE;
    result->undone = true;
    result->kernel_usec = 12;
    result->total_usec = 34;
    g_ptr_array_add(result->notes, g_strdup("interface eth0 was up and is down"));
    variant = g_variant_ref_sink(change_result_to_variant(result));
    ck_assert_str_eq(g_variant_get_type_string(variant), CHANGE_RESULT_FORMAT);
    back = change_result_from_variant(variant);
    ck_assert_int_eq(back->code, REFUSAL_REBIND_FAILED);
    ck_assert_str_eq(back->object, "0000:00:04.0");
    ck_assert_str_eq(back->detail, "nvme: Input/output error");
    ck_assert_int_eq(back->error, 5);
    ck_assert_int_eq(back->type, DOMAIN_TYPE_DMA);
    ck_assert_int_eq(back->how, CHANGE_DISRUPTIVE);
    ck_assert(back->undone && !back->broken);
    ck_assert_int_eq(back->notes->len, 1);
    ck_assert_str_eq(g_ptr_array_index(back->notes, 0), "interface eth0 was up and is down");
    ck_assert_uint_eq(back->kernel_usec, 12);
    ck_assert_uint_eq(back->total_usec, 34);
}
END_TEST

/* A process that has gone mad may say anything. */
START_TEST(message_without_meaning)
{
    static const char *const texts[] = {
        "(5, 0, @a(ssstsb) [], @a(ssisssi) [], 0, '', '')",
        "(-1, 0, @a(ssstsb) [], @a(ssisssi) [], 0, '', '')",
        "(0, 7, @a(ssstsb) [], @a(ssisssi) [], 0, '', '')",
        "(0, 0, @a(ssstsb) [], @a(ssisssi) [], 1000, '', '')",
        "(0, 0, @a(ssstsb) [], @a(ssisssi) [], -22, '', '')",
        "(1000, '', '', 0, 0, 0, false, false, @a(ssisssi) [], @as [], uint64 0, uint64 0)",
        "(0, '', '', -5, 0, 0, false, false, @a(ssisssi) [], @as [], uint64 0, uint64 0)",
        "(0, '', '', 0, 0, 5, false, false, @a(ssisssi) [], @as [], uint64 0, uint64 0)",
        "false",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GVariant) message = g_variant_parse(NULL, texts[i], NULL, NULL, NULL);

        ck_assert_ptr_nonnull(message);
        ck_assert_ptr_null(change_survey_from_variant(message));
        ck_assert_ptr_null(change_result_from_variant(message));
        ck_assert_ptr_null(findings_from_variant(message));
    }
}
END_TEST

START_TEST(texts_are_made_fit_for_a_message)
{
    g_autoptr(ChangeResult) result = change_result_new(), back = NULL;
    g_autoptr(GVariant) variant = NULL;

    result->detail = g_strdup("\xff");
    g_ptr_array_add(result->notes, g_strdup("interface e\xe4\n was up"));
    variant = g_variant_ref_sink(change_result_to_variant(result));
    back = change_result_from_variant(variant);
    ck_assert_str_eq(back->detail, "\xef\xbf\xbd");
    ck_assert_str_eq(back->notes->pdata[0], "interface e\xef\xbf\xbd\xef\xbf\xbd was up");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("plan");

    tcase_add_loop_test(tcase, plans, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tcase, words);
    tcase_add_test(tcase, survey_survives_message);
    tcase_add_test(tcase, result_survives_message);
    tcase_add_test(tcase, message_without_meaning);
    tcase_add_test(tcase, texts_are_made_fit_for_a_message);
    return unit_run("change plan", tcase);
}
