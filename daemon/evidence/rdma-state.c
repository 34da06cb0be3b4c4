/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <string.h>

#include "netlink-socket.h"
#include "process.h"
#include "rdma-state.h"

/* Types of queue pairs for management datagrams (include/rdma/ib_verbs.h, enum ib_qp_type). */
enum {
    QUEUE_PAIR_SMI = 0,
    QUEUE_PAIR_GSI = 1,
};

static void rdma_device_free(RdmaDevice *device)
{
    g_free(device->name);
    g_array_unref(device->links);
    g_ptr_array_unref(device->kernel);
    g_array_unref(device->pids);
    g_free(device);
}

RdmaState *rdma_state_new(void)
{
    RdmaState *state = g_new0(RdmaState, 1);

    state->devices = g_ptr_array_new_with_free_func((GDestroyNotify) rdma_device_free);
    return state;
}

void rdma_state_free(RdmaState *state)
{
    if (!state)
        return;
    g_ptr_array_unref(state->devices);
    g_free(state);
}

const RdmaDevice *rdma_state_find(const RdmaState *state, const char *name)
{
    for (unsigned i = 0; i < state->devices->len; i++) {
        const RdmaDevice *device = g_ptr_array_index(state->devices, i);

        if (strcmp(device->name, name) == 0)
            return device;
    }
    return NULL;
}

static const char *get_text(const struct nlattr *attribute)
{
    return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attribute) : NULL;
}

int rdma_take_device(const struct nlmsghdr *message, void *state)
{
    const struct nlattr *attribute;
    const char *name = NULL;
    uint32_t index = 0;
    RdmaDevice *device;

    mnl_attr_for_each(attribute, message, 0)
        if (mnl_attr_get_type(attribute) == RDMA_NLDEV_ATTR_DEV_INDEX)
            index = netlink_u32(attribute);
        else if (mnl_attr_get_type(attribute) == RDMA_NLDEV_ATTR_DEV_NAME)
            name = get_text(attribute);
    if (!name)
        return MNL_CB_OK;
    device = g_new0(RdmaDevice, 1);
    *device = (RdmaDevice){
        .index = index,
        .name = g_strdup(name),
        .links = g_array_new(FALSE, FALSE, sizeof(int)),
        .kernel = g_ptr_array_new_with_free_func(g_free),
        .pids = g_array_new(FALSE, FALSE, sizeof(pid_t)),
    };
    g_ptr_array_add(((RdmaState *) state)->devices, device);
    return MNL_CB_OK;
}

int rdma_take_port(const struct nlmsghdr *message, void *device)
{
    const struct nlattr *attribute;

    mnl_attr_for_each(attribute, message, 0) {
        int link = (int) netlink_u32(attribute);

        if (mnl_attr_get_type(attribute) == RDMA_NLDEV_ATTR_NDEV_INDEX && link)
            g_array_append_val(((RdmaDevice *) device)->links, link);
    }
    return MNL_CB_OK;
}

/* The device's own driver, for work of its own; IPoIB makes one as soon as it is loaded, and is in use when
 * its interface is up. */
static bool is_of_device(const char *module)
{
    static const char *const modules[] = { "bnxt_re", "hns_roce_hw_v2", "ib_ipoib", "irdma",
                                           "mlx4_ib", "mlx5_ib",        NULL };

    return g_strv_contains(modules, module);
}

/* One with neither module nor process belongs to a process that is out of sight. */
static void take_queue_pair(const struct nlattr *entry, RdmaDevice *device)
{
    const struct nlattr *attribute;
    const char *module = NULL;
    int type = -1;
    pid_t pid = 0;

    mnl_attr_for_each_nested(attribute, entry)
        switch (mnl_attr_get_type(attribute)) {
        case RDMA_NLDEV_ATTR_RES_TYPE:
            type = mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0 ? mnl_attr_get_u8(attribute) : -1;
            break;
        case RDMA_NLDEV_ATTR_RES_PID:
            pid = (pid_t) netlink_u32(attribute);
            break;
        case RDMA_NLDEV_ATTR_RES_KERN_NAME:
            module = get_text(attribute);
            break;
        default:
            break;
        }
    if (type == QUEUE_PAIR_SMI || type == QUEUE_PAIR_GSI || (module && is_of_device(module)))
        return;
    if (pid > 0)
        process_list_add(device->pids, pid);
    else if (!g_ptr_array_find_with_equal_func(device->kernel, module ?: "?", g_str_equal, NULL))
        g_ptr_array_add(device->kernel, g_strdup(module ?: "?"));
}

int rdma_take_queue_pairs(const struct nlmsghdr *message, void *device)
{
    const struct nlattr *attribute, *entry;

    mnl_attr_for_each(attribute, message, 0) {
        if (mnl_attr_get_type(attribute) != RDMA_NLDEV_ATTR_RES_QP)
            continue;
        mnl_attr_for_each_nested(entry, attribute)
            if (mnl_attr_get_type(entry) == RDMA_NLDEV_ATTR_RES_QP_ENTRY)
                take_queue_pair(entry, device);
    }
    return MNL_CB_OK;
}

static int dump(NetlinkSocket *socket, unsigned command, const RdmaDevice *device, mnl_cb_t take,
                void *userdata)
{
    char buffer[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request;
    void *header;

    request = netlink_request(buffer, (uint16_t) RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command), NLM_F_DUMP, 0,
                              &header);
    if (device)
        mnl_attr_put_u32(request, RDMA_NLDEV_ATTR_DEV_INDEX, device->index);
    return netlink_ask(socket, request, take, userdata);
}

static int read_device(NetlinkSocket *socket, RdmaDevice *device)
{
    int r;

    r = dump(socket, RDMA_NLDEV_CMD_PORT_GET, device, rdma_take_port, device);
    if (r >= 0)
        r = dump(socket, RDMA_NLDEV_CMD_RES_QP_GET, device, rdma_take_queue_pairs, device);
    return r == -EINVAL || r == -ENODEV ? 0 : r; /* it vanished */
}

static int read_once(void *ret)
{
    g_autoptr(RdmaState) state = rdma_state_new();
    g_autoptr(NetlinkSocket) socket = NULL;
    int r;

    r = netlink_open(NETLINK_RDMA, &socket);
    if (r >= 0)
        r = dump(socket, RDMA_NLDEV_CMD_GET, NULL, rdma_take_device, state);
    for (unsigned i = 0; r >= 0 && i < state->devices->len; i++)
        r = read_device(socket, g_ptr_array_index(state->devices, i));
    if (r < 0)
        return r;
    *(RdmaState **) ret = g_steal_pointer(&state);
    return 0;
}

int rdma_state_read(RdmaState **ret)
{
    return netlink_read_steady(read_once, ret);
}
