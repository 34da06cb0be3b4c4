/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int uevent_open(Machine *machine)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0)
        return -errno;
    machine->event_fd = fd;
    return 0;
}

static void append(GString *message, const char *text)
{
    g_string_append_len(message, text, strlen(text) + 1);
}

void uevent_send(Machine *machine, const char *action, const Node *node, const char *subsystem,
                 const char *properties)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    g_autofree char *path = node_path(node), *head = NULL, *action_line = NULL, *devpath = NULL, *sub = NULL;
    g_auto(GStrv) lines = g_strsplit(properties ?: "", "\n", -1);
    g_autoptr(GString) message = g_string_new(NULL);
    const char *device = g_str_has_prefix(path, "sys/") ? path + 3 : path;
    struct nlmsghdr header = {.nlmsg_type = NLMSG_MIN_TYPE, .nlmsg_flags = NLM_F_REQUEST};

    if (machine->event_fd < 0)
        return;
    append(message, head = g_strdup_printf("%s@%s", action, device));
    append(message, action_line = g_strdup_printf("ACTION=%s", action));
    append(message, devpath = g_strdup_printf("DEVPATH=%s", device));
    append(message, sub = g_strdup_printf("SUBSYSTEM=%s", subsystem));
    for (char **line = lines; *line; line++)
        if (**line != '\0')
            append(message, *line);

    header.nlmsg_len = sizeof(header) + message->len;
    struct iovec parts[] = {
        {.iov_base = &header, .iov_len = sizeof(header)},
        {.iov_base = message->str, .iov_len = message->len},
    };
    struct msghdr packet = {
        .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = parts, .msg_iovlen = 2,
    };
    if (sendmsg(machine->event_fd, &packet, 0) < 0)
        fprintf(stderr, "fake-kernel: event %s: %m\n", head);
}

int uevent_synthesize(Machine *machine, const char *value, const Node *node, const char *subsystem,
                      const char *properties)
{
    static const char *const actions[] = {
        "add", "remove", "change", "move", "online", "offline", "bind", "unbind", NULL,
    };
    g_auto(GStrv) words = g_strsplit_set(value, " \n", -1);
    g_autofree char *text = NULL;

    if (!words[0] || !g_strv_contains(actions, words[0]))
        return -EINVAL;
    text = g_strdup_printf("%sSYNTH_UUID=%s\n", properties, words[1] && *words[1] ? words[1] : "0");
    uevent_send(machine, words[0], node, subsystem, text);
    return 0;
}
