/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What each errno of a write to `type` means beside what is seen afterwards: every errno that the kernel has
 * for it, in every situation. What is told is rendered as people read it, and must name the object, the
 * cause and what to do next.
 */
#include <errno.h>
#include <string.h>

#include "refusal.h"
#include "type-error.h"
#include "unit.h"

typedef struct Member {
    const char *driver;
    const char *iommu; /* NULL: intel */
    uint32_t class_code;
    bool untrusted;
} Member;

/* What is seen after the write. */
typedef enum Sight {
    BOUND,         /* the only member, to a driver of its own */
    FREE,          /* the only member, to none */
    PORT,          /* the only member, a bridge on pcieport */
    VFIO,          /* the only member, to vfio-pci */
    STUB,          /* the only member, to pci-stub */
    EMPTY,
    TWO_BOUND,     /* one of two */
    TWO_FREE,
    PORT_FREE,     /* a bridge on pcieport, and what is behind it on none */
    PORT_VFIO,
    UNTRUSTED,
    AMD,
    GRAPHICS,      /* of VT-d */
    SMMU,
    UNSUPPORTED,   /* it reads `unknown` */
    NOIOMMU,
    _SIGHT_MAX,
} Sight;

static const struct {
    DomainType type;
    const char *name;
    Member members[2];
    unsigned n;
} sights[_SIGHT_MAX] = {
    [BOUND] = { DOMAIN_TYPE_DMA, NULL, { { "nvme" } }, 1 },
    [FREE] = { DOMAIN_TYPE_DMA, NULL, { { NULL } }, 1 },
    [PORT] = { DOMAIN_TYPE_DMA, NULL, { { "pcieport" } }, 1 },
    [VFIO] = { DOMAIN_TYPE_DMA, NULL, { { "vfio-pci" } }, 1 },
    [STUB] = { DOMAIN_TYPE_DMA, NULL, { { "pci-stub" } }, 1 },
    [EMPTY] = { DOMAIN_TYPE_DMA, NULL, { { NULL } }, 0 },
    [TWO_BOUND] = { DOMAIN_TYPE_DMA, NULL, { { NULL }, { "e1000e" } }, 2 },
    [TWO_FREE] = { DOMAIN_TYPE_DMA, NULL, { { NULL }, { NULL } }, 2 },
    [PORT_FREE] = { DOMAIN_TYPE_DMA, NULL, { { "pcieport" }, { NULL } }, 2 },
    [PORT_VFIO] = { DOMAIN_TYPE_DMA, NULL, { { "pcieport" }, { "mlx5_vfio_pci" } }, 2 },
    [UNTRUSTED] = { DOMAIN_TYPE_DMA, NULL, { { .untrusted = true } }, 1 },
    [AMD] = { DOMAIN_TYPE_IDENTITY, NULL, { { .iommu = "amd" } }, 1 },
    [GRAPHICS] = { DOMAIN_TYPE_IDENTITY, NULL, { { .class_code = 0x030000 } }, 1 },
    [SMMU] = { DOMAIN_TYPE_DMA, NULL, { { .iommu = "smmu-v3" } }, 1 },
    [UNSUPPORTED] = { DOMAIN_TYPE_UNKNOWN, NULL, { { .iommu = "ppc64" } }, 1 },
    [NOIOMMU] = { DOMAIN_TYPE_UNKNOWN, "vfio-noiommu", { { "vfio-pci" } }, 1 },
};

#define SIGHT_BIT(sight) (1u << (sight))
#define ALL (SIGHT_BIT(_SIGHT_MAX) - 1)
#define NEVER (SIGHT_BIT(UNSUPPORTED) | SIGHT_BIT(NOIOMMU))
#define ONE_FREE (SIGHT_BIT(FREE) | SIGHT_BIT(AMD) | SIGHT_BIT(GRAPHICS) | SIGHT_BIT(SMMU))

