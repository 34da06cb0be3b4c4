/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * The control channel of the fake kernel: a Unix stream socket on which a test says what the machine looks
 * like, what goes wrong and when, and reads what was done. One request is one line, words are split as the
 * shell does (quotes and backslashes); the answer is `ok N` followed by N lines, or `error ERRNO TEXT`. The
 * same lines, one to a line with `#` comments, are a topology file. PATH is always relative to the root,
 * without a leading slash, and as the log shows it (links resolved: sys/devices/..., not
 * sys/bus/pci/devices/...).
 *
 * The machine
 *   generation 6.1|6.12        errno tables of KERNEL 5.15 to 6.3, or of 6.4 and later
 *   boot-default WORD          type of new groups, and what `auto` gives (default DMA-FQ)
 *   async-ms N                 how long an asynchronous probe takes (default 5)
 *   iommu NAME [no-fq] [no-identity] [attr:PATH=VALUE...]
 *                              sys/class/iommu/NAME; the last one serves new devices
 *   bus NAME                   a bus without devices (pci and platform are there)
 *   driver BUS NAME ids=ID[,ID...] [managed-dma] [suppress-bind] [async] [autoload]
 *                              ID is vendor:device, class=HEX prefix, or any. autoload: the driver is not
 *                              there until a device that it matches is added or sends a synthetic `add`
 *   driver-remove BUS NAME [autoload]     unbinds its devices and takes the driver away
 *   device BUS NAME [parent=NAME] [group=N|new|none] [at-probe] [id=V:D] [subsystem=V:D] [class=HEX6]
 *          [iommu=NAME] [child=net:IFNAME|nvme:NAME|usb:NAME...] [serial=TEXT] [no-disk] [removable]
 *          [untrusted] [forced=WORD] [pasid] [mask=BITS] [reserved='START END TYPE'] [override=DRIVER]
 *          [functions=TOTAL] [attr:NAME=VALUE...]
 *                              a device is added: nodes, group, `add` event, then its driver is probed.
 *                              serial: of the NVMe controller that is its child, which has a disk, or none
 *                              functions: it has so many virtual functions at most, which come and go by
 *                              its sriov_numvfs, each in a new group
 *                              at-probe: it joins its group when a driver first probes it, not before
 *   group N [type=WORD]        a group without devices; or gives a group this type. A WORD that is no type
 *                              makes a group without a default domain, which reads `unknown`; `static` one
 *                              with a domain of the IOMMU driver's own, as on PPC64, which reads so, too
 *   remove DEVICE              unplug; the devices below it go first
 *   rescan                     what `remove` (here or by sysfs) took away comes back: new inodes, type reset
 *   replug DEVICE [KEY=VALUE...] remove, then add again the same description, but for these words
 *   child DEVICE KIND:NAME     the name that the child gets at the next bind
 *   probe DEVICE ERRNO|ok [count=N] [type=WORD] [late=MS] [driver=NAME]
 *                              the next N probes (default: all) fail, only while the group has that type.
 *                              late: bind succeeds, and the device loses its driver MS later
 *   vfio GROUP none|open|owned group file open only; container or iommufd attached. `none` lets a blocked
 *                              unbind of a vfio-pci device go on
 *   file PATH TEXT             creates or replaces a plain file; \n and \t are understood
 *   attribute PATH TEXT [read-only] creates or replaces a sysfs attribute that reads TEXT
 *   directory PATH, link PATH TARGET, unlink PATH, node PATH b|c MAJOR MINOR
 *   cat PATH                   what a read of PATH gives, unlogged
 *   readlink PATH              likewise
 *   event ACTION PATH [KEY=VALUE...] a kernel uevent for sys/devices/..., if events are on
 *
 * Whose operations count
 *   watch ID|all|none          the log and the rules are for the processes of this process group or session
 *                              (default none) and their children. `watch ID` twice watches both
 *
 * Faults
 *   rule NAME [op=NAME[,NAME...]] [path=GLOB] [nth=N] [count=M] [when=before|after] ACTION
 *                              OP: open opendir create read write truncate rename unlink rmdir mkdir
 *                              readlink symlink chmod fsync; default all of them but read and fsync.
 *                              From the N-th match on (default 1), M times (default: once if nth is given,
 *                              else for ever). before: instead of the operation or ahead of it (default);
 *                              after: when it has been done and before the caller learns of it
 *          ACTION                   fail ERRNO | delay MS | block | kill | do 'COMMAND'
 *                              block: until `release NAME`; kill: SIGKILL to the calling process
 *   rule-remove NAME|all
 *   release NAME               lets everything that rule NAME blocks go on, and removes the rule
 *   wait-blocked NAME          answers as soon as an operation is blocked by rule NAME
 *   wait-fired NAME            answers as soon as rule NAME has acted once
 *   wait-path PATH, wait-no-path PATH     answer as soon as there is, or is no, such node
 *   matched NAME               how often the rule has matched
 *
 * The log
 *   log                        lines: NUMBER<tab>PID<tab>OP<tab>PATH<tab>RESULT<tab>BYTES; RESULT is 0, an
 *                              errno name, `killed`, or `waiting`; BYTES as g_strescape() gives them
 *                              (what was written; for rename the new path, for readlink and symlink the
 *                              target)
 *   count [op=...] [path=GLOB] number of logged operations that match; default as for a rule
 *   log-clear
 */
typedef struct Control Control;

/* One line of the log. */
typedef struct Operation {
    unsigned number;
    pid_t pid;
    char *name;
    char *path;
    char *result;
    char *bytes;
} Operation;

/* Connects to the fake kernel that listens at PATH. Returns 0, or the error of connect(2). */
int control_new(const char *path, Control **ret);
Control *control_free(Control *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Control, control_free)

/* Sends one command and waits for its answer. RET_LINES (may be NULL) gets the answer's lines,
 * NULL-terminated, owned by the caller. Returns 0, the negative errno that the fake kernel answered, or
 * -EIO if it has gone. */
int control_call(Control *control, char ***ret_lines, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The answer of `log` as an array of Operation, freed by g_ptr_array_unref(). Errors as control_call(). */
int control_log(Control *control, GPtrArray **ret);

/* The answer of `count ARGUMENTS` (may be ""), or a negative errno as control_call(). */
int control_count(Control *control, const char *arguments);

/* What a read of PATH gives without its last newline, unlogged. NULL if it cannot be read; owned by the
 * caller. */
char *control_cat(Control *control, const char *path);
