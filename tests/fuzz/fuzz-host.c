/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is read about the host, with lines "--" between: /proc/cmdline, /proc/iomem, the configuration of the
 * kernel, its release. */
#include <string.h>

#include "fuzz.h"
#include "host.h"

static const char *const files[] = {
    "proc/cmdline",
    "proc/iomem",
    "boot/config-6.12.0",
    "proc/sys/kernel/osrelease",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Host) host = NULL;
    static int fds[G_N_ELEMENTS(files)];
    Input input = { data, size };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = input_text(&input);

        if (fds[i] == 0)
            fds[i] = fuzz_file(files[i]);
        fuzz_fill(fds[i], text, strlen(text));
    }
    if (host_read(fuzz_tree()->fd, &host) < 0)
        return 0;
    g_assert_cmpuint(host->facts->memory_bits, <=, 64);
    g_assert_cmpuint(host->auto_outcome, !=, 0);
    g_assert_true(host->boot_default < 0 || (host->auto_outcome & DOMAIN_TYPE_BIT(host->boot_default)));
    return 0;
}