/* Each errno has all sights, each once. NAMES stands in the text. */
static const struct {
    int error;
    unsigned sights;
    RefusalCode code;
    const char *names;
} cases[] = {
    { EPERM, SIGHT_BIT(BOUND), REFUSAL_STILL_BOUND, "0000:00:04.0 is bound to nvme" },
    { EPERM, SIGHT_BIT(TWO_BOUND), REFUSAL_STILL_BOUND, "0000:00:04.1 is bound to e1000e" },
    { EPERM, SIGHT_BIT(VFIO), REFUSAL_OWNED_BY_USER, "0000:00:04.0, through vfio-pci" },
    { EPERM, SIGHT_BIT(PORT_VFIO), REFUSAL_OWNED_BY_USER, "0000:00:04.1, through mlx5_vfio_pci" },
    { EPERM, SIGHT_BIT(EMPTY), REFUSAL_NOT_SUPPORTED, "no devices" },
    { EPERM, ONE_FREE | SIGHT_BIT(PORT) | SIGHT_BIT(STUB) | SIGHT_BIT(TWO_FREE) | SIGHT_BIT(PORT_FREE) |
      SIGHT_BIT(UNTRUSTED), REFUSAL_STILL_BOUND, "just being bound" },

    { EBUSY, SIGHT_BIT(BOUND), REFUSAL_STILL_BOUND, "0000:00:04.0 is bound to nvme" },
    { EBUSY, SIGHT_BIT(TWO_BOUND), REFUSAL_STILL_BOUND, "0000:00:04.1 is bound to e1000e" },
    { EBUSY, SIGHT_BIT(VFIO), REFUSAL_STILL_BOUND, "vfio-pci" },
    { EBUSY, SIGHT_BIT(STUB), REFUSAL_STILL_BOUND, "pci-stub" },
    { EBUSY, SIGHT_BIT(PORT), REFUSAL_STILL_BOUND, "pcieport" },
    { EBUSY, ONE_FREE | SIGHT_BIT(EMPTY) | SIGHT_BIT(TWO_FREE) | SIGHT_BIT(PORT_FREE) |
      SIGHT_BIT(PORT_VFIO) | SIGHT_BIT(UNTRUSTED), REFUSAL_BEING_RESET, "reset" },

    { EINVAL, SIGHT_BIT(TWO_BOUND), REFUSAL_MULTIPLE_MEMBERS, "2 devices" },
    { EINVAL, SIGHT_BIT(TWO_FREE) | SIGHT_BIT(PORT_FREE) | SIGHT_BIT(PORT_VFIO) | SIGHT_BIT(EMPTY),
      REFUSAL_NOT_SUPPORTED, "groups of one device" },
    { EINVAL, SIGHT_BIT(UNTRUSTED), REFUSAL_UNTRUSTED, "0000:00:04.0" },
    { EINVAL, SIGHT_BIT(AMD), REFUSAL_FORCED, "PASID" },
    { EINVAL, SIGHT_BIT(GRAPHICS), REFUSAL_FORCED, "graphics" },
    { EINVAL, SIGHT_BIT(BOUND) | SIGHT_BIT(FREE) | SIGHT_BIT(PORT) | SIGHT_BIT(VFIO) | SIGHT_BIT(STUB),
      REFUSAL_FORCED, "pass-through" },
    { EINVAL, SIGHT_BIT(SMMU), REFUSAL_FORCED, "IOMMU's driver" },

    { EACCES, ALL & ~NEVER, REFUSAL_MISSING_CAPABILITY, "CAP_SYS_RAWIO" },
    { EROFS, ALL & ~NEVER, REFUSAL_READ_ONLY, "ProtectKernelTunables" },
    { EOPNOTSUPP, ALL & ~NEVER, REFUSAL_TYPE_NOT_GIVEN, "identity" },
    { ENOENT, ALL & ~NEVER, REFUSAL_DEVICE_CHANGED, "gone" },
    { ENODEV, ALL & ~NEVER, REFUSAL_DEVICE_CHANGED, "gone" },
    { ENOMEM, ALL & ~NEVER, REFUSAL_SWITCH_FAILED, "memory" },
    { EIO, ALL & ~NEVER, REFUSAL_SWITCH_FAILED, "Input/output error" },

    /* Whatever it said: such a group is never to be written. */
    { 0, SIGHT_BIT(UNSUPPORTED), REFUSAL_NOT_SUPPORTED, "PowerPC" },
    { 0, SIGHT_BIT(NOIOMMU), REFUSAL_NOT_SUPPORTED, "vfio-noiommu" },
};

