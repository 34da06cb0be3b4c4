/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as daemon.conf: what cannot be used leaves what was there, and every value stays within its
 * limits. */
#include "diagnostic.h"
#include "fuzz.h"
#include "iommu-policy-names.h"
#include "settings.h"

#define DAY (86400 * G_GUINT64_CONSTANT(1000000))

static void check_limits(const Settings *settings)
{
    g_assert_cmpuint(settings->settle_usec, <=, DAY);
    g_assert_cmpuint(settings->limits.probe_usec, <=, DAY);
    g_assert_cmpuint(settings->limits.unbind_usec, >, 0);
    g_assert_cmpuint(settings->limits.unbind_usec, <=, DAY);
    g_assert_cmpuint(settings->limits.type_usec, >, 0);
    g_assert_cmpuint(settings->limits.type_usec, <=, DAY);
    g_assert_cmpuint(settings->limits.bind_usec, >, 0);
    g_assert_cmpuint(settings->limits.bind_usec, <=, DAY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    Settings settings, before;
    static int fd = -1;

    if (fd < 0)
        fd = fuzz_file(IOMMU_POLICY_DAEMON_CONF);
    fuzz_fill(fd, data, size);
    settings_set_defaults(&settings);
    before = settings;
    if (settings_load(fuzz_tree()->fd, &settings, diagnostics) < 0)
        g_assert_cmpmem(&before, sizeof(before), &settings, sizeof(settings));
    check_limits(&settings);
    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *text = diagnostic_to_string(diagnostics->pdata[i]);

        check_shown(text);
    }
    return 0;
}
