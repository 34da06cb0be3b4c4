/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-switch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "change-cause.h"
#include "change-give-back.h"
#include "change-losses.h"
#include "children.h"
#include "claim.h"
#include "cleanup.h"
#include "findings.h"
#include "group.h"
#include "nvme-controller.h"
#include "record.h"
#include "sysfs.h"
#include "type-write.h"

/* How long a descriptor that outlives the unbind may take to be closed. */
#define CLOSING_USEC G_USEC_PER_SEC

/* How old findings may be at the first unbind, where no disk was claimed meanwhile. */
#define FRESH_USEC (G_USEC_PER_SEC / 2)

typedef struct Switch {
    const Sequence *sequence;
    const ChangeRequest *request;
    const ChangeSurvey *survey;
    const GroupView *view;
    NetworkState *network; /* before the first unbind, if one of them has an interface; or NULL */
    GPtrArray *held;   /* HeldDevice: the members that are unbound, children before parents */
    Claims *claims;
    uint64_t looked_usec; /* when the findings had been gathered */
    bool may_write;    /* all are unbound, and nobody holds a node of them */
    bool closes_first; /* see closes_before_unbind() */
} Switch;

static void switch_clear(Switch *w)
{
    g_clear_pointer(&w->claims, claims_release);
    g_clear_pointer(&w->held, g_ptr_array_unref);
    g_clear_pointer(&w->network, network_state_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Switch, switch_clear)

static const Device *find_device(const GroupView *view, const char *name)
{
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = g_ptr_array_index(view->devices, i);

        if (g_str_equal(device->facts->name, name))
            return device;
    }
    return NULL;
}

/* What is below a device and which nodes it has: read while it is bound, needed when it is not. */
static int look_below(int root_fd, HeldDevice *held)
{
    char *paths[] = { held->syspath, NULL };
    g_autoptr(GPtrArray) children = NULL, controllers = NULL;
    g_autoptr(GArray) nodes = NULL;
    int r;

    r = findings_nodes(root_fd, paths, &nodes);
    if (r >= 0)
        r = nvme_controllers_read(root_fd, held->syspath, &controllers);
    if (r < 0)
        return r;
    g_clear_pointer(&held->nodes, g_array_unref);
    held->nodes = g_steal_pointer(&nodes);
    g_clear_pointer(&held->controllers, g_ptr_array_unref);
    held->controllers = g_steal_pointer(&controllers);
    if (held->children)
        return 0; /* unbound before: what counts is what was there first */
    r = children_read(root_fd, held->syspath, &children);
    if (r < 0)
        return r;
    children_identify(root_fd, children);
    held->children = g_steal_pointer(&children);
    return 0;
}

static HeldDevice *held_from_member(const ChangeMember *member, const Device *device)
{
    HeldDevice *held = held_device_new(member->bus, member->name, member->syspath);

    held->inode = member->inode;
    held->driver = g_strdup(member->driver);
    held->vendor = device->facts->vendor;
    held->device = device->facts->device;
    held->class_code = device->facts->class_code;
    return held;
}

static bool prepare_device(const Switch *w, HeldDevice *held)
{
    const Sequence *sequence = w->sequence;
    g_autofree char *other = NULL;
    int r;

    r = held_device_open(sequence->root_fd, held);
    if (r >= 0)
        r = held_device_read_override(held, &other);
    if (other) {
        sequence_fail(sequence, REFUSAL_BUSY, held->name, r,
                      "driver_override names %s while %s is bound: somebody "
                      "is about to give it to another driver",
                      other, held->driver);
        return false;
    }
    if (r >= 0)
        r = look_below(sequence->root_fd, held);
    if (r < 0)
        sequence_fail(sequence, REFUSAL_DEVICE_CHANGED, held->name, r, "cannot be read: %s", g_strerror(-r));
    return r >= 0;
}

static bool prepare(Switch *w)
{
    for (guint i = 0; i < w->survey->members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(w->survey->members, i);
        HeldDevice *held;

        if (!member->unbinds)
            continue;
        held = held_from_member(member, find_device(w->view, member->name));
        g_ptr_array_add(w->held, held);
        if (!prepare_device(w, held))
            return false;
    }
    w->network = change_losses_look(w->sequence, w->held);
    return true;
}

