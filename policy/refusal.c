/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refusal.h"

#include <glib.h>
#include <string.h>

#include "iommu-policy-names.h"

#define STANDARD_PREFIX "org.freedesktop.DBus.Error."

/* Every error name, with the exit code of iommuctl. */
typedef enum ErrorName {
    ERROR_NO_SUCH_GROUP,
    ERROR_NO_SUCH_DEVICE,
    ERROR_NO_SUCH_FINDING,
    ERROR_INVALID_TYPE,
    ERROR_IN_USE,
    ERROR_OWNED_BY_USER,
    ERROR_FORBIDDEN,
    ERROR_FORCED,
    ERROR_CONFLICT,
    ERROR_NOT_SUPPORTED,
    ERROR_BUSY,
    ERROR_STUCK,
    ERROR_DISABLED,
    ERROR_INHIBITED,
    ERROR_DEVICE_CHANGED,
    ERROR_DISRUPTION_NOT_ALLOWED,
    ERROR_SWITCH_FAILED,
    ERROR_REBIND_FAILED,
    ERROR_TIMEOUT,
    ERROR_INVALID_RULE,
    ERROR_PERSIST_FAILED,
    ERROR_FAILED,
    ERROR_INVALID_ARGS,
    ERROR_LIMITS_EXCEEDED,
    ERROR_ACCESS_DENIED,
    ERROR_INTERACTION_REQUIRED,
    _ERROR_NAME_MAX,
} ErrorName;

#define OURS(name) IOMMU_POLICY_ERROR_PREFIX name, name
#define STANDARD(name) STANDARD_PREFIX name, name

static const struct {
    const char *bus_name;
    const char *name;
    ExitCode exit_code;
} names[_ERROR_NAME_MAX] = {
    [ERROR_NO_SUCH_GROUP] = {OURS("NoSuchGroup"), EXIT_CODE_FAILED},
    [ERROR_NO_SUCH_DEVICE] = {OURS("NoSuchDevice"), EXIT_CODE_FAILED},
    [ERROR_NO_SUCH_FINDING] = {OURS("NoSuchFinding"), EXIT_CODE_FAILED},
    [ERROR_INVALID_TYPE] = {OURS("InvalidType"), EXIT_CODE_USAGE},
    [ERROR_IN_USE] = {OURS("InUse"), EXIT_CODE_IN_USE},
    [ERROR_OWNED_BY_USER] = {OURS("OwnedByUser"), EXIT_CODE_IN_USE},
    [ERROR_FORBIDDEN] = {OURS("Forbidden"), EXIT_CODE_CONFLICT},
    [ERROR_FORCED] = {OURS("Forced"), EXIT_CODE_CONFLICT},
    [ERROR_CONFLICT] = {OURS("Conflict"), EXIT_CODE_CONFLICT},
    [ERROR_NOT_SUPPORTED] = {OURS("NotSupported"), EXIT_CODE_FAILED},
    [ERROR_BUSY] = {OURS("Busy"), EXIT_CODE_FAILED},
    [ERROR_STUCK] = {OURS("Stuck"), EXIT_CODE_STUCK},
    [ERROR_DISABLED] = {OURS("Disabled"), EXIT_CODE_FAILED},
    [ERROR_INHIBITED] = {OURS("Inhibited"), EXIT_CODE_PENDING},
    [ERROR_DEVICE_CHANGED] = {OURS("DeviceChanged"), EXIT_CODE_FAILED},
    [ERROR_DISRUPTION_NOT_ALLOWED] = {OURS("DisruptionNotAllowed"), EXIT_CODE_PENDING},
    [ERROR_SWITCH_FAILED] = {OURS("SwitchFailed"), EXIT_CODE_FAILED},
    [ERROR_REBIND_FAILED] = {OURS("RebindFailed"), EXIT_CODE_FAILED},
    [ERROR_TIMEOUT] = {OURS("Timeout"), EXIT_CODE_STUCK},
    [ERROR_INVALID_RULE] = {OURS("InvalidRule"), EXIT_CODE_FAILED},
    [ERROR_PERSIST_FAILED] = {OURS("PersistFailed"), EXIT_CODE_FAILED},
    [ERROR_FAILED] = {STANDARD("Failed"), EXIT_CODE_FAILED},
    [ERROR_INVALID_ARGS] = {STANDARD("InvalidArgs"), EXIT_CODE_USAGE},
    [ERROR_LIMITS_EXCEEDED] = {STANDARD("LimitsExceeded"), EXIT_CODE_FAILED},
    [ERROR_ACCESS_DENIED] = {STANDARD("AccessDenied"), EXIT_CODE_NOT_AUTHORISED},
    [ERROR_INTERACTION_REQUIRED] = {STANDARD("InteractiveAuthorizationRequired"), EXIT_CODE_NOT_AUTHORISED},
};

