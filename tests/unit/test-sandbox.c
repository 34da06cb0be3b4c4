/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"
#include "unit.h"

static const struct {
    const char *status, *missing;
} statuses[] = {
    { "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n", NULL },
    { "Name:\tx\nCapEff:\t00000000002a0004\n", NULL },
    { "Name:\tx\nCapEff:\t0000000000280004\n", "CAP_SYS_RAWIO" },
    { "Name:\tx\nCapEff:\t0000000000200000\n", "CAP_SYS_RAWIO CAP_SYS_PTRACE CAP_DAC_READ_SEARCH" },
    { "Name:\tx\n", NULL },
    { "Name:\tx\nCapEff:\tnothing\n", NULL },
    { "", NULL },
};

START_TEST(capabilities)
{
    g_autofree char *missing = sandbox_missing_capabilities(statuses[_i].status);

    ck_assert_pstr_eq(missing, statuses[_i].missing);
}
END_TEST

#define ROOT "22 1 254:1 / / ro,relatime shared:1 - ext4 /dev/x rw\n"
#define SYS "23 22 0:21 / /sys ro,nosuid,nodev shared:2 - sysfs sysfs rw\n"
#define GROUPS                                                                                              \
    "24 23 0:21 /kernel/iommu_groups /sys/kernel/iommu_groups rw,nosuid shared:3 - sysfs sysfs rw\n"
#define AGAIN "25 23 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"

static const struct {
    const char *mounts, *path;
    bool read_only;
} mounts[] = {
    { ROOT SYS GROUPS, "/sys/kernel/iommu_groups", false },
    { ROOT SYS GROUPS, "/sys/bus", true },
    { ROOT SYS GROUPS AGAIN, "/sys/bus", false },
    { ROOT SYS GROUPS, "/system", true },
    { ROOT, "/sys/bus", true },
    { "22 1 254:1 / / rw,ro_is_no_word - ext4 /dev/x rw\n", "/sys/bus", false },
    { "22 1 254:1 / / ro\n", "/sys/bus", false },
    { "", "/sys/bus", false },
};

START_TEST(read_only)
{
    ck_assert_int_eq(sandbox_is_read_only(mounts[_i].mounts, mounts[_i].path), mounts[_i].read_only);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("sandbox");

    tcase_add_loop_test(cases, capabilities, 0, G_N_ELEMENTS(statuses));
    tcase_add_loop_test(cases, read_only, 0, G_N_ELEMENTS(mounts));
    return unit_run("sandbox", cases);
}
