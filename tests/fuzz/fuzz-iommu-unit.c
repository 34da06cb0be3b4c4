/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The registers of an IOMMU as sysfs gives them: three lines, whether scalable mode is used, then what is in
 * `cap`, then what is in `ecap` or `features`.
 */
#include <errno.h>

#include "fuzz.h"

#include "iommu-unit.h"

static bool is_tristate(Tristate value)
{
    return value == TRISTATE_NO || value == TRISTATE_YES || value == TRISTATE_UNKNOWN;
}

static void check_unit(const IommuUnit *unit)
{
    const Tristate *all[] = { &unit->ats,      &unit->pri,      &unit->pasid,         &unit->sva,
                              &unit->nested,   &unit->coherent, &unit->snoop_control, &unit->dirty_tracking,
                              &unit->identity, &unit->caching };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        g_assert_true(is_tristate(*all[i]));
    if (unit->sva == TRISTATE_YES)
        g_assert_true(unit->ats == TRISTATE_YES && unit->pasid == TRISTATE_YES);
}

/* In which order two words stand must not matter: one kernel writes them so, the next the other way round.
 */
static void check_order(const char *features, const AmdFeatures *parsed, int error)
{
    g_auto(GStrv) words = g_strsplit(features, ":", 2);
    g_autofree char *turned = NULL;
    AmdFeatures other;

    if (g_strv_length(words) != 2)
        return;
    turned = g_strconcat(words[1], ":", words[0], NULL);
    g_assert_cmpint(iommu_unit_parse_amd_features(turned, &other), ==, error);
    if (error == 0)
        g_assert_true(other.efr == parsed->efr && other.efr2 == parsed->efr2 && other.has_efr2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = { data, size };
    Tristate scalable = (Tristate) (input_number(&input, 1) % 3);
    g_autofree char *cap = NULL, *rest = NULL;
    AmdFeatures features;
    IommuUnit unit;
    int r;

    g_free(input_line(&input));
    cap = input_line(&input);
    rest = input_line(&input);
    iommu_unit_parse_intel(*cap ? cap : NULL, *rest ? rest : NULL, scalable, &unit);
    check_unit(&unit);
    iommu_unit_parse_amd(*cap ? cap : NULL, *rest ? rest : NULL, &unit);
    check_unit(&unit);
    r = iommu_unit_parse_amd_features(rest, &features);
    g_assert_true(r == 0 || r == -EBADMSG || r == -ENOTUNIQ);
    check_order(rest, &features, r);
    return 0;
}
