/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "target.h"
#include "unit.h"

static const struct {
    const char *text;
    TargetKind kind;
    guint32 group;
    const char *name;
} forms[] = {
    {"0", TARGET_GROUP, 0},
    {"17", TARGET_GROUP, 17},
    {"4294967295", TARGET_GROUP, G_MAXUINT32},
    {"4294967296", TARGET_INVALID},
    {"99999999999999999999999", TARGET_INVALID},
    {"", TARGET_INVALID},
    {"0000:3b:00.0", TARGET_DEVICE, 0, "0000:3b:00.0"},
    {"3b:00.0", TARGET_DEVICE, 0, "0000:3b:00.0"},
    {"AB:1f.7", TARGET_DEVICE, 0, "0000:AB:1f.7"},
    {"3b:00.8", TARGET_DEVICE, 0, "3b:00.8"},
    {"xb:00.0", TARGET_DEVICE, 0, "xb:00.0"},
    {"platform:arm-smmu.0", TARGET_DEVICE, 0, "platform:arm-smmu.0"},
    {"enp3s0", TARGET_DEVICE, 0, "enp3s0"},
    {"7seas", TARGET_DEVICE, 0, "7seas"},
    {"-1", TARGET_DEVICE, 0, "-1"},
    {"/dev/nvme0n1", TARGET_DEVICE, 0, "/dev/nvme0n1"},
    {"/sys/bus/pci/devices/0000:3b:00.0", TARGET_DEVICE, 0, "/sys/bus/pci/devices/0000:3b:00.0"},
    {"/srv", TARGET_DEVICE, 0, "/srv"},
    {"/", TARGET_DEVICE, 0, "/"},
};

START_TEST(every_form)
{
    g_autofree char *name = NULL;
    guint32 group = 0;

    ck_assert_int_eq(target_parse(forms[_i].text, &group, &name), forms[_i].kind);
    ck_assert_uint_eq(group, forms[_i].group);
    ck_assert_pstr_eq(name, forms[_i].name);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("forms");

    tcase_add_loop_test(tests, every_form, 0, G_N_ELEMENTS(forms));
    return unit_run("target", tests);
}