/*
 * Buses whose drivers claim the group for the DMA API when they are bound (iommu_device_use_default_domain()
 * in the bus's dma_configure): there the kernel itself refuses to take the domain from under a driver at
 * work.
 */
static bool bus_claims_group(const char *bus)
{
    static const char *const buses[] = { "pci", "platform", "amba", "fsl-mc", "cdx", NULL };

    return g_strv_contains(buses, bus);
}

/*
 * Linux before 6.2 frees memory of an NVMe when its last disk is closed (drivers/nvme/host/pci.c,
 * nvme_pci_free_ctrl()), and other architectures than x86 take the device's DMA operations away with its
 * driver (arch_teardown_dma_ops()): a claim that is closed after the unbind makes such a kernel oops. Only
 * one before 6.4 answers the cheap try with EBUSY. There the claims end right before the unbind: the moment
 * between is the lesser evil.
 */
static bool closes_before_unbind(int error)
{
#if defined(__x86_64__) || defined(__i386__)
    return false;
#else
    return error == -EBUSY;
#endif
}

/*
 * Step 3, the cheap try: the wanted type with everything bound. A kernel that takes it has spared us the
 * disruption, one that will never take it says so before anything is lost. Done before disks are claimed, so
 * that a type is never written while a claim is held, not even if somebody else unbinds in this moment
 * (Linux 6.1 then frees the memory of a claimed NVMe with the wrong operations). Not done where a bus would
 * let the kernel switch under a driver at work. Returns true if the change goes on.
 */
static bool try_bound(Switch *w)
{
    const Sequence *sequence = w->sequence;
    const ChangeRequest *request = w->request;
    int r;

    for (guint i = 0; i < w->held->len; i++)
        if (!bus_claims_group(((const HeldDevice *) g_ptr_array_index(w->held, i))->bus))
            return true;
    r = type_write(sequence, request->group, request->type);
    w->closes_first = closes_before_unbind(r);
    if (r == -EPERM || r == -EBUSY)
        return true;
    if (r < 0) {
        change_explain_type_error(sequence, request->group, request->type, r);
        return false;
    }
    sequence->result->how = CHANGE_LIVE;
    if (!type_is_kept(sequence, request->group, request->type, request->out, true) &&
        !type_restore(sequence, request->group, w->survey->type_from))
        sequence_broken(sequence, NULL, "the group is left as %s",
                        domain_type_to_string(sequence->result->type));
    return false;
}

static bool has_disk(const HeldDevice *held)
{
    for (guint i = 0; i < held->nodes->len; i++)
        if (g_array_index(held->nodes, NodeNumber, i).block)
            return true;
    return false;
}

/*
 * The disks of DEVICES are claimed, and what that finds is judged by what REQUEST allows. Returns true if
 * nothing stands in the way.
 */
static bool claim_disks(Switch *w, const ChangeRequest *request, const GPtrArray *devices)
{
    g_autoptr(GPtrArray) findings = findings_new(), paths = g_ptr_array_new();
    int r;

    for (guint i = 0; i < devices->len; i++) {
        const HeldDevice *held = g_ptr_array_index(devices, i);

        if (has_disk(held))
            g_ptr_array_add(paths, held->syspath);
    }
    if (paths->len == 0)
        return true;
    g_ptr_array_add(paths, NULL);
    r = claims_take(w->sequence, (char **) paths->pdata, findings, &w->claims);
    if (r < 0) {
        sequence_fail(w->sequence, REFUSAL_DEVICE_CHANGED, NULL, r, "a disk cannot be claimed: %s",
                      g_strerror(-r));
        return false;
    }
    return !change_explain_findings(w->sequence, request, findings, false);
}

/* Spinning up and probing disks takes time in which an interface can come up or a container start, and so
 * may the cheap try, which waits for whoever has the group: look once more. */
