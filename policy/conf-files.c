/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "diagnostic.h"
#include "full-io.h"
#include "plain-text.h"

/* One name in one directory, before it is opened. */
typedef struct Candidate {
    char *name;
    unsigned directory;
} Candidate;

static void candidate_free(void *p)
{
    Candidate *candidate = p;

    g_free(candidate->name);
    g_free(candidate);
}

void conf_file_free(ConfFile *file)
{
    if (!file)
        return;
    g_free(file->path);
    g_clear_pointer(&file->content, g_bytes_unref);
    g_free(file);
}

const char *conf_file_name(const ConfFile *file)
{
    const char *slash = strrchr(file->path, '/');

    return slash ? slash + 1 : file->path;
}

static bool is_own_root(int root_fd)
{
    struct stat own, given;

    return stat("/", &own) >= 0 && fstat(root_fd, &given) >= 0 && own.st_dev == given.st_dev &&
           own.st_ino == given.st_ino;
}

/*
 * Opens PATH as if ROOT_FD were the root: absolute links stay below it, too. openat2(2), Linux 5.6.
 *
 * systemd's RestrictSUIDSGID= makes openat2() fail with ENOSYS, as a filter cannot look into its structure
 * (src/shared/seccomp-util.c). Below our own root a plain openat() resolves links the same way.
 */
static int open_below(int root_fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT,
    };
    int fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);

    if (fd < 0 && errno == ENOSYS && is_own_root(root_fd))
        fd = openat(root_fd, path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static uid_t owner_of_root(int root_fd)
{
    struct stat st;

    return fstat(root_fd, &st) < 0 ? 0 : st.st_uid;
}

/* Why nobody should believe what ST is the stat of; NULL if all is well. */
static const char *judge_ownership(const struct stat *st, uid_t root_owner)
{
    if (st->st_uid != 0 && st->st_uid != root_owner)
        return "is not owned by root";
    if (st->st_mode & S_IWOTH)
        return "can be written by everybody";
    if (st->st_mode & S_IWGRP)
        return "can be written by its group";
    return NULL;
}

/* A name that goes to the journal and to the bus must be text. */
static void G_GNUC_PRINTF(3, 4) refuse(GPtrArray *diagnostics, const char *path, const char *format, ...)
{
    g_autofree char *text = NULL, *name = bus_text(path);
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, name, 0, 0, "%s", text);
}

/* Reads what FD is open on, up to one byte more than a file may have. */
static int read_whole(int fd, GBytes **ret)
{
    g_autofree char *buffer = g_malloc(CONF_FILE_MAX_SIZE + 1);
    ssize_t n = read_full(fd, buffer, CONF_FILE_MAX_SIZE + 1);

    if (n < 0)
        return (int) n;
    *ret = g_bytes_new(buffer, (size_t) n);
    return 0;
}

/* Reads the opened FD, judged by ROOT_OWNER unless ANY_OWNER. Says what is wrong and returns NULL if it is
 * refused. */
