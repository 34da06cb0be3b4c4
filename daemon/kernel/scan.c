/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group.h"
#include "iommu-policy-names.h"
#include "record.h"
#include "scan.h"
#include "sysfs.h"

/*
 * A change that is under way holds the group's mutex for as long as it likes; what it finds is told when it
 * ends.
 */
static bool is_changing(int root_fd, unsigned id)
{
    g_autofree char *key = NULL;

    return record_group_key(root_fd, id, &key) >= 0 && record_is_locked(root_fd, key) > 0;
}

/* Whether any group has ever been changed since boot: if not, no group's key need be found out. */
static bool any_locks(int root_fd)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, IOMMU_POLICY_CHANGE_DIR, &names) < 0)
        return false;
    for (char **name = names; *name; name++)
        if (g_str_has_suffix(*name, ".lock"))
            return true;
    return false;
}

static GVariant *read_regions(int root_fd, unsigned id, int *ret_error)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(tts)"));
    g_autoptr(GArray) regions = NULL;
    int r;

    r = group_read_reserved_regions(root_fd, id, &regions);
    for (guint i = 0; r >= 0 && i < regions->len; i++) {
        const ReservedRegion *region = &g_array_index(regions, ReservedRegion, i);

        g_variant_builder_add(&builder, "(tts)", region->start, region->end, region->type);
    }
    *ret_error = r;
    return g_variant_builder_end(&builder);
}

static GVariant *read_group(int root_fd, unsigned id)
{
    g_autoptr(GVariant) regions = NULL;
    DomainType type;
    int r, regions_error;

    r = group_read_type(root_fd, id, &type);
    regions = g_variant_ref_sink(read_regions(root_fd, id, &regions_error));
    if (r >= 0)
        r = regions_error;
    return g_variant_new("(uis@a(tts))", id, -r, r < 0 ? "" : domain_type_to_string(type), regions);
}

int scan_groups(int root_fd, const unsigned *ids, size_t n_ids, ScanSend send, void *userdata)
{
    bool locks = any_locks(root_fd);

    for (size_t i = 0; i < n_ids; i++) {
        int r;

        if (locks && is_changing(root_fd, ids[i]))
            continue;
        r = send(read_group(root_fd, ids[i]), userdata);
        if (r < 0)
            return r;
    }
    return 0;
}