static bool still_free(const Switch *w)
{
    g_autoptr(GPtrArray) findings = findings_new();
    int r;

    if (!w->claims && sequence_now() - w->looked_usec < FRESH_USEC)
        return true;
    r = change_collect_findings(w->sequence->root_fd, w->survey, findings);
    if (r < 0) {
        sequence_fail(w->sequence, REFUSAL_DEVICE_CHANGED, NULL, r, "%s", g_strerror(-r));
        return false;
    }
    return !change_explain_findings(w->sequence, w->request, findings, false);
}

static void record_member(Record *record, const Switch *w, const ChangeMember *member)
{
    const Device *device = find_device(w->view, member->name);
    RecordMember *entry = record_add_member(record);

    entry->bus = g_strdup(member->bus);
    entry->name = g_strdup(member->name);
    entry->inode = member->inode;
    entry->vendor = device->facts->vendor;
    entry->device = device->facts->device;
    entry->class_code = device->facts->class_code;
    entry->driver = g_strdup(member->driver);
    entry->unbinds = member->unbinds;
    for (guint i = 0; i < w->held->len; i++) {
        const HeldDevice *held = g_ptr_array_index(w->held, i);

        if (!g_str_equal(held->name, member->name))
            continue;
        entry->has_driver_override = held->has_driver_override;
        entry->driver_override = g_strdup(held->driver_override);
    }
}

/*
 * Step 4. Nothing is unbound before this is in place. /run is memory: a record is worth nothing after a
 * reboot, and needs no fsync().
 */
static bool write_record(const Switch *w)
{
    g_autoptr(Record) record = record_new();
    int r;

    record->origin = g_strdup(w->request->origin);
    record->group = w->request->group;
    record->old_type = w->survey->type_from;
    record->wanted_type = w->request->type;
    for (guint i = 0; i < w->survey->members->len; i++)
        record_member(record, w, g_ptr_array_index(w->survey->members, i));
    r = record_boot_id(w->sequence->root_fd, &record->boot_id);
    if (r >= 0)
        r = record_write(w->sequence->root_fd, w->view->key, record);
    if (r < 0) {
        sequence_fail(w->sequence, REFUSAL_RECORD_FAILED, NULL, r, "%s: %s", w->view->key, g_strerror(-r));
        (void) record_remove(w->sequence->root_fd, w->view->key);
    }
    return r >= 0;
}

/* Step 5. What has its driver is unbound; with PERSIST the failure of one does not end it. */
static bool take_devices(Switch *w, bool persist)
{
    bool taken = true;

    if (w->closes_first)
        w->claims = claims_release(w->claims);
    for (guint i = 0; i < w->held->len && (taken || persist); i++) {
        HeldDevice *held = g_ptr_array_index(w->held, i);
        int r;

        r = held_device_unbind(w->sequence, held);
        if (r >= 0 || (persist && r == -ESTALE))
            continue;
        taken = false;
        if (r == -ENODEV || r == -ESTALE)
            sequence_fail(w->sequence, REFUSAL_DEVICE_CHANGED, held->name, r,
                          "it is gone, or not bound to %s any more", held->driver);
        else
            sequence_fail(w->sequence, REFUSAL_UNBIND_FAILED, held->name, r, "%s: %s", held->name,
                          g_strerror(-r));
    }
    w->claims = claims_release(w->claims);
    return taken;
}

/* What the kernel itself keeps alive counts as held, whoever it is: a descriptor may be on its way to
 * another process, or a close on its way through the kernel. */
static void find_controllers_alive(const Switch *w, const HeldDevice *held, GPtrArray *findings)
{
    for (guint i = 0; i < held->controllers->len; i++) {
        const NvmeController *controller = g_ptr_array_index(held->controllers, i);

        if (nvme_controller_is_alive(w->sequence->root_fd, controller))
            findings_add(findings, FINDING_EXCL, FINDING_ABSOLUTE, held->name, controller->name, held->name,
                         "%s was unbound, and %s is still held by something that no process shows; find out "
                         "by whom and stop it",
                         held->name, controller->name);
    }
}

