/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control-server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "fault.h"

struct ControlServer {
    Machine *machine;
    char *path;
    sd_event_source *listener;
    sd_event_source *after;     /* looks, after each event, whether somebody has waited for it */
    GPtrArray *clients;
};

typedef struct Client {
    ControlServer *server;
    int fd;
    sd_event_source *source;
    GString *input;
    char *waits_for;            /* rule */
    bool for_block;             /* until it has blocked; else until it has acted */
    char *path;                 /* waits for this node */
    bool present;               /* to be there; else to be gone */
} Client;

static void client_free(gpointer data)
{
    Client *client = data;

    (void) sd_event_source_disable_unref(client->source);
    (void) close(client->fd);
    g_string_free(client->input, TRUE);
    g_free(client->waits_for);
    g_free(client->path);
    g_free(client);
}

/* A client that does not read its answer loses it; the fake kernel does not wait. */
static void answer(Client *client, int result, const GPtrArray *lines)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (result < 0)
        g_string_printf(text, "error %s %s\n", errno_to_name(-result), strerror(-result));
    else {
        g_string_printf(text, "ok %u\n", lines ? lines->len : 0);
        for (guint i = 0; lines && i < lines->len; i++)
            g_string_append_printf(text, "%s\n", (char *) g_ptr_array_index(lines, i));
    }
    for (size_t sent = 0; sent < text->len;) {
        ssize_t n = send(client->fd, text->str + sent, text->len - sent, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        sent += n;
    }
}

static void on_rule(const char *name, bool blocked, void *data)
{
    ControlServer *server = data;

    for (guint i = 0; i < server->clients->len; i++) {
        Client *client = g_ptr_array_index(server->clients, i);

        if (g_strcmp0(client->waits_for, name) != 0 || client->for_block != blocked)
            continue;
        g_clear_pointer(&client->waits_for, g_free);
        answer(client, 0, NULL);
    }
}

static int on_event_done(sd_event_source *source, void *data)
{
    ControlServer *server = data;

    for (guint i = 0; i < server->clients->len; i++) {
        Client *client = g_ptr_array_index(server->clients, i);

        if (!client->path || (tree_find(server->machine->tree, client->path) != NULL) != client->present)
            continue;
        g_clear_pointer(&client->path, g_free);
        answer(client, 0, NULL);
    }
    return 0;
}

/* wait-blocked and wait-fired: true if LINE is one and the answer comes later. */
static bool wait_for_rule(Client *client, const char *line)
{
    g_auto(GStrv) words = NULL;
    const Rule *rule;

    if (!g_shell_parse_argv(line, NULL, &words, NULL) || g_strv_length(words) != 2
        || !g_str_has_prefix(words[0], "wait-"))
        return false;
    rule = faults_rule(client->server->machine->faults, words[1]);
    if (!rule)
        return false;
    client->for_block = g_str_equal(words[0], "wait-blocked");
    if (client->for_block ? rule->blocked.length > 0 : rule->fired > 0)
        answer(client, 0, NULL);
    else
        client->waits_for = g_strdup(rule->name);
    return true;
}

/* wait-path and wait-no-path: likewise. */
static bool wait_for_path(Client *client, const char *line)
{
    g_auto(GStrv) words = NULL;

    if (!g_shell_parse_argv(line, NULL, &words, NULL) || g_strv_length(words) != 2)
        return false;
    if (!g_str_equal(words[0], "wait-path") && !g_str_equal(words[0], "wait-no-path"))
        return false;
    client->path = g_strdup(words[1]);
    client->present = g_str_equal(words[0], "wait-path");
    return true;
}

static void handle_line(Client *client, const char *line)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    if (!wait_for_rule(client, line) && !wait_for_path(client, line))
        answer(client, command_run(client->server->machine, line, lines), lines);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *data)
{
    Client *client = data;
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        (void) g_ptr_array_remove(client->server->clients, client);
        return 0;
    }
    g_string_append_len(client->input, buffer, n);
    while ((end = strchr(client->input->str, '\n'))) {
        g_autofree char *line = g_strndup(client->input->str, end - client->input->str);

        g_string_erase(client->input, 0, end - client->input->str + 1);
        handle_line(client, line);
    }
    return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *data)
{
    ControlServer *server = data;
    int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    Client *client;

    if (client_fd < 0)
        return 0;
    client = g_new0(Client, 1);
    client->server = server;
    client->fd = client_fd;
    client->input = g_string_new(NULL);
    g_ptr_array_add(server->clients, client);
    return sd_event_add_io(server->machine->event, &client->source, client_fd, EPOLLIN, on_input, client);
}

int control_server_new(Machine *machine, const char *path, ControlServer **ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ControlServer *server;
    int fd, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    (void) strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 64) < 0) {
        r = -errno;
        (void) close(fd);
        return r;
    }
    server = g_new0(ControlServer, 1);
    server->machine = machine;
    server->path = g_strdup(path);
    server->clients = g_ptr_array_new_with_free_func(client_free);
    r = sd_event_add_io(machine->event, &server->listener, fd, EPOLLIN, on_connect, server);
    if (r < 0)
        return r;
    (void) sd_event_source_set_io_fd_own(server->listener, true);
    r = sd_event_add_post(machine->event, &server->after, on_event_done, server);
    if (r < 0)
        return r;
    faults_set_callback(machine->faults, on_rule, server);
    *ret = server;
    return 0;
}

ControlServer *control_server_free(ControlServer *server)
{
    if (!server)
        return NULL;
    faults_set_callback(server->machine->faults, NULL, NULL);
    (void) sd_event_source_disable_unref(server->listener);
    (void) sd_event_source_disable_unref(server->after);
    g_ptr_array_unref(server->clients);
    (void) unlink(server->path);
    g_free(server->path);
    g_free(server);
    return NULL;
}
