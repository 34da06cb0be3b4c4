/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdbool.h>

/*
 * Every refusal the program can give, in one table: its name on the bus, the exit code of iommuctl, and a
 * text that names the object, the cause and the next command to run. A test renders the whole table into a
 * golden file.
 */
typedef enum RefusalCode {
    REFUSAL_NONE = 0,

    REFUSAL_NO_SUCH_GROUP,
    REFUSAL_NO_SUCH_DEVICE,
    REFUSAL_NO_SUCH_FINDING,
    REFUSAL_INVALID_TYPE,
    REFUSAL_IN_USE,            /* detail: ids of findings */
    REFUSAL_IN_USE_UNTIL_BOOT, /* the same; the root file system is among them */
    REFUSAL_OWNED_BY_USER,     /* detail: who owns it */
    REFUSAL_FORBIDDEN,         /* detail: the rule's file:line */
    REFUSAL_UNTRUSTED,         /* detail: the member */
    REFUSAL_FORCED,            /* detail: why the kernel forces it */
    REFUSAL_CONFLICT,          /* detail: the file that would win */
    REFUSAL_NOT_SUPPORTED,     /* detail: what is not supported */
    REFUSAL_TYPE_NOT_GIVEN,    /* the IOMMU is not known to give this type; detail: type */
    REFUSAL_MULTIPLE_MEMBERS,  /* EINVAL before Linux 6.4 */
    REFUSAL_BUSY,              /* another change of this group, or of a related one, runs; detail: which */
    REFUSAL_BEING_RESET,       /* Busy; EBUSY since Linux 7.0; detail: the member */
    REFUSAL_STUCK,             /* detail: the step that does not return */
    REFUSAL_DISABLED,          /* detail: kdump kernel, or the word on the kernel command line */
    REFUSAL_INHIBITED,         /* detail: who and why */
    REFUSAL_DEVICE_CHANGED,    /* detail: what differs from what was authorised */
    REFUSAL_DISRUPTION_NOT_ALLOWED, /* it would unbind, and that was not allowed; detail: members */
    REFUSAL_STILL_BOUND,       /* the kernel says bound: detail: member and driver */
    REFUSAL_MISSING_CAPABILITY,/* EACCES: CAP_SYS_ADMIN and CAP_SYS_RAWIO */
    REFUSAL_READ_ONLY,         /* EROFS: the unit has /sys read-only */
    REFUSAL_SWITCH_FAILED,     /* detail: errno text */
    REFUSAL_UNBIND_FAILED,     /* SwitchFailed; detail: member, errno text */
    REFUSAL_INTERRUPTED,       /* SwitchFailed; the worker did not live to its end */
    REFUSAL_TYPE_NOT_KEPT,     /* SwitchFailed; read back another type; detail: that type */
    REFUSAL_REBIND_FAILED,     /* detail: member, driver, errno text; the group was undone */
    REFUSAL_DEVICE_LOST,       /* RebindFailed; the undo failed too: broken; detail: member */
    REFUSAL_TIMEOUT,           /* detail: step and seconds */
    REFUSAL_INVALID_RULE,      /* detail: file:line:column: text */
    REFUSAL_PERSIST_FAILED,    /* detail: path and errno text */
    REFUSAL_NOT_PERSISTABLE,   /* PersistFailed, nothing touched; detail: why no rule could name it */
    REFUSAL_RECORD_FAILED,     /* no intent record: SwitchFailed, nothing touched; detail: path, errno */
    REFUSAL_INTERNAL,          /* Failed; detail: errno text */
    REFUSAL_INVALID_OPTION,    /* InvalidArgs; detail: the option and what it takes */
    REFUSAL_TOO_MANY_CALLS,    /* LimitsExceeded; detail: the limit */
    REFUSAL_ACCESS_DENIED,     /* detail: the polkit action */
    REFUSAL_INTERACTION_REQUIRED, /* detail: the polkit action */

    /* Of iommuctl alone. */
    REFUSAL_INVALID_TARGET,    /* InvalidArgs; object: what was typed; detail: what is wrong with it */
    REFUSAL_NO_TYPE,           /* InvalidArgs */
    REFUSAL_NO_COMMAND,        /* InvalidArgs; object: the command; detail: why it could not be started */
    REFUSAL_USAGE,             /* InvalidArgs; object: the verb; detail: what it takes */
    REFUSAL_FILE_NOT_WRITTEN,  /* Failed; object: its path; detail: errno text */
    REFUSAL_NO_BUS,            /* Failed; object: the bus; detail: errno text */
    REFUSAL_NO_DAEMON,         /* Failed */
    _REFUSAL_CODE_MAX,
    _REFUSAL_CODE_INVALID = -EINVAL,
} RefusalCode;

/* Exit codes of iommuctl. */
typedef enum ExitCode {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_IN_USE = 3,
    EXIT_CODE_NOT_AUTHORISED = 4,
    EXIT_CODE_CONFLICT = 5,
    EXIT_CODE_PENDING = 6,
    EXIT_CODE_STUCK = 7,
} ExitCode;

/* Returns the full D-Bus error name: "org.iommupolicy1.Error.InUse", or a standard one
 * ("org.freedesktop.DBus.Error.InvalidArgs"). Never NULL for a code of the table. */
const char *refusal_bus_name(RefusalCode code);

/* Returns the short name: "InUse", "InvalidArgs", ... */
const char *refusal_name(RefusalCode code);

/* Returns the exit code of iommuctl for a D-Bus error of this full name; EXIT_CODE_FAILED for names that are
 * not ours. AccessDenied and InteractiveAuthorizationRequired of org.freedesktop.DBus.Error give
 * EXIT_CODE_NOT_AUTHORISED. */
ExitCode refusal_exit_code(const char *bus_name);

/*
 * Returns the text: "OBJECT: cause (DETAIL); next command". OBJECT is what the caller named or what the
 * refusal is about ("group 7", "0000:00:04.0", "/etc/iommu-policy.d/30-x.conf"); where the next command
 * needs a TARGET, TARGET stands in it.
 * DETAIL and TARGET may be NULL: the sentence is then complete without them. The caller frees it.
 */
char *refusal_text(RefusalCode code, const char *object, const char *target, const char *detail);
