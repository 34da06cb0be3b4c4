/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libmnl/libmnl.h>
#include <sys/types.h>

/* RDMA devices and who has queue pairs on them, as the kernel tells over netlink (NETLINK_RDMA,
 * drivers/infiniband/core/nldev.c; what rdma(8) shows). */

typedef struct RdmaDevice {
    uint32_t index;
    char *name;          /* "mlx5_0" */
    GArray *links;       /* int: network interfaces of its ports */
    GPtrArray *kernel;   /* char*: modules of the kernel with queue pairs, each once: "nvme_rdma" */
    GArray *pids;        /* pid_t: processes with queue pairs, each once */
} RdmaDevice;

typedef struct RdmaState {
    GPtrArray *devices; /* RdmaDevice */
} RdmaState;

/* Returns an empty state. */
RdmaState *rdma_state_new(void);

/*
 * Reads the devices of this process's network namespace. The queue pairs of the management datagrams (SMI,
 * GSI), those that a device's own driver keeps for itself and IPoIB's are there without any user, and left
 * out; devices that vanish meanwhile, too. Returns 0; -EPROTONOSUPPORT if the kernel has no RDMA; -EAGAIN if
 * it changed each time we looked; -errno.
 */
int rdma_state_read(RdmaState **ret);

void rdma_state_free(RdmaState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RdmaState, rdma_state_free)

/* Returns the device, or NULL. */
const RdmaDevice *rdma_state_find(const RdmaState *state, const char *name);

/* What takes the kernel's messages (mnl_cb_t): the first into an RdmaState, the others into the RdmaDevice
 * they are about. */
int rdma_take_device(const struct nlmsghdr *message, void *state);
int rdma_take_port(const struct nlmsghdr *message, void *device);
int rdma_take_queue_pairs(const struct nlmsghdr *message, void *device);
