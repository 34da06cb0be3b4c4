/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "add-writers.h"
#include "autoprobe-hold.h"
#include "boot-notes.h"
#include "boot-phase.h"
#include "call-limits.h"
#include "call-store.h"
#include "change.h"
#include "change-queue.h"
#include "device-watch.h"
#include "host.h"
#include "journal.h"
#include "kernel-feature.h"
#include "managed-device.h"
#include "managed-group.h"
#include "mount-watch.h"
#include "next-step.h"
#include "notify.h"
#include "refusal-rate.h"
#include "rule-set.h"
#include "scanner.h"
#include "settings.h"
#include "type-watch.h"
#include "vfio-watch.h"

/*
 * Everything the daemon knows, and the place where its parts meet. The manager connects: it neither decides
 * (policy/, next-step) nor does (transaction), and knows neither paths in sysfs nor names on the bus. Its
 * roads are in
 *
 *   manager.c           life, lookups, telling the faces
 *   manager-devices.c   devices come, go and change
 *   manager-add.c       an added device: who was first, the rule or the driver
 *   manager-decide.c    what is wanted of a group, and what a call may ask of it
 *   manager-evaluate.c  a group is surveyed, changed
 *   manager-early.c     what was done before the daemon, and what the next boot will do
 *   manager-change.c    the queue, results, recovery
 *   manager-rules.c     reload, apply, those who wait for groups
 *   manager-vf.c        virtual functions are held until their types are written
 */
struct Manager {
    sd_event *event;
    sd_bus *bus;             /* NULL without a bus */
    Journal *journal;
    int root_fd;             /* borrowed */
    Settings settings;
    Host *host;
    RuleSet *rules;
    bool rules_are_late;     /* some rule asks what udev knows */

    GHashTable *groups;      /* number -> ManagedGroup */
    GHashTable *devices;     /* key -> ManagedDevice */
    GHashTable *by_path;     /* syspath -> ManagedDevice, borrowed */

    DeviceWatch *watch;
    TypeWatch *type_watch;
    AutoprobeHolds *autoprobe_holds;
    MountWatch *mount_watch; /* only while some group waits for the end of a use */
    VfioWatch *vfio_watch;   /* the same */
    Scanner *scanner;
    BootPhase *phase;
    BootNotes *early;        /* NULL: not known */
    bool initramfs_stale;
    CallStore *calls;
    ChangeQueue *queue;
    GPtrArray *changes;      /* Change, all there are */
    GPtrArray *orphans;      /* waits for a lock that somebody else holds */
    GPtrArray *waiters;
    GPtrArray *bus_calls;    /* BusCall, that will be answered later; they belong to the bus files */
    unsigned surveys;        /* how many run for rules */
    AddWriters *add_writers;

    CallLimits change_limits;   /* SetType, Apply, Reload, Refresh, Inhibit */
    CallLimits look_limits;     /* Plan, GetFindings, GetFeatures */
    CallLimits explain_limits;
    CallLimits question_limits; /* to polkit, that may open a dialog */
    CallLimits inhibit_limits;  /* inhibitors, as long as they last */
    RefusalRate *refusal_rate;

    GHashTable *dirty;       /* number -> what to do at the next look, DirtyWork bits */
    sd_event_source *settle_timer;
    GQueue udev_pending;     /* keys of devices that udev's database has not been asked about */
    sd_event_source *udev_source;

    GHashTable *touched;     /* numbers of groups of which something may have to be told */
    sd_event_source *tell_source;
    unsigned changed;        /* ManagerProperty bits */
    unsigned pending, identity, forbidden, untranslated;
    unsigned adds_before_driver, adds_after_driver; /* since start */
    unsigned kernel_features; /* KERNEL_FEATURE_BIT of what the kernel has shown */

    int scanning;            /* how many groups are being read */
    bool starting;           /* the first scan has not ended */
    bool stopping;
    sd_event_source *stop_timer;
    void (*on_started)(Manager *manager, void *userdata);
    void *started_userdata;
};

/* Reads the host, settings, rules and calls below ROOT_FD. BUS may be NULL. Returns 0 with *ret, or -errno.
 */
int manager_new(sd_event *event, sd_bus *bus, int root_fd, Manager **ret);

/*
 * Watches, recovers, enumerates and starts the first scan. STARTED is called when each group has been read,
 * or a few of them have not answered in time. Returns 0 or -errno.
 */