static ConfFile *read_judged(int fd, const char *path, uid_t root_owner, bool any_owner,
                             GPtrArray *diagnostics)
{
    g_autoptr(ConfFile) file = g_new0(ConfFile, 1);
    const char *objection;
    struct stat st;
    int r;

    file->path = g_strdup(path);
    if (fstat(fd, &st) < 0) {
        refuse(diagnostics, path, "cannot be judged: %s", g_strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        refuse(diagnostics, path, "not a regular file");
        return NULL;
    }
    objection = any_owner ? NULL : judge_ownership(&st, root_owner);
    if (objection) {
        refuse(diagnostics, path, "%s: it could say what root did not", objection);
        return NULL;
    }

    r = st.st_size > CONF_FILE_MAX_SIZE ? 0 : read_whole(fd, &file->content);
    if (r < 0)
        refuse(diagnostics, path, "cannot be read: %s", g_strerror(-r));
    else if (!file->content || g_bytes_get_size(file->content) > CONF_FILE_MAX_SIZE)
        refuse(diagnostics, path, "larger than %d KiB: this is not a rule file", CONF_FILE_MAX_SIZE / 1024);
    else if (g_bytes_get_size(file->content) == 0)
        refuse(diagnostics, path, "empty file: to mask a rule, link its name to /dev/null");
    else
        return g_steal_pointer(&file);
    return NULL;
}

/* The directories of one search, each opened once. */
typedef struct Search {
    int root_fd;
    uid_t root_owner;
    const char *const *directories;
    int *fds; /* -EBADF for one that does not exist or is refused */
    unsigned n;
} Search;

static void search_done(Search *search)
{
    for (unsigned i = 0; i < search->n; i++)
        safe_close(search->fds[i]);
    g_free(search->fds);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_done)

/* DIAGNOSTICS may be NULL. */
static int open_directories(Search *search, GPtrArray *diagnostics)
{
    for (unsigned i = 0; i < search->n; i++) {
        const char *objection;
        struct stat st;
        int fd = open_below(search->root_fd, search->directories[i], O_RDONLY | O_DIRECTORY | O_NONBLOCK);

        if (fd == -ENOENT)
            continue;
        if (fd < 0)
            return fd;
        search->fds[i] = fd;
        if (fstat(fd, &st) < 0)
            return -errno;
        objection = judge_ownership(&st, search->root_owner);
        if (!objection)
            continue;

        search->fds[i] = safe_close(fd);
        if (diagnostics) {
            g_autofree char *path = g_strconcat("/", search->directories[i], NULL);

            refuse(diagnostics, path, "the directory %s: no file in it is read", objection);
        }
    }
    return 0;
}

static void search_init(Search *search, int root_fd, const char *const *directories)
{
    *search = (Search){
        .root_fd = root_fd,
        .root_owner = owner_of_root(root_fd),
        .directories = directories,
        .n = g_strv_length((char **) directories),
    };
    search->fds = g_new(int, search->n);
    for (unsigned i = 0; i < search->n; i++)
        search->fds[i] = -EBADF;
}

static bool is_conf_name(const char *name)
{
    return name[0] != '.' && g_str_has_suffix(name, ".conf");
}

/* Adds the names of directory I to CANDIDATES, but for those in SEEN. */
static int list_directory(const Search *search, unsigned i, GHashTable *seen, GPtrArray *candidates)
{
    _cleanup_close_ int fd = -EBADF;
    g_autoptr(DIR) dir = NULL;
    struct dirent *entry;

    /* A descriptor of its own, because the stream takes it over and moves its offset. */
    fd = openat(search->fds[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    dir = fdopendir(fd);
    if (!dir)
        return -errno;
    (void) TAKE_FD(fd);

    while (errno = 0, (entry = readdir(dir))) {
        Candidate *candidate;

        if (!is_conf_name(entry->d_name) || g_hash_table_contains(seen, entry->d_name))
            continue;
        candidate = g_new(Candidate, 1);
        *candidate = (Candidate){.name = g_strdup(entry->d_name), .directory = i};
        g_ptr_array_add(candidates, candidate);
        g_hash_table_add(seen, candidate->name);
    }
    return -errno;
}

static int compare_candidates(gconstpointer a, gconstpointer b)
{
    const Candidate *x = *(Candidate *const *) a, *y = *(Candidate *const *) b;

    return strcmp(x->name, y->name);
}

static int list_candidates(const Search *search, GPtrArray **ret)
{
    g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func(candidate_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned i = 0; i < search->n; i++) {
        int r = search->fds[i] < 0 ? 0 : list_directory(search, i, seen, candidates);

        if (r < 0)
            return r;
    }
    g_ptr_array_sort(candidates, compare_candidates);
    *ret = g_steal_pointer(&candidates);
    return 0;
}

static char *candidate_path(const Search *search, const Candidate *candidate)
{
    return g_strconcat("/", search->directories[candidate->directory], "/", candidate->name, NULL);
}

/* In a tree that stands for another root there may be no /dev at all: the text of the link says it, too. */
static bool is_mask(const Search *search, const Candidate *candidate, const char *path)
{
    g_autofree char *target = g_malloc0(sizeof "/dev/null" + 1);
    _cleanup_close_ int fd = -EBADF;
    struct stat st;
    ssize_t n = readlinkat(search->fds[candidate->directory], candidate->name, target, sizeof "/dev/null");

    if (n < 0)
        return false;
    if (g_str_equal(target, "/dev/null"))
        return true;

    fd = open_below(search->root_fd, path + 1, O_PATH);
    return fd >= 0 && fstat(fd, &st) >= 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* Returns the opened file, -ENOENT if it is gone or a mask, or another -errno. */
static int open_candidate(const Search *search, const Candidate *candidate, const char *path)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(search->fds[candidate->directory], candidate->name, flags | O_NOFOLLOW);

    if (fd >= 0)
        return fd;
    if (errno != ELOOP)
        return -errno;
    if (is_mask(search, candidate, path))
        return -ENOENT;
    fd = open_below(search->root_fd, path + 1, flags);
    return fd == -ENOENT ? -ENOLINK : fd;
}

static ConfFile *read_candidate(const Search *search, const Candidate *candidate, GPtrArray *diagnostics)
{
    g_autofree char *path = candidate_path(search, candidate), *shown = bus_text(path);
    _cleanup_close_ int fd = -EBADF;

    if (!g_str_equal(path, shown)) {
        refuse(diagnostics, path, "the name of the file is no text in UTF-8");
        return NULL;
    }
    fd = open_candidate(search, candidate, path);
    if (fd >= 0)
        return read_judged(fd, path, search->root_owner, false, diagnostics);

    if (fd == -ENOLINK)
        refuse(diagnostics, path, "a link that leads nowhere: to mask a rule, link its name to /dev/null");
    else if (fd == -ENXIO)
        refuse(diagnostics, path, "not a regular file");
    else if (fd != -ENOENT)
        refuse(diagnostics, path, "cannot be opened: %s", g_strerror(-fd));
    return NULL;
}

int conf_files_read(int root_fd, const char *const *directories, GPtrArray *diagnostics, GPtrArray **ret)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify) conf_file_free);
    g_autoptr(GPtrArray) candidates = NULL;
    g_auto(Search) search;
    int r;

    search_init(&search, root_fd, directories);
    r = open_directories(&search, diagnostics);
    if (r >= 0)
        r = list_candidates(&search, &candidates);
    if (r < 0)
        return r;

    for (unsigned i = 0; i < candidates->len && i < CONF_FILES_MAX; i++) {
        ConfFile *file = read_candidate(&search, candidates->pdata[i], diagnostics);

        if (file)
            g_ptr_array_add(files, file);
    }
    if (candidates->len > CONF_FILES_MAX) {
        g_autofree char *path = candidate_path(&search, candidates->pdata[CONF_FILES_MAX]);

        refuse(diagnostics, path, "more than %d files: neither this one nor the %u after it are read",
               CONF_FILES_MAX, candidates->len - CONF_FILES_MAX - 1);
    }
    *ret = g_steal_pointer(&files);
    return 0;
}

