/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every refusal the program can give, with and without detail and target, against refusals.golden. After a
 * change of the table, `test-refusal --write tests/unit/refusals.golden` writes the file anew; read the
 * difference.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "refusal.h"
#include "unit.h"

static const char *golden_path;
static bool writing;

static const char *const details[_REFUSAL_CODE_MAX] = {
    [REFUSAL_NO_SUCH_FINDING] = "mount:/srv@nvme9n1",
    [REFUSAL_INVALID_TYPE] = "dma",
    [REFUSAL_IN_USE] = "mount:/srv@nvme0n1p1",
    [REFUSAL_IN_USE_UNTIL_BOOT] = "root:/@nvme0n1p2",
    [REFUSAL_OWNED_BY_USER] = "qemu-system-x86 4711",
    [REFUSAL_FORBIDDEN] = "/usr/lib/iommu-policy.d/20-external.conf:5",
    [REFUSAL_UNTRUSTED] = "0000:05:00.0",
    [REFUSAL_FORCED] = "identity for 0000:00:02.0: integrated graphics",
    [REFUSAL_CONFLICT] = "/etc/iommu-policy.d/01-site.conf:5",
    [REFUSAL_NOT_SUPPORTED] = "PPC64 TCE",
    [REFUSAL_TYPE_NOT_GIVEN] = "DMA-FQ",
    [REFUSAL_MULTIPLE_MEMBERS] = "0000:00:04.0 0000:00:04.1",
    [REFUSAL_BUSY] = "group 8: unbind",
    [REFUSAL_BEING_RESET] = "0000:00:04.0",
    [REFUSAL_STUCK] = "unbind of 0000:00:04.0 from nvme",
    [REFUSAL_DISABLED] = "iommu_policy=off",
    [REFUSAL_INHIBITED] = "backup: snapshot of /srv",
    [REFUSAL_DEVICE_CHANGED] = "type is identity, was DMA",
    [REFUSAL_DISRUPTION_NOT_ALLOWED] = "0000:00:04.0",
    [REFUSAL_STILL_BOUND] = "0000:00:04.1 to nvme",
    [REFUSAL_SWITCH_FAILED] = "Cannot allocate memory",
    [REFUSAL_UNBIND_FAILED] = "0000:00:04.0: No such device",
    [REFUSAL_TYPE_NOT_KEPT] = "DMA",
    [REFUSAL_REBIND_FAILED] = "0000:00:04.0 to nvme: Input/output error",
    [REFUSAL_DEVICE_LOST] = "0000:00:04.0",
    [REFUSAL_TIMEOUT] = "bind, 180 s",
    [REFUSAL_INVALID_RULE] = "/etc/iommu-policy.d/30-x.conf:4:6: unknown type dma",
    [REFUSAL_PERSIST_FAILED] = "/etc/iommu-policy.d/05-call-pci-0000:00:04.0.conf: Read-only file system",
    [REFUSAL_NOT_PERSISTABLE] = "a rule names no bridges, and there is nothing else in the group",
    [REFUSAL_RECORD_FAILED] = "/run/iommu-policy/change/pci:0000:00:04.0: No space left on device",
    [REFUSAL_INTERNAL] = "Cannot allocate memory",
    [REFUSAL_INVALID_OPTION] = "unbind takes idle or never",
    [REFUSAL_TOO_MANY_CALLS] = "1024",
    [REFUSAL_ACCESS_DENIED] = "org.iommupolicy1.relax",
    [REFUSAL_INTERACTION_REQUIRED] = "org.iommupolicy1.relax",
    [REFUSAL_INVALID_TARGET] = "not UTF-8",
    [REFUSAL_NO_COMMAND] = "No such file or directory",
    [REFUSAL_USAGE] = "one of --prometheus and --nfd",
    [REFUSAL_FILE_NOT_WRITTEN] = "File exists",
    [REFUSAL_NO_BUS] = "Connection refused",
};

static const char *object_of(RefusalCode code)
{
    switch (code) {
    case REFUSAL_NO_SUCH_DEVICE:
        return "0000:09:00.0";
    case REFUSAL_INVALID_RULE:
        return "rules";
    case REFUSAL_INVALID_TARGET:
        return "TARGET";
    case REFUSAL_NO_COMMAND:
        return "snapshot";
    case REFUSAL_USAGE:
        return "export";
    case REFUSAL_FILE_NOT_WRITTEN:
        return "rules/50-pci-0000:00:04.0.conf";
    case REFUSAL_NO_BUS:
        return "the system bus of db1";
    case REFUSAL_NO_DAEMON:
        return "iommu-policyd";
    default:
        return "group 7";
    }
}

static const char *target_of(RefusalCode code)
{
    if (code == REFUSAL_USAGE)
        return object_of(code);
    return g_str_has_prefix(object_of(code), "group ") ? "7" : NULL;
}

