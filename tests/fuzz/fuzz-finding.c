/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Findings about things with any names: ids that can be told apart and typed, texts that the bus carries,
 * and an id of `allow` that allows the one finding it names. */
#include <string.h>

#include "escape.h"
#include "findings.h"
#include "fuzz.h"

/* The inverse of escape_object(). */
static char *unescape(const char *text)
{
    GString *plain = g_string_new(NULL);

    for (const char *p = text; *p; p++)
        if (*p == '\\') {
            g_assert_true(p[1] == 'x' && g_ascii_isxdigit(p[2]) && g_ascii_isxdigit(p[3]));
            g_string_append_c(plain,
                              (char) (g_ascii_xdigit_value(p[2]) << 4 | g_ascii_xdigit_value(p[3])));
            p += 3;
        } else
            g_string_append_c(plain, *p);
    return g_string_free(plain, FALSE);
}

static void check_escape(const char *text)
{
    g_autofree char *escaped = escape_object(text, ""), *plain = unescape(escaped);

    g_assert_cmpstr(plain, ==, text);
    for (const char *p = escaped; *p; p++)
        g_assert_true(g_ascii_isalnum(*p) || strchr("/_.:-\\", *p));
}

static unsigned count_blocking(const GPtrArray *findings, const char *allow)
{
    char *ids[] = { (char *) allow, NULL };
    g_autoptr(GPtrArray) blocking = findings_blocking(findings, 0, ids);

    return blocking->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = { data, size };
    g_autofree char *object = input_line(&input), *where = input_line(&input), *allow = input_line(&input);
    g_autoptr(GPtrArray) findings = findings_new(), copy = NULL;
    g_autoptr(GVariant) variant = NULL;
    const Finding *finding;

    check_escape(object);
    findings_add(findings, FINDING_EXPORT, FINDING_FATAL, "0000:00:04.0", object, where, "%s is used by %s",
                 object, where);
    findings_add(findings, FINDING_MOUNT, FINDING_ABSOLUTE, "0000:00:04.0", object, where, "%s", object);
    finding = findings->pdata[0];
    check_shown(finding->id);
    check_shown(finding->object);
    check_shown(finding->text);
    g_assert_cmpuint(count_blocking(findings, finding->id), ==, 1);
    g_assert_cmpuint(count_blocking(findings, ((const Finding *) findings->pdata[1])->id), ==, 2);
    g_assert_cmpuint(count_blocking(findings, allow), ==, g_str_equal(allow, finding->id) ? 1 : 2);

    variant = g_variant_ref_sink(findings_to_variant(findings));
    copy = findings_from_variant(variant);
    g_assert_cmpuint(copy->len, ==, 2);
    g_assert_cmpstr(((const Finding *) copy->pdata[0])->id, ==, finding->id);
    return 0;
}