static int find_holders(const Switch *w, GPtrArray *findings)
{
    for (guint i = 0; i < w->held->len; i++) {
        const HeldDevice *held = g_ptr_array_index(w->held, i);
        int r;

        if (held->nodes->len == 0)
            continue;
        r = findings_node_holders(w->sequence->root_fd, held->nodes, getpid(), held->name, findings);
        if (r < 0)
            return r;
        if (findings->len == 0)
            find_controllers_alive(w, held, findings);
    }
    return 0;
}

/*
 * Step 6, first half: after the unbind, a descriptor or a mount that is left holds a dead device, and a
 * driver's memory with it. One that is about to be closed is given a moment: udev opens what it hears of.
 */
static bool nodes_are_free(const Switch *w)
{
    uint64_t deadline = sequence_now() + CLOSING_USEC;

    for (unsigned try = 0;; try++) {
        g_autoptr(GPtrArray) findings = findings_new();
        int r = find_holders(w, findings);

        if (r < 0) {
            sequence_fail(w->sequence, REFUSAL_SWITCH_FAILED, NULL, r, "cannot tell who holds a device: %s",
                          g_strerror(-r));
            return false;
        }
        if (findings->len == 0 || !sequence_back_off(try, deadline))
            return !change_explain_findings(w->sequence, w->request, findings, true);
    }
}

/*
 * Step 6, second half: where a bus would let the type be taken from under a driver at work, it is looked
 * whether somebody has bound one since the unbind.
 */
static bool nobody_drives(const Switch *w)
{
    for (guint i = 0; i < w->survey->members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(w->survey->members, i);
        g_autofree char *link = g_strconcat(member->syspath, "/driver", NULL), *driver = NULL;
        int r;

        if (bus_claims_group(member->bus))
            continue;
        r = sysfs_link_name(w->sequence->root_fd, link, &driver);
        if (r == -ENOENT || (r >= 0 && !member->unbinds && g_strcmp0(driver, member->driver) == 0))
            continue;
        sequence_fail(w->sequence, REFUSAL_DEVICE_CHANGED, member->name, r < 0 ? r : 0,
                      "it was given to the driver %s meanwhile", driver ?: "that cannot be read");
        return false;
    }
    return true;
}

static bool switch_type(Switch *w)
{
    const ChangeRequest *request = w->request;
    int r;

    w->may_write = nodes_are_free(w) && nobody_drives(w);
    if (!w->may_write)
        return false;
    r = type_write(w->sequence, request->group, request->type);
    if (r < 0) {
        change_explain_type_error(w->sequence, request->group, request->type, r);
        return false;
    }
    return type_is_kept(w->sequence, request->group, request->type, request->out, false);
}

/*
 * Whether what came back is used by somebody now. udev and what it wakes open what they hear of: they are
 * given a moment to be done.
 */
static bool is_in_use_again(const Switch *w, const ChangeRequest *request, const ChangeSurvey *survey)
{
    uint64_t deadline = sequence_now() + CLOSING_USEC;

    for (unsigned try = 0;; try++) {
        g_autoptr(GPtrArray) findings = findings_new(), blocking = NULL;

        if (change_collect_findings(w->sequence->root_fd, survey, findings) < 0)
            return true;
        blocking = findings_blocking(findings, request->accept, request->allow);
        if (blocking->len == 0)
            return false;
        if (!sequence_back_off(try, deadline))
            return change_explain_findings(w->sequence, request, findings, false);
    }
}

static bool any_bound(const Switch *w)
{
    for (guint i = 0; i < w->held->len; i++)
        if (held_device_has_driver(g_ptr_array_index(w->held, i)))
            return true;
    return false;
}

/* Adds what has its driver again to BOUND and SURVEY. Returns false if it cannot be looked at. */
static bool survey_bound(const Switch *w, GPtrArray *bound, ChangeSurvey *survey)
{
    survey->how = CHANGE_DISRUPTIVE;
    for (guint i = 0; i < w->held->len; i++) {
        HeldDevice *held = g_ptr_array_index(w->held, i);
        ChangeMember *member;

        if (!held_device_has_driver(held))
            continue;
        if (look_below(w->sequence->root_fd, held) < 0)
            return false;
        member = change_member_new(held->bus, held->name, held->syspath);
        member->unbinds = true;
        g_ptr_array_add(survey->members, member);
        g_ptr_array_add(bound, held);
    }
    return true;
}

