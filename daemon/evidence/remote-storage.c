/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "remote-peer.h"
#include "sysfs.h"

/* File systems and disks of this machine that are on another one. */

static void add_mounts(RemotePeers *peers, const MountTable *mounts)
{
    for (unsigned i = 0; i < mounts->network->len; i++) {
        const NetworkMount *mount = g_ptr_array_index(mounts->network, i);
        g_autofree char *use = g_strdup_printf("the file system %s", mount->target);

        remote_peers_add(peers, mount->address, use, NULL);
    }
}

/* Reads attribute NAME of the class device PATH; "" where it is not there or has no value. */
static char *read_attribute(int root_fd, RemotePeers *peers, const char *path, const char *name)
{
    g_autofree char *attribute = g_strdup_printf("%s/%s", path, name);
    char *text;
    int r;

    r = sysfs_read(root_fd, attribute, &text);
    if (r >= 0)
        return text;
    if (r != -ENOENT && r != -ENODEV && r != -ENOTCONN)
        remote_peers_unread(peers, attribute, r);
    return g_strdup("");
}

/* The address that is connected to, else the one that was configured (drivers/scsi/scsi_transport_iscsi.c);
 * both read "<NULL>" or nothing before there is one. */
static void add_iscsi(RemotePeers *peers, int root_fd, const char *path, const char *name)
{
    g_autofree char *address = read_attribute(root_fd, peers, path, "address");
    g_autofree char *configured = read_attribute(root_fd, peers, path, "persistent_address");
    g_autofree char *use = g_strdup_printf("the iSCSI connection %s", name);
    IpAddress parsed;

    if (!ip_address_parse(address, &parsed) && *configured && *configured != '<')
        remote_peers_add(peers, configured, use, NULL);
    else if (*address && *address != '<')
        remote_peers_add(peers, address, use, NULL);
}

/* "traddr=192.0.2.1,trsvcid=4420,host_iface=eth0" (drivers/nvme/host/fabrics.c, nvmf_get_address()). */
static char *find_option(const char *options, const char *key)
{
    g_auto(GStrv) words = g_strsplit(options, ",", -1);
    size_t n = strlen(key);

    for (char **word = words; *word; word++)
        if (strncmp(*word, key, n) == 0 && (*word)[n] == '=')
            return g_strdup(*word + n + 1);
    return NULL;
}

static void add_nvme(RemotePeers *peers, int root_fd, const char *path, const char *name)
{
    g_autofree char *transport = read_attribute(root_fd, peers, path, "transport");
    g_autofree char *options = NULL, *address = NULL, *use = NULL;

    if (strcmp(transport, "tcp") != 0 && strcmp(transport, "rdma") != 0)
        return;
    options = read_attribute(root_fd, peers, path, "address");
    address = find_option(options, "traddr");
    use = g_strdup_printf("the NVMe controller %s", name);
    if (*options)
        remote_peers_add(peers, address ?: "", use, NULL);
}

static void add_class(RemotePeers *peers, int root_fd, const char *class,
                      void (*add)(RemotePeers *, int, const char *, const char *))
{
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, class, &names);
    if (r < 0 && r != -ENOENT)
        remote_peers_unread(peers, class, r);
    for (char **name = names; name && *name; name++) {
        g_autofree char *path = g_strdup_printf("%s/%s", class, *name);

        add(peers, root_fd, path, *name);
    }
}

void remote_storage_read(int root_fd, const MountTable *mounts, RemotePeers *peers)
{
    if (mounts)
        add_mounts(peers, mounts);
    add_class(peers, root_fd, "sys/class/iscsi_connection", add_iscsi);
    add_class(peers, root_fd, "sys/class/nvme", add_nvme);
}