static char *render_all(void)
{
    GString *text = g_string_new(NULL);

    for (int code = REFUSAL_NONE + 1; code < _REFUSAL_CODE_MAX; code++) {
        const char *object = object_of(code), *target = target_of(code);
        g_autofree char *with = refusal_text(code, object, target, details[code]);
        g_autofree char *without = refusal_text(code, object, target, NULL);
        g_autofree char *anywhere = refusal_text(code, object, NULL, NULL);

        g_string_append_printf(text, "%s exit %d\n", refusal_bus_name(code),
                               refusal_exit_code(refusal_bus_name(code)));
        if (details[code])
            g_string_append_printf(text, "  %s\n", with);
        g_string_append_printf(text, "  %s\n", without);
        if (!g_str_equal(without, anywhere))
            g_string_append_printf(text, "  %s\n", anywhere);
    }
    return g_string_free(text, FALSE);
}

START_TEST(test_golden)
{
    g_autofree char *text = render_all(), *golden = NULL;

    if (writing)
        ck_assert(g_file_set_contents(golden_path, text, -1, NULL));
    ck_assert(g_file_get_contents(golden_path, &golden, NULL, NULL));
    ck_assert_str_eq(text, golden);
}
END_TEST

static unsigned count(const char *text, char c)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == c;
    return n;
}

/* Object, cause, next command, in this order, and nothing left open. */
static void check_text(const char *text, const char *object, const char *detail)
{
    g_autofree char *start = g_strconcat(object, ": ", NULL);
    const char *command = strchr(text, '\'');

    ck_assert_msg(g_str_has_prefix(text, start), "%s", text);
    ck_assert_msg(g_ascii_islower(text[strlen(start)]), "no cause: %s", text);
    ck_assert_msg(!detail || strstr(text, detail), "no detail: %s", text);
    ck_assert_msg(command && command > strstr(text, ". "), "no command after the cause: %s", text);
    ck_assert_msg(g_str_has_suffix(text, "."), "%s", text);
    ck_assert_msg(!strchr(text, '@') || (detail && strchr(detail, '@')), "target left open: %s", text);
    ck_assert_msg(!strstr(text, "(null)") && !strstr(text, "()"), "%s", text);
    ck_assert_msg(count(text, '(') == count(text, ')'), "%s", text);
}

START_TEST(test_each_text)
{
    for (int code = REFUSAL_NONE + 1; code < _REFUSAL_CODE_MAX; code++) {
        g_autofree char *full = refusal_text(code, "group 7", "7", "the detail");
        g_autofree char *no_detail = refusal_text(code, "group 7", "7", NULL);
        g_autofree char *bare = refusal_text(code, "/dev/nvme0n1", NULL, NULL);

        check_text(full, "group 7", "the detail");
        check_text(no_detail, "group 7", NULL);
        check_text(bare, "/dev/nvme0n1", NULL);
    }
}
END_TEST

START_TEST(test_names)
{
    for (int code = REFUSAL_NONE + 1; code < _REFUSAL_CODE_MAX; code++) {
        const char *bus_name = refusal_bus_name(code);

        ck_assert(g_str_has_prefix(bus_name, "org.iommupolicy1.Error.") ||
                  g_str_has_prefix(bus_name, "org.freedesktop.DBus.Error."));
        ck_assert_str_eq(strrchr(bus_name, '.') + 1, refusal_name(code));
        ck_assert_int_ne(refusal_exit_code(bus_name), EXIT_CODE_DONE);
    }
    ck_assert_str_eq(refusal_bus_name(REFUSAL_IN_USE), "org.iommupolicy1.Error.InUse");
    ck_assert_str_eq(refusal_bus_name(REFUSAL_INVALID_OPTION), "org.freedesktop.DBus.Error.InvalidArgs");
}
END_TEST

START_TEST(test_exit_codes)
{
    static const struct {
        const char *name;
        ExitCode code;
    } table[] = {
        {"org.iommupolicy1.Error.InUse", EXIT_CODE_IN_USE},
        {"org.iommupolicy1.Error.Forbidden", EXIT_CODE_CONFLICT},
        {"org.iommupolicy1.Error.Conflict", EXIT_CODE_CONFLICT},
        {"org.iommupolicy1.Error.Stuck", EXIT_CODE_STUCK},
        {"org.iommupolicy1.Error.Timeout", EXIT_CODE_STUCK},
        {"org.iommupolicy1.Error.DisruptionNotAllowed", EXIT_CODE_PENDING},
        {"org.freedesktop.DBus.Error.AccessDenied", EXIT_CODE_NOT_AUTHORISED},
        {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EXIT_CODE_NOT_AUTHORISED},
        {"org.freedesktop.DBus.Error.ServiceUnknown", EXIT_CODE_FAILED},
        {"InUse", EXIT_CODE_FAILED},
        {NULL, EXIT_CODE_FAILED},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        ck_assert_int_eq(refusal_exit_code(table[i].name), table[i].code);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tcase = tcase_create("refusal");

    writing = argc > 1 && g_str_equal(argv[1], "--write");
    if (argc != (writing ? 3 : 2))
        return EXIT_FAILURE;
    golden_path = argv[argc - 1];

    tcase_add_test(tcase, test_golden);
    tcase_add_test(tcase, test_each_text);
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_exit_codes);
    return unit_run("refusal", tcase);
}