/* CAUSE stands between the object and the detail in brackets. In NEXT, @ is where the target goes; where the
 * caller has none, NEXT_ANYWHERE is said instead, or NEXT if that is NULL and needs none. */
static const struct {
    ErrorName name;
    const char *cause;
    const char *next;
    const char *next_anywhere;
} refusals[_REFUSAL_CODE_MAX] = {
    [REFUSAL_NO_SUCH_GROUP] =
        {ERROR_NO_SUCH_GROUP, "there is no such IOMMU group",
         "Run 'iommuctl list' to see the groups there are; numbers change when devices come and go.", NULL},
    [REFUSAL_NO_SUCH_DEVICE] = {ERROR_NO_SUCH_DEVICE, "there is no such device, or it has no IOMMU group",
                                "Run 'iommuctl list' to see the devices there are, 'journalctl -k -g iommu' "
                                "if an IOMMU should be there.",
                                NULL},
    [REFUSAL_NO_SUCH_FINDING] = {ERROR_NO_SUCH_FINDING, "there is no finding of this id to allow",
                                 "Run 'iommuctl usage @' and take the id from there.",
                                 "Run 'iommuctl usage TARGET' for its group and take the id from there."},
    [REFUSAL_INVALID_TYPE] =
        {ERROR_INVALID_TYPE, "not a type that can be set",
         "Take DMA, DMA-FQ, identity or auto; run 'iommuctl show @' to see which of them this group can "
         "have.",
         "Take DMA, DMA-FQ, identity or auto; run 'iommuctl list' to see what the groups have now."},
    [REFUSAL_IN_USE] = {ERROR_IN_USE, "in use",
                        "Run 'iommuctl usage @' to see by whom, end that use and try again.",
                        "Run 'iommuctl list' to find its group and 'iommuctl usage TARGET' to see by whom, "
                        "end that use and try again."},
    [REFUSAL_IN_USE_UNTIL_BOOT] =
        {ERROR_IN_USE, "in use for as long as the machine runs",
         "No call can switch it, but the next boot may, before its driver is bound: write a rule for it, "
         "with Type= and a key like Address=, to /etc/iommu-policy.d, run 'iommuctl reload', and 'iommuctl "
         "why @' to see what the next boot will do.",
         "No call can switch it, but the next boot may, before its driver is bound: write a rule for it, "
         "with Type= and a key like Address=, to /etc/iommu-policy.d, run 'iommuctl reload', and 'iommuctl "
         "list' to see what the next boot will do."},
    [REFUSAL_OWNED_BY_USER] = {ERROR_OWNED_BY_USER, "handed to a program through VFIO or iommufd",
                               "Run 'iommuctl usage @' to see which one, stop it and try again.",
                               "Run 'iommuctl list' to find its group and 'iommuctl usage TARGET' to see "
                               "which one, stop it and try again."},
    [REFUSAL_FORBIDDEN] = {ERROR_FORBIDDEN, "a rule forbids this type",
                           "Run 'iommuctl why @' to see the rule; if it should not say so, edit the file "
                           "and run 'iommuctl reload'.",
                           "Run 'iommuctl rules' to see the rule; if it should not say so, edit the file "
                           "and run 'iommuctl reload'."},
    [REFUSAL_UNTRUSTED] =
        {ERROR_FORBIDDEN,
         "holds an external device that is not trusted, so that DMA is the only type it may have",
         "Run 'iommuctl show @' to see which device it is; no rule and no call can change this.",
         "Run 'iommuctl list' to see which device it is; no rule and no call can change this."},
    [REFUSAL_FORCED] =
        {ERROR_FORCED, "the kernel forces another type",
         "Run 'iommuctl show @' to see which types it can have, 'iommuctl why @' for the reason.",
         "Run 'iommuctl list' to find its group and 'iommuctl why TARGET' for the reason."},
    [REFUSAL_CONFLICT] =
        {ERROR_CONFLICT, "a rule asks for something else and would win",
         "Run 'iommuctl why @' to see both places, edit one of the files and run 'iommuctl reload'.",
         "Run 'iommuctl rules' to see both places, edit one of the files and run 'iommuctl reload'."},
    [REFUSAL_NOT_SUPPORTED] = {ERROR_NOT_SUPPORTED, "the kernel cannot switch this",
                               "Run 'iommuctl show @' to see what this group can do.",
                               "Run 'iommuctl list' to see what can be switched."},
    [REFUSAL_TYPE_NOT_GIVEN] =
        {ERROR_NOT_SUPPORTED, "its IOMMU is not known to give this type",
         "Run 'iommuctl show @' to see which types it can have.",
         "Run 'iommuctl list' to find its group and 'iommuctl show TARGET' to see which types it can have."},
    [REFUSAL_MULTIPLE_MEMBERS] = {ERROR_NOT_SUPPORTED,
                                  "this kernel does not switch a group with more than one device",
                                  "Run 'iommuctl show @' to see its devices; use Linux 6.4 or later, or set "
                                  "the default at boot (iommu.passthrough=).",
                                  "Run 'iommuctl list --tree' to see its devices; use Linux 6.4 or later, "
                                  "or set the default at boot (iommu.passthrough=)."},
    [REFUSAL_BUSY] = {ERROR_BUSY,
                      "another change is running, of this group or of one that hangs together with it",
                      "Run 'iommuctl monitor' to see it end, then try again.", NULL},
    [REFUSAL_BEING_RESET] =
        {ERROR_BUSY, "the kernel is resetting a device of it, or something has attached it by itself",
         "Run 'journalctl -k' to see which, and try again when it has ended.", NULL},
    [REFUSAL_STUCK] = {ERROR_STUCK, "an earlier change is stuck: a write to the kernel has not returned",
                       "Run 'iommuctl show @' to see the step, and 'journalctl -k' for the driver; it goes "
                       "on by itself when the "
                       "kernel does.",
                       "Run 'iommuctl list' to see which group it is, and 'journalctl -k' for the driver; "
                       "it goes on by itself when "
                       "the kernel does."},
    [REFUSAL_DISABLED] =
        {ERROR_DISABLED, "nothing is changed on this boot",
         "Run 'cat /proc/cmdline' to see how it was switched off, and boot without that word.", NULL},
    [REFUSAL_INHIBITED] = {ERROR_INHIBITED, "held as it is by an inhibitor",
                           "Run 'iommuctl show @' to see who holds it; it is free when that program ends.",
                           "Run 'iommuctl list' to see who holds it; it is free when that program ends."},
    [REFUSAL_DEVICE_CHANGED] = {ERROR_DEVICE_CHANGED, "no longer what was looked at when this was allowed",
                                "Run 'iommuctl show @' to see what it is now, and ask again.",
                                "Run 'iommuctl list' to see what is there now, and ask again."},
    [REFUSAL_DISRUPTION_NOT_ALLOWED] =
        {ERROR_DISRUPTION_NOT_ALLOWED, "drivers would have to be unbound, and that was not allowed",
         "Run 'iommuctl plan @ TYPE' to see the steps, then 'iommuctl set @ TYPE' without --no-unbind.",
         "Run 'iommuctl plan TARGET TYPE' to see the steps, then 'iommuctl set TARGET TYPE' without "
         "--no-unbind."},
    [REFUSAL_STILL_BOUND] =
        {ERROR_IN_USE, "the kernel still counts a driver as bound",
         "Run 'iommuctl show @' to see which driver that is, and 'iommuctl usage @' to see what holds it.",
         "Run 'iommuctl list' to see which driver that is, and 'journalctl -k' for what holds it."},
    [REFUSAL_MISSING_CAPABILITY] =
        {ERROR_SWITCH_FAILED,
         "the kernel wants CAP_SYS_ADMIN and CAP_SYS_RAWIO for this, and the daemon lacks one",
         "Run 'systemctl cat iommu-policyd.service' and take out the setting that drops it (PrivateDevices= "
         "does).",
         NULL},
    [REFUSAL_READ_ONLY] =
        {ERROR_SWITCH_FAILED, "the daemon sees /sys read-only",
         "Run 'systemctl cat iommu-policyd.service' and take out the setting that makes it so "
         "(ProtectKernelTunables= without ReadWritePaths=).",
         NULL},
    [REFUSAL_SWITCH_FAILED] =
        {ERROR_SWITCH_FAILED,
         "the kernel refused the switch, and the group has its old type and its drivers",
         "Run 'journalctl -k' for the kernel's reason and 'iommuctl show @' for the group.",
         "Run 'journalctl -k' for the kernel's reason and 'iommuctl list' for the group."},
    [REFUSAL_UNBIND_FAILED] =
        {ERROR_SWITCH_FAILED,
         "a driver could not be unbound, and the group has its old type and its drivers",
         "Run 'journalctl -k' for the driver's reason and 'iommuctl usage @' to see what holds it.",
         "Run 'journalctl -k' for the driver's reason and 'iommuctl list' for the group."},
    [REFUSAL_INTERRUPTED] =
        {ERROR_SWITCH_FAILED,
         "the change was cut off, as its process was ended; devices that it left without their driver are "
         "being brought back",
         "Run 'iommuctl show @' to see the type and the drivers now, and 'journalctl -u iommu-policyd' for "
         "what was done.",
         "Run 'iommuctl list' to see the types and the drivers now, and 'journalctl -u iommu-policyd' for "
         "what was done."},
    [REFUSAL_TYPE_NOT_KEPT] =
        {ERROR_SWITCH_FAILED, "the kernel took the switch and then showed another type",
         "Run 'iommuctl show @' to see which types this group can have, and 'journalctl -k' for the "
         "kernel's reason.",
         "Run 'iommuctl list' to see the type now, and 'journalctl -k' for the kernel's reason."},
    [REFUSAL_REBIND_FAILED] =
        {ERROR_REBIND_FAILED,
         "a driver did not take its device back with the new type, so the switch was undone",
         "Run 'journalctl -k' for the driver's reason and 'iommuctl show @' for the group as it is now.",
         "Run 'journalctl -k' for the driver's reason and 'iommuctl list' for the group as it is now."},
    [REFUSAL_DEVICE_LOST] =
        {ERROR_REBIND_FAILED,
         "a device is without its driver: neither the switch nor its undoing brought it back",
         "Run 'journalctl -k' for the driver's reason, then 'iommuctl apply' to have it tried again.", NULL},
    [REFUSAL_TIMEOUT] = {ERROR_TIMEOUT, "a write to the kernel has not returned in its time",
                         "Run 'iommuctl monitor' to see it end: the change goes on when the kernel does, "
                         "and leaves the device bound.",
                         NULL},
    [REFUSAL_INVALID_RULE] =
        {ERROR_INVALID_RULE, "the rules cannot be taken as they are, and the old ones stay in force",
         "Run 'iommuctl check' to see every mistake, mend the file and run 'iommuctl reload'.", NULL},
    [REFUSAL_PERSIST_FAILED] =
        {ERROR_PERSIST_FAILED, "the type is set, but its rule file could not be written",
         "Make the directory writable and run 'iommuctl set @ TYPE --persist' again.",
         "Make the directory writable and run 'iommuctl set TARGET TYPE --persist' again."},
    [REFUSAL_NOT_PERSISTABLE] =
        {ERROR_PERSIST_FAILED, "no rule file can be written for it, so nothing was changed",
         "Run 'iommuctl set @ TYPE' without --persist.", "Run 'iommuctl set TARGET TYPE' without --persist."},
    [REFUSAL_RECORD_FAILED] =
        {ERROR_SWITCH_FAILED,
         "the record that would bring the devices back after a crash could not be written, so "
         "nothing was touched",
         "Run 'df /run' and 'ls -ld /run/iommu-policy/change' to see why, then try again.", NULL},
    [REFUSAL_INTERNAL] = {ERROR_FAILED, "the daemon could not do this",
                          "Run 'journalctl -u iommu-policyd.service' to see why.", NULL},
    [REFUSAL_INVALID_OPTION] = {ERROR_INVALID_ARGS, "an option that is not known, or not of this kind",
                                "Run 'busctl introspect org.iommupolicy1 /org/iommupolicy1' or read "
                                "/usr/share/dbus-1/interfaces/org.iommupolicy1.xml for what it takes.",
                                NULL},
    [REFUSAL_TOO_MANY_CALLS] = {ERROR_LIMITS_EXCEEDED, "too many calls are waiting for an answer",
                                "Wait for those to be answered, then try again; 'busctl monitor "
                                "org.iommupolicy1' shows who sends them.",
                                NULL},
    [REFUSAL_ACCESS_DENIED] = {ERROR_ACCESS_DENIED, "not authorised",
                               "Run 'sudo iommuctl' with the same words, or have a polkit rule allow it "
                               "('pkaction' lists the actions).",
                               NULL},
    [REFUSAL_INTERACTION_REQUIRED] =
        {ERROR_INTERACTION_REQUIRED,
         "a password has to be asked for, and the call did not allow that or nobody is there to ask",
         "Run 'iommuctl' on a terminal without --no-ask-password, or 'sudo iommuctl' with the same words.",
         NULL},
    [REFUSAL_INVALID_TARGET] = {ERROR_INVALID_ARGS, "names no group and no device",
                                "Run 'iommuctl list' to see what there is to name.", NULL},
    [REFUSAL_NO_TYPE] = {ERROR_INVALID_ARGS, "no type was given",
                         "Give DMA, DMA-FQ, identity or auto; run 'iommuctl revert @' to drop an earlier "
                         "one.",
                         "Give DMA, DMA-FQ, identity or auto; run 'iommuctl revert TARGET' to drop an "
                         "earlier one."},
    [REFUSAL_NO_COMMAND] = {ERROR_INVALID_ARGS, "the command could not be started",
                            "Run 'iommuctl inhibit @ COMMAND' with a command that exists.",
                            "Run 'iommuctl inhibit TARGET COMMAND' with a command that exists."},
    [REFUSAL_USAGE] = {ERROR_INVALID_ARGS, "is not used that way", "Run 'iommuctl @ --help' to see how.",
                       "Run 'iommuctl --help' to see how."},
    [REFUSAL_FILE_NOT_WRITTEN] = {ERROR_FAILED, "cannot be written",
                                  "Run 'iommuctl rules generate --directory DIR' with a folder that you may "
                                  "write to and that has no such file.",
                                  NULL},
    [REFUSAL_NO_BUS] = {ERROR_FAILED, "cannot be reached",
                        "Run 'systemctl status dbus.socket' on its machine to see whether it runs.", NULL},
    [REFUSAL_NO_DAEMON] = {ERROR_FAILED, "the daemon does not run, nor is its unit enabled",
                           "Run 'systemctl enable --now iommu-policyd' to start it.", NULL},
};