int manager_start(Manager *manager, void (*started)(Manager *manager, void *userdata), void *userdata);

/* Refuses new changes, answers who waits, and ends the loop when the running changes have ended, or some
 * seconds later: their workers go on by themselves. */
void manager_stop(Manager *manager);

Manager *manager_free(Manager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manager, manager_free)

/* Each returns NULL if there is none. */
ManagedGroup *manager_group(const Manager *manager, unsigned id);
ManagedDevice *manager_device(const Manager *manager, const char *key);
/* The device that SYSPATH is or is below of: the nearest. */
ManagedDevice *manager_device_of_path(const Manager *manager, const char *syspath);

/* The kernel has shown FEATURES (bits, 0: nothing) to be there. */
void manager_saw_kernel_features(Manager *manager, unsigned features);

/* The nearest device above MANAGED, or NULL. */
ManagedDevice *manager_device_above(const Manager *manager, const ManagedDevice *managed);

/* Numbers of all groups, ascending: GArray of unsigned; the caller frees it. */
GArray *manager_group_ids(const Manager *manager);

/* "running", "frozen" or "disabled". */
const char *manager_state(const Manager *manager);

/* Something of GROUP may have changed: what differs is told when this step of the loop is over. */
void manager_touch(Manager *manager, const ManagedGroup *group);

/* GROUP has come: told at once, so that what follows is a change of something known. */
void manager_announce(Manager *manager, ManagedGroup *group);
/* The first scan has ended. */
void manager_started(Manager *manager);
/* GROUP has lost its last member. */
void manager_forget_group(Manager *manager, ManagedGroup *group);

/* --- manager-devices.c */
typedef enum DirtyWork {
    DIRTY_DECIDE = 1 << 0, /* decide again */
    DIRTY_READ = 1 << 1,   /* read the type first */
    DIRTY_USE = 1 << 2,    /* a use may have begun or ended */
} DirtyWork;
void manager_set_dirty(Manager *manager, unsigned group, DirtyWork work);
int manager_enumerate(Manager *manager);
/* Reads the device at SYSPATH, known or not, and puts it where it belongs. Returns it, or NULL if it is gone
 * or was never a device that can have a group. */
ManagedDevice *manager_update_device(Manager *manager, const char *syspath);
void manager_device_event(DeviceEvent event, const char *syspath, struct udev_device *udev, void *userdata);
/* Asks udev's database about all devices again, a few at a time, when nothing else is to be done. */
void manager_ask_udev(Manager *manager);
/* Reads the members of GROUP again: their drivers are others now. */
void manager_reread_members(Manager *manager, ManagedGroup *group);
void manager_count_untranslated(Manager *manager);

/* --- manager-decide.c */
/* The same with a whole trail, for people. */
Decision *manager_explain(Manager *manager, ManagedGroup *group);
/* What the rules decide for GROUP; with WITH_CALL false as if no call had been made. The caller frees it. */
Decision *manager_decide(Manager *manager, ManagedGroup *group, bool with_call);
/* What they would have decided before a driver was bound to any member, with the early keys alone. The
 * caller frees it. */
Decision *manager_decide_early(Manager *manager, ManagedGroup *group);
/* May a call ask for TYPE? Returns REFUSAL_NONE or why not, then with *ret_detail (caller frees; may be
 * NULL). */
RefusalCode manager_judge_call(Manager *manager, ManagedGroup *group, DomainType type, char **ret_detail);
/* The type that the next boot gives GROUP before its drivers are bound: decision_type_at_boot(). */
DomainType manager_decide_at_boot(Manager *manager, ManagedGroup *group);
/* The types that `auto` may end in for GROUP. */
DomainTypeSet manager_auto_outcome(Manager *manager, ManagedGroup *group);
/* The types that the IOMMU of GROUP is not known to give. */
DomainTypeSet manager_types_not_given(const ManagedGroup *group);

/* --- manager-evaluate.c */
/* Forgets what a call asked for GROUP, as CALLER wants: back to the rules. */
void manager_drop_call(Manager *manager, ManagedGroup *group, const Caller *caller);
/* Decides, and does or starts what follows. */
void manager_evaluate(Manager *manager, ManagedGroup *group);
void manager_evaluate_all(Manager *manager);
/* A survey has ended: those that were not begun because too many ran have their turn. */
void manager_survey_next(Manager *manager);
/* Has the type of one group, or of all, read again. */
void manager_read_group(Manager *manager, ManagedGroup *group);
void manager_read_all(Manager *manager);
/* Notes that the type of GROUP is, or is no longer, being read. */
void manager_set_scanning(Manager *manager, ManagedGroup *group, bool scanning);
void manager_group_scanned(const ScannedGroup *scanned, void *userdata);
void manager_type_written(unsigned group, void *userdata);

