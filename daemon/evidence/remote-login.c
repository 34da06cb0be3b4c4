/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "login-record.h"
#include "process.h"
#include "remote-peer.h"
#include "sysfs.h"
#include "tcp-connections.h"

/* Processes that serve one remote login each. */
static const char *const servers[] = { "dropbear", "in.rlogind", "in.telnetd", "sshd",
                                       "sshd-session", "telnetd",    "xrdp",       NULL };

/*
 * OpenSSH serves everybody who connects, so strangers too; who has been let in shows in the title, "sshd:
 * alice@pts/0" (session.c, do_authenticated()). The others have no title to look at.
 */
static bool is_let_in(int proc_fd, const char *pid, const char *command)
{
    g_autofree char *path = g_strdup_printf("%s/cmdline", pid);
    _cleanup_close_ int fd = -EBADF;
    char title[256];
    ssize_t n;

    if (!g_str_has_prefix(command, "sshd"))
        return true;
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    n = fd < 0 ? -1 : read(fd, title, sizeof(title));
    return n < 0 || memchr(title, '@', (size_t) n);
}

static GArray *find_servers(int root_fd, RemotePeers *peers)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    _cleanup_close_ int proc_fd = sysfs_open_dir(root_fd, "proc");
    g_auto(GStrv) names = NULL;
    int r;

    r = proc_fd < 0 ? proc_fd : process_names(proc_fd, &names);
    if (r < 0) {
        remote_peers_unread(peers, "/proc", r);
        return pids;
    }
    for (char **name = names; *name; name++) {
        g_autofree char *path = g_strdup_printf("%s/comm", *name), *command = NULL;
        pid_t pid = (pid_t) strtol(*name, NULL, 10);

        if (sysfs_read(proc_fd, path, &command) < 0 || !g_strv_contains(servers, command) ||
            !is_let_in(proc_fd, *name, command))
            continue;
        g_array_append_val(pids, pid);
    }
    return pids;
}

/* A record's own connection says more than the record: the address, where that has a name, and the way. */
static void add_record(RemotePeers *peers, int root_fd, const GArray *connections, const LoginRecord *record)
{
    IpAddress address;

    if (connections && record->leader > 0 &&
        remote_peers_add_login(peers, root_fd, connections, record->leader, record->user) > 0)
        return;
    if (ip_address_parse(record->host, &address) && ip_address_is_own(&address))
        return;
    remote_peers_add(peers, record->host, "a remote login", record->user);
}

void remote_logins_read(int root_fd, RemotePeers *peers)
{
    g_autoptr(GArray) pids = find_servers(root_fd, peers), connections = NULL;
    g_autoptr(GPtrArray) records = NULL;
    int r;

    r = login_records_read(root_fd, &records);
    if (r < 0)
        remote_peers_unread(peers, "/run/systemd/sessions or /run/utmp", r);
    if (pids->len == 0 && (!records || records->len == 0))
        return;
    r = tcp_connections_read(&connections);
    if (r < 0 && pids->len > 0)
        remote_peers_unread(peers, "sock_diag", r);
    for (unsigned i = 0; records && i < records->len; i++)
        add_record(peers, root_fd, connections, g_ptr_array_index(records, i));
    for (unsigned i = 0; connections && i < pids->len; i++) {
        pid_t pid = g_array_index(pids, pid_t, i);
        g_autofree char *who = g_strdup_printf("pid %d", (int) pid);

        (void) remote_peers_add_login(peers, root_fd, connections, pid, who);
    }
}
