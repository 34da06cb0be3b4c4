/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct Control {
    int fd;
    FILE *answers;              /* reads from FD, and owns it */
};

int control_new(const char *path, Control **ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    (void) strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
        r = -errno;
        (void) close(fd);
        return r;
    }
    *ret = g_new0(Control, 1);
    (*ret)->fd = fd;
    (*ret)->answers = fdopen(fd, "re");
    return 0;
}

Control *control_free(Control *control)
{
    if (!control)
        return NULL;
    (void) fclose(control->answers);
    g_free(control);
    return NULL;
}

static int errno_of(const char *name)
{
    for (int error = 1; error < 134; error++)
        if (g_strcmp0(strerrorname_np(error), name) == 0)
            return -error;
    return -EIO;
}

static int read_line(Control *control, char **ret)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, control->answers);

    if (length < 0) {
        free(line);
        return -EIO;
    }
    line[strcspn(line, "\n")] = '\0';
    *ret = line;
    return 0;
}

static int read_answer(Control *control, char ***ret_lines)
{
    g_autofree char *head = NULL;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free);
    g_auto(GStrv) words = NULL;
    int r;

    r = read_line(control, &head);
    if (r < 0)
        return r;
    words = g_strsplit(head, " ", 3);
    if (g_strcmp0(words[0], "ok") != 0)
        return errno_of(words[0] ? words[1] : NULL);
    for (int i = atoi(words[1]); i > 0; i--) {
        char *line;

        r = read_line(control, &line);
        if (r < 0)
            return r;
        g_ptr_array_add(lines, line);
    }
    g_ptr_array_add(lines, NULL);
    if (ret_lines)
        *ret_lines = g_strdupv((char **) lines->pdata);
    return 0;
}

int control_call(Control *control, char ***ret_lines, const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (dprintf(control->fd, "%s\n", line) < 0)
        return -EIO;
    return read_answer(control, ret_lines);
}

static void operation_free(gpointer data)
{
    Operation *operation = data;

    g_free(operation->name);
    g_free(operation->path);
    g_free(operation->result);
    g_free(operation->bytes);
    g_free(operation);
}

int control_log(Control *control, GPtrArray **ret)
{
    g_auto(GStrv) lines = NULL;
    GPtrArray *log;
    int r;

    r = control_call(control, &lines, "log");
    if (r < 0)
        return r;
    log = g_ptr_array_new_with_free_func(operation_free);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, "\t", 6);
        Operation *operation = g_new0(Operation, 1);

        operation->number = strtoul(parts[0], NULL, 10);
        operation->pid = atoi(parts[1]);
        operation->name = g_strdup(parts[2]);
        operation->path = g_strcompress(parts[3]);
        operation->result = g_strdup(parts[4]);
        operation->bytes = g_strcompress(parts[5]);
        g_ptr_array_add(log, operation);
    }
    *ret = log;
    return 0;
}

int control_count(Control *control, const char *arguments)
{
    g_auto(GStrv) lines = NULL;
    int r = control_call(control, &lines, "count %s", arguments);

    return r < 0 ? r : atoi(lines[0]);
}

char *control_cat(Control *control, const char *path)
{
    g_auto(GStrv) lines = NULL;

    if (control_call(control, &lines, "cat '%s'", path) < 0)
        return NULL;
    return g_strjoinv("\n", lines);
}
