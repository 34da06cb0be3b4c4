/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fuzz.h"
#include "group.h"

/* The texts of `type` and `reserved_regions`, as they come from sysfs_read(): without NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *) data, size);
    g_autoptr(GArray) regions = NULL;
    DomainType type;

    if (group_parse_type(text, &type) >= 0)
        g_assert_cmpstr(domain_type_to_string(type), ==, text);
    if (group_parse_reserved_regions(text, &regions) < 0)
        return 0;
    for (guint i = 0; i < regions->len; i++) {
        const ReservedRegion *region = &g_array_index(regions, ReservedRegion, i);

        g_assert_cmpuint(region->start, <=, region->end);
        g_assert_true(region->type[0] != '\0' && memchr(region->type, '\0', sizeof(region->type)));
    }
    return 0;
}
