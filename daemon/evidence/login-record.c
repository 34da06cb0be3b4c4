/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmp.h>

#include "cleanup.h"
#include "ip-address.h"
#include "login-record.h"
#include "sysfs.h"

#define SESSIONS "run/systemd/sessions"

static void login_record_free(LoginRecord *record)
{
    g_free(record->user);
    g_free(record->host);
    g_free(record);
}

static void add_record(GPtrArray *records, const char *user, const char *host, pid_t leader)
{
    LoginRecord *record = g_new0(LoginRecord, 1);

    *record = (LoginRecord){ .user = g_strdup(user), .host = g_strdup(host), .leader = leader };
    g_ptr_array_add(records, record);
}

/* The value of KEY in lines KEY=VALUE, or NULL. */
static const char *find_value(char *const *lines, const char *key)
{
    size_t n = strlen(key);

    for (; *lines; lines++)
        if (strncmp(*lines, key, n) == 0 && (*lines)[n] == '=')
            return *lines + n + 1;
    return NULL;
}

/* What logind keeps of a session (src/login/logind-session.c, session_save()). One that is closing has
 * ended; processes that it left behind keep it. */
static void take_session(const char *text, GPtrArray *records)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *leader = find_value(lines, "LEADER");

    if (g_strcmp0(find_value(lines, "REMOTE"), "1") != 0 ||
        g_strcmp0(find_value(lines, "STATE"), "closing") == 0)
        return;
    add_record(records, find_value(lines, "USER") ?: "", find_value(lines, "REMOTE_HOST") ?: "",
               leader ? (pid_t) strtol(leader, NULL, 10) : 0);
}

/* A session that ended while we looked is none. "3.ref" is a fifo. */
static int read_sessions(int root_fd, GPtrArray *records)
{
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, SESSIONS, &names);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (char **name = names; *name; name++) {
        g_autofree char *path = g_strdup_printf(SESSIONS "/%s", *name), *text = NULL;

        if (strchr(*name, '.'))
            continue;
        r = sysfs_read(root_fd, path, &text);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r >= 0)
            take_session(text, records);
    }
    return 0;
}

static bool is_alive(int root_fd, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("proc/%d", (int) pid);

    return pid > 0 && faccessat(root_fd, path, F_OK, 0) >= 0;
}

/* Who draws on a local display or works in a terminal multiplexer has ":0", "tmux(812).%0" there. */
static bool is_host_name(const char *text)
{
    return *text && text[strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-_")] == '\0';
}

/* The host of a record: its address, else what stands first in its name ("192.0.2.1 via mosh [812]",
 * "192.0.2.1:S.0" of screen). Returns NULL for a local login. */
static char *remote_host(const struct utmp *record)
{
    static const int32_t none[4];
    g_autofree char *host = g_strndup(record->ut_host, sizeof(record->ut_host)), *window = NULL;
    char text[INET6_ADDRSTRLEN];
    IpAddress address;

    if (memcmp(record->ut_addr_v6, none, sizeof(none)) != 0) {
        bool is_ipv4 = memcmp(record->ut_addr_v6 + 1, none, 3 * sizeof(int32_t)) == 0;

        (void) ip_address_set(is_ipv4 ? AF_INET : AF_INET6, record->ut_addr_v6, &address);
        ip_address_format(&address, text);
        return g_strdup(text);
    }
    host[strcspn(host, " \t")] = '\0';
    window = strstr(host, ":S.") ? g_strndup(host, (size_t) (strstr(host, ":S.") - host)) : g_strdup(host);
    if (ip_address_parse(window, &address) || is_host_name(window))
        return g_steal_pointer(&window);
    return NULL;
}

static void take_record(int root_fd, const struct utmp *record, GPtrArray *records)
{
    g_autofree char *user = NULL, *host = NULL;

    if (record->ut_type != USER_PROCESS || !is_alive(root_fd, record->ut_pid))
        return;
    host = remote_host(record);
    user = g_strndup(record->ut_user, sizeof(record->ut_user));
    if (host)
        add_record(records, user, host, record->ut_pid);
}

/* Records are whole; the file may grow while we read. */
static int read_utmp(int root_fd, GPtrArray *records)
{
    _cleanup_close_ int fd = openat(root_fd, "run/utmp", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct utmp record;
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    while ((n = read(fd, &record, sizeof(record))) == sizeof(record))
        take_record(root_fd, &record, records);
    return n < 0 ? -errno : 0;
}

int login_records_read(int root_fd, GPtrArray **ret)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify) login_record_free);
    int r;

    r = read_sessions(root_fd, records);
    if (r >= 0)
        r = read_utmp(root_fd, records);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&records);
    return 0;
}