ConfFile *conf_file_read_named(int root_fd, const char *path, GPtrArray *diagnostics)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    _cleanup_close_ int fd = -EBADF;

    if (path[0] == '/')
        fd = open_below(root_fd, path + strspn(path, "/"), flags);
    else {
        fd = openat(AT_FDCWD, path, flags);
        if (fd < 0)
            fd = -errno;
    }
    if (fd < 0) {
        refuse(diagnostics, path, "cannot be opened: %s", g_strerror(-fd));
        return NULL;
    }
    return read_judged(fd, path, 0, true, diagnostics);
}

static void append_stat(GString *text, const struct stat *st)
{
    g_string_append_printf(text, " %ju:%ju %ju %o %ju %jd.%09ld %jd.%09ld", (uintmax_t) st->st_dev,
                           (uintmax_t) st->st_ino, (uintmax_t) st->st_uid, st->st_mode,
                           (uintmax_t) st->st_size, (intmax_t) st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                           (intmax_t) st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static void append_candidate(GString *text, const Search *search, const Candidate *candidate)
{
    g_autofree char *path = candidate_path(search, candidate);
    _cleanup_close_ int target = -EBADF;
    struct stat st = {0};

    g_string_append(text, path);
    if (fstatat(search->fds[candidate->directory], candidate->name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
        append_stat(text, &st);
    if (S_ISLNK(st.st_mode)) {
        target = open_below(search->root_fd, path + 1, O_PATH);
        if (target >= 0 && fstat(target, &st) >= 0)
            append_stat(text, &st);
    }
    g_string_append_c(text, '\n');
}

/* Of a directory itself only who may write it counts: its times change with every file of an editor. */
static void append_directory(GString *text, const Search *search, unsigned i)
{
    struct stat st;

    if (search->fds[i] >= 0 && fstat(search->fds[i], &st) >= 0)
        g_string_append_printf(text, "%s %ju %o\n", search->directories[i], (uintmax_t) st.st_uid,
                               st.st_mode);
}

char *conf_files_fingerprint(int root_fd, const char *const *directories)
{
    g_autoptr(GPtrArray) candidates = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(Search) search;

    search_init(&search, root_fd, directories);
    if (open_directories(&search, NULL) < 0 || list_candidates(&search, &candidates) < 0)
        return NULL;
    for (unsigned i = 0; i < search.n; i++)
        append_directory(text, &search, i);
    for (unsigned i = 0; i < candidates->len; i++)
        append_candidate(text, &search, candidates->pdata[i]);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text->str, text->len);
}
