/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "type-write.h"

#include <errno.h>

#include "group-view.h"
#include "group.h"

/* How long the kernel may take to let go of a device whose owner is gone. An owner that is not seen costs as
 * much. */
#define LET_GO_USEC (2 * UINT64_C(1000000))

/*
 * EBUSY before Linux 6.4: the only member has a driver, whichever. Since 7.0: a member is being reset, which
 * ends; and as those kernels say EPERM first where a driver uses the DMA API, and the older ones EINVAL for
 * a group of several, one that manages DMA itself (a bridge's) beside others does not explain it.
 */
static bool is_being_reset(const Sequence *sequence, unsigned group)
{
    g_autoptr(GroupView) view = NULL;

    if (group_view_read(sequence->root_fd, group, &view) < 0)
        return false;
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = g_ptr_array_index(view->devices, i);

        if (device->driver && (!device->facts->manages_dma || view->devices->len == 1))
            return false;
    }
    return true;
}

/*
 * EPERM since Linux 6.4: a driver that uses the DMA API, or an owner. The end of an owner is seen before the
 * kernel has let it go (fs/file_table.c, __fput(): the descriptor is gone and its close is told, then the
 * driver is called, which resets the device), so one that was not found may be on its way out.
 */
static bool may_be_let_go(const Sequence *sequence, unsigned group)
{
    g_autoptr(GroupView) view = NULL;
    bool vfio = false;

    if (group_view_read(sequence->root_fd, group, &view) < 0)
        return false;
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = g_ptr_array_index(view->devices, i);

        if (device->driver && !device->facts->manages_dma)
            return false;
        vfio |= device->driver && driver_is_vfio(device->driver);
    }
    return vfio;
}

/* Until when the write that failed with ERROR is tried again; 0: it is not. */
static uint64_t try_until(const Sequence *sequence, unsigned group, int error, uint64_t begin)
{
    if (error == -EBUSY && is_being_reset(sequence, group))
        return begin + sequence->limits->type_usec;
    if (error == -EPERM && may_be_let_go(sequence, group))
        return begin + MIN(sequence->limits->type_usec, LET_GO_USEC);
    return 0;
}

int type_write(const Sequence *sequence, unsigned group, DomainType type)
{
    uint64_t begin = sequence_now();

    sequence_step(sequence, sequence->limits->type_usec, "write type %s", domain_type_to_string(type));
    for (unsigned try = 0;; try++) {
        int r = sequence_write_type(sequence, group, type);

        if (r >= 0 || !sequence_back_off(try, try_until(sequence, group, r, begin)))
            return r;
    }
}

bool type_is_kept(const Sequence *sequence, unsigned group, DomainType wanted, DomainTypeSet out, bool note)
{
    DomainType type;
    bool kept;
    int r;

    r = group_read_type(sequence->root_fd, group, &type);
    if (r < 0) {
        sequence_fail(sequence, REFUSAL_SWITCH_FAILED, NULL, r, "type cannot be read back: %s",
                      g_strerror(-r));
        return false;
    }
    sequence->result->type = type;
    if (wanted == DOMAIN_TYPE_AUTO)
        kept = domain_type_is_switchable(type);
    else
        kept = type == wanted || domain_type_tightens(wanted, type);
    if (!kept || out & DOMAIN_TYPE_BIT(type)) {
        sequence_fail(sequence, REFUSAL_TYPE_NOT_KEPT, NULL, 0, "%s", domain_type_to_string(type));
        return false;
    }
    if (note && wanted != DOMAIN_TYPE_AUTO && type != wanted)
        sequence_note(sequence, "the kernel gave %s, which is stricter than %s", domain_type_to_string(type),
                      domain_type_to_string(wanted));
    return true;
}

bool type_restore(const Sequence *sequence, unsigned group, DomainType old)
{
    DomainType type;
    int r;

    r = group_read_type(sequence->root_fd, group, &type);
    if (r < 0 || type != old) {
        (void) type_write(sequence, group, old);
        r = group_read_type(sequence->root_fd, group, &type);
    }
    if (r < 0)
        return false;
    sequence->result->type = type;
    return type == old || domain_type_tightens(old, type);
}