/*
 * The undo of a step 7 that failed: what came back is unbound once more, if nobody has begun to use it
 * since. What is merely disruptive has been allowed once, perhaps for a disk that has another name now or
 * that udev has not looked at yet: it does not keep its neighbour from its driver. Returns false if it has
 * to stay as it is.
 */
static bool retake(Switch *w)
{
    g_autoptr(ChangeSurvey) survey = change_survey_new();
    g_autoptr(GPtrArray) bound = g_ptr_array_new();
    ChangeRequest undo = *w->request;

    undo.accept = ~(FindingKindSet) 0;
    if (!survey_bound(w, bound, survey) || is_in_use_again(w, &undo, survey) ||
        !claim_disks(w, &undo, bound)) {
        sequence_note(w->sequence, "it could not be undone: what came back is in use");
        return false;
    }
    (void) take_devices(w, true);
    w->may_write = !any_bound(w) && nodes_are_free(w) && nobody_drives(w);
    return true;
}

static void remove_record(const Switch *w)
{
    int r = record_remove(w->sequence->root_fd, w->view->key);

    if (r < 0)
        r = record_remove(w->sequence->root_fd, w->view->key);
    if (r < 0)
        sequence_note(w->sequence, "the record %s could not be removed: %s", w->view->key, g_strerror(-r));
}

/* The type on the way back. TO_OLD_TYPE false: what came back is in use already, and the new type has to
 * do. A group with other members than those that were judged is not ours to write to, nor to call broken. */
static void settle_type(const Switch *w, bool to_old_type)
{
    const Sequence *sequence = w->sequence;
    const ChangeRequest *request = w->request;
    bool settled;

    if (to_old_type && w->may_write)
        settled = type_restore(sequence, request->group, w->survey->type_from);
    else if (to_old_type)
        settled = type_is_kept(sequence, request->group, w->survey->type_from, 0, false);
    else
        settled = type_is_kept(sequence, request->group, request->type, request->out, false);
    if (!settled && sequence_has_group(sequence, request->group))
        sequence_broken(sequence, NULL, "the group is left as %s",
                        domain_type_to_string(sequence->result->type) ?: "nobody can tell");
}

/* The way back: the old type if it can be written, every member to its driver, and the verdict on what is
 * left. */
static void go_back(Switch *w, bool to_old_type)
{
    ChangeResult *result = w->sequence->result;
    bool restored = false, back;

    w->claims = claims_release(w->claims);
    settle_type(w, to_old_type);
    back = change_give_back(w->sequence, w->held, true, &restored);
    change_losses_report(w->sequence, w->held, w->network);
    (void) group_read_type(w->sequence->root_fd, w->request->group, &result->type);
    result->undone = back && !result->broken && result->type == w->survey->type_from;
    if (back && restored)
        remove_record(w);
}

static void run_recorded(Switch *w)
{
    const Sequence *sequence = w->sequence;
    const ChangeRequest *request = w->request;
    bool restored = false;

    if (!take_devices(w, false) || !switch_type(w)) {
        go_back(w, true);
        return;
    }
    if (change_give_back(sequence, w->held, false, &restored) &&
        type_is_kept(sequence, request->group, request->type, request->out, true)) {
        change_losses_report(sequence, w->held, w->network);
        if (restored)
            remove_record(w);
        return;
    }
    go_back(w, retake(w));
}

void change_switch(const Sequence *sequence, const ChangeRequest *request, const ChangeSurvey *survey,
                   const GroupView *view)
{
    g_auto(Switch) w = {
        .sequence = sequence,
        .request = request,
        .survey = survey,
        .view = view,
        .looked_usec = sequence_now(),
        .held = g_ptr_array_new_with_free_func((GDestroyNotify) held_device_free),
    };

    if (prepare(&w) && try_bound(&w) && claim_disks(&w, request, w.held) && still_free(&w) &&
        write_record(&w))
        run_recorded(&w);
}