static const int errors[] = { EPERM, EBUSY, EINVAL, EACCES, EROFS, EOPNOTSUPP, ENOENT, ENODEV, ENOMEM, EIO };

static GroupView *see(Sight sight)
{
    GroupView *view = g_new0(GroupView, 1);

    view->id = 7;
    view->type = sights[sight].type;
    view->name = g_strdup(sights[sight].name);
    view->devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_free);
    for (unsigned i = 0; i < sights[sight].n; i++) {
        const Member *member = &sights[sight].members[i];
        g_autofree char *name = g_strdup_printf("0000:00:04.%u", i),
                        *path = g_strdup_printf("pci0000:00/%s", name);
        Device *device = g_new0(Device, 1);

        device->facts = device_facts_new("pci", name, path);
        device->facts->iommu = g_strdup(member->iommu ?: "intel");
        device->facts->untrusted = member->untrusted ? TRISTATE_YES : TRISTATE_NO;
        device->facts->class_code = member->class_code;
        device->driver = g_strdup(member->driver);
        device->facts->manages_dma = member->driver && driver_manages_dma(member->driver);
        g_ptr_array_add(view->devices, device);
    }
    return view;
}

static void check(int error, Sight sight, RefusalCode code, const char *names)
{
    g_autoptr(GroupView) view = see(sight);
    g_autofree char *place = g_strdup_printf("%s, sight %d", g_strerror(error), sight);
    g_autofree char *detail = NULL, *text = NULL;
    RefusalCode seen = type_error_explain(view, DOMAIN_TYPE_IDENTITY, -error, &detail);

    text = refusal_text(seen, "group 7", "7", detail);
    ck_assert_msg(seen == code, "%s: %s", place, text);
    ck_assert_msg(strstr(text, names), "%s: %s does not name %s", place, text, names);
    ck_assert_msg(g_str_has_prefix(text, "group 7: "), "%s: %s", place, text);
    ck_assert_msg(strchr(text, '\''), "%s: no next command: %s", place, text);
}

START_TEST(every_error_in_every_situation)
{
    for (size_t e = 0; e < G_N_ELEMENTS(errors); e++)
        for (Sight sight = 0; sight < _SIGHT_MAX; sight++) {
            unsigned n = 0;

            for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if ((cases[i].error == errors[e] || cases[i].error == 0) &&
                    (cases[i].sights & SIGHT_BIT(sight))) {
                    check(errors[e], sight, cases[i].code, cases[i].names);
                    n++;
                }
            ck_assert_msg(n == 1, "%s, sight %d: %u rows", g_strerror(errors[e]), sight, n);
        }
}
END_TEST

/* With two members, one of them not trusted, what may be lazy is refused for its sake; DMA is not. */
START_TEST(untrusted_is_not_the_reason_for_dma)
{
    g_autoptr(GroupView) view = see(UNTRUSTED);
    g_autofree char *lazy = NULL, *strict = NULL;

    ck_assert_int_eq(type_error_explain(view, DOMAIN_TYPE_DMA_FQ, -EINVAL, &lazy), REFUSAL_UNTRUSTED);
    ck_assert_int_eq(type_error_explain(view, DOMAIN_TYPE_DMA, -EINVAL, &strict), REFUSAL_FORCED);
}
END_TEST

START_TEST(the_group_is_gone)
{
    g_autofree char *detail = NULL;

    ck_assert_int_eq(type_error_explain(NULL, DOMAIN_TYPE_DMA, -ENODEV, &detail), REFUSAL_DEVICE_CHANGED);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("type-error");

    tcase_add_test(tests, every_error_in_every_situation);
    tcase_add_test(tests, untrusted_is_not_the_reason_for_dma);
    tcase_add_test(tests, the_group_is_gone);
    return unit_run("type-error", tests);
}