/* --- manager-add.c */
/* The rules, or who inhibits them, are others now: so are those who wait for added devices. */
void manager_set_add_writers(Manager *manager);
/* GROUP, which has a new member, is looked at for the first time, or again as long as that is not settled:
 * who was first? */
void manager_judge_add(Manager *manager, ManagedGroup *group);
/* A rule's change of GROUP was done without unbinding anything. */
void manager_added_in_time(Manager *manager, ManagedGroup *group);
/* --- manager-early.c */
/* Reads what the early passes have left, and says it. */
void manager_read_early(Manager *manager);
/* The type of GROUP has been read: shows who set it before this daemon, if nothing has been done to it
 * since. */
void manager_adopt_early(Manager *manager, ManagedGroup *group);
/* What the next boot makes of GROUP, of which WANTED is wanted, and which the rules will give AT_BOOT
 * before a driver is bound (decision_type_at_boot()). */
NextBoot manager_next_boot(const Manager *manager, const ManagedGroup *group, DomainType wanted,
                           DomainType at_boot);
/* Looks whether the initramfs has the rules that are on disk. */
void manager_check_image(Manager *manager);
/* What to do about it, for people; NULL: nothing. The caller frees it. */
char *manager_image_advice(const Manager *manager);

/* --- manager-change.c */
/* Puts CHANGE into the queue, which owns it from here on. */
void manager_submit(Manager *manager, Change *change);
/* Starts what may start. */
void manager_run_queue(Manager *manager);
/* CHANGE ended, RESULT NULL if its worker ended without one; it is not freed. */
void manager_change_done(Manager *manager, Change *change, const ChangeResult *result, int error);
void manager_change_late(Manager *manager, Change *change);
/* What hung has returned, and the next step of CHANGE begins. */
void manager_change_goes_on(Manager *manager, Change *change);
/* Takes CHANGE out of everything and frees it. */
void manager_drop_change(Manager *manager, Change *change);
/* Repairs what is recorded below /run, or waits for those who still work at it. Returns 0 or -errno. */
int manager_recover(Manager *manager);
/* The same for what GROUP alone left there. */
void manager_recover_group(Manager *manager, unsigned group);
/* Somebody else holds the lock of KEY: GROUP is looked at again when it is free. */
void manager_wait_for_lock(Manager *manager, unsigned group, const char *key);
void orphan_free(void *orphan);

/* --- manager-rules.c */
/* Reads the rule files again, as CALLER wants, and looks at every group. *ret_diagnostics (array of
 * Diagnostic) is the caller's. Returns 0 or -errno: then the old rules stay. */
int manager_reload(Manager *manager, const Caller *caller, GPtrArray **ret_diagnostics);
/* Takes RULES in force, and logs DIAGNOSTICS. CALLER wanted it; NULL: at start. */
void manager_take_rules(Manager *manager, RuleSet *rules, const GPtrArray *diagnostics,
                        const Caller *caller);
/* Looks at every group again, forgetting failed tries. */
void manager_apply(Manager *manager);
/* Calls READY once none of the groups IDS (GArray of unsigned) has anything under way; from the loop, never
 * from inside this call. */
typedef void (*ManagerReady)(Manager *manager, void *userdata);
void manager_wait(Manager *manager, const GArray *ids, ManagerReady ready, void *userdata,
                  GDestroyNotify destroy);
void manager_check_waiters(Manager *manager);
/* The service ends: those who still wait learn how things stand. */
void manager_answer_waiters(Manager *manager);
void waiter_free(void *waiter);
/* Keeps rules away from GROUP while the returned descriptor, the caller's, is open. PLACE is what it takes
 * in the manager's limits, and is taken over with success. Returns the descriptor, or -errno. */
int manager_inhibit(Manager *manager, ManagedGroup *group, const char *who, const char *why,
                    CallPlace *place);

/* --- manager-vf.c */
int manager_hold_new(Manager *manager);
/* Whether virtual functions of MANAGED are to be held, under the rules in force; the same for all devices.
 * */
void manager_judge_function(Manager *manager, const ManagedDevice *managed);
void manager_judge_functions(Manager *manager);