static bool is_code(RefusalCode code)
{
    return (int) code > REFUSAL_NONE && code < _REFUSAL_CODE_MAX;
}

/* What is no refusal of ours is a fault of the program, and said as one. */
static RefusalCode known_code(RefusalCode code)
{
    return is_code(code) ? code : REFUSAL_INTERNAL;
}

const char *refusal_bus_name(RefusalCode code)
{
    return names[refusals[known_code(code)].name].bus_name;
}

const char *refusal_name(RefusalCode code)
{
    return names[refusals[known_code(code)].name].name;
}

ExitCode refusal_exit_code(const char *bus_name)
{
    for (int i = 0; i < _ERROR_NAME_MAX; i++)
        if (g_strcmp0(bus_name, names[i].bus_name) == 0)
            return names[i].exit_code;
    return EXIT_CODE_FAILED;
}

static void append_next(GString *text, RefusalCode code, const char *target)
{
    const char *next = refusals[code].next;

    if (!target && refusals[code].next_anywhere)
        next = refusals[code].next_anywhere;
    for (; *next; next++)
        if (*next == '@')
            g_string_append(text, target);
        else
            g_string_append_c(text, *next);
}

char *refusal_text(RefusalCode code, const char *object, const char *target, const char *detail)
{
    GString *text = g_string_new(object ?: "iommu-policyd");

    code = known_code(code);
    g_string_append_printf(text, ": %s", refusals[code].cause);
    if (detail)
        g_string_append_printf(text, " (%s)", detail);
    g_string_append(text, ". ");
    append_next(text, code, target);
    return g_string_free(text, FALSE);
}
