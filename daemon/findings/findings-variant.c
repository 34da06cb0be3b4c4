/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "findings.h"

GVariant *findings_to_variant(const GPtrArray *findings)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(FINDINGS_FORMAT));
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        g_variant_builder_add(&builder, "(ssisssi)", finding->id, finding->member, (int) finding->kind,
                              finding->object, finding->text, finding->private_text ?: "",
                              (int) finding->severity);
    }
    return g_variant_builder_end(&builder);
}

GPtrArray *findings_from_variant(GVariant *variant)
{
    const char *id, *member, *object, *text, *private_text;
    int kind, severity;
    GPtrArray *findings;
    GVariantIter iter;

    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(FINDINGS_FORMAT)))
        return NULL;
    findings = findings_new();
    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(&s&si&s&s&si)", &id, &member, &kind, &object, &text, &private_text,
                               &severity)) {
        Finding *finding = g_new0(Finding, 1);

        /* What cannot be understood must not become less severe on the way. */
        *finding = (Finding){
            .id = g_strdup(id),
            .member = g_strdup(member),
            .kind = kind >= 0 && kind < _FINDING_KIND_MAX ? (FindingKind) kind : FINDING_UNKNOWN,
            .object = g_strdup(object),
            .text = g_strdup(text),
            .private_text = *private_text ? g_strdup(private_text) : NULL,
            .severity = severity >= 0 && severity < _FINDING_SEVERITY_MAX ? (FindingSeverity) severity
                                                                          : FINDING_ABSOLUTE,
        };
        g_ptr_array_add(findings, finding);
    }
    return findings;
}
