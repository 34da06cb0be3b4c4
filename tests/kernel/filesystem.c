/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fault.h"
#include "request.h"

/* linux/fuse.h of Debian 12 has it not; write of one caller does not wait for that of another (as in
 * sysfs). */
#ifndef FOPEN_PARALLEL_DIRECT_WRITES
#define FOPEN_PARALLEL_DIRECT_WRITES (1 << 6)
#endif

struct Filesystem {
    Machine *machine;
    struct fuse_session *session;
    sd_event_source *source;
    struct fuse_buf buffer;
    GHashTable *handles;        /* Handle: what is open */
};

/* An open file or directory. */
typedef struct Handle {
    GString *text;              /* what the attribute read when it was read from the start */
    GPtrArray *names;           /* of a directory */
} Handle;

static Machine *machine_of(fuse_req_t fuse)
{
    const Filesystem *filesystem = fuse_req_userdata(fuse);

    return filesystem->machine;
}

static Node *node_of(fuse_req_t fuse, fuse_ino_t number)
{
    return tree_get(machine_of(fuse)->tree, number);
}

static bool in_sysfs(const Node *node)
{
    if (node->removed)
        return g_str_has_prefix(node->last_path, "sys/");
    for (; node->parent; node = node->parent)
        if (!node->parent->parent)
            return g_str_equal(node->name, "sys");
    return false;
}

static void fill_stat(const Node *node, struct stat *ret)
{
    *ret = (struct stat){
        .st_ino = node->number,
        .st_mode = node->mode,
        .st_nlink = S_ISDIR(node->mode) ? 2 : 1,
        .st_uid = node->uid,
        .st_gid = node->gid,
        .st_rdev = node->device_number,
        .st_size = node_size(node),
        .st_blksize = 4096,
        .st_mtim = node->modified,
        .st_ctim = node->modified,
        .st_atim = node->modified,
    };
}

static struct fuse_entry_param entry_of(Node *node)
{
    struct fuse_entry_param entry = {.ino = node->number};

    fill_stat(node, &entry.attr);
    node->lookups++;
    return entry;
}

static void reply_entry(fuse_req_t fuse, Node *node)
{
    struct fuse_entry_param entry = entry_of(node);

    if (fuse_reply_entry(fuse, &entry) < 0)
        node->lookups--;
}

static Request *request_new(fuse_req_t fuse, RequestKind kind, Node *node, const char *name)
{
    const struct fuse_ctx *context = fuse_req_ctx(fuse);
    Request *request = g_new0(Request, 1);

    request->machine = machine_of(fuse);
    request->kind = kind;
    request->fuse = fuse;
    request->pid = context->pid;
    request->uid = context->uid;
    request->gid = context->gid;
    request->node = node;
    request->name = g_strdup(name);
    return request;
}

static void reply_error(Request *request, int result)
{
    (void) fuse_reply_err(request->fuse, -result);
}

static void on_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    Node *directory = node_of(fuse, parent), *node = directory ? node_child(directory, name) : NULL;

    if (!node)
        (void) fuse_reply_err(fuse, ENOENT);
    else
        reply_entry(fuse, node);
}

static void forget(Machine *machine, fuse_ino_t number, uint64_t count)
{
    Node *node = tree_get(machine->tree, number);

    if (!node)
        return;
    node->lookups -= MIN(count, node->lookups);
    tree_release(machine->tree, node);
}

static void on_forget(fuse_req_t fuse, fuse_ino_t number, uint64_t count)
{
    forget(machine_of(fuse), number, count);
    fuse_reply_none(fuse);
}

static void on_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        forget(machine_of(fuse), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(fuse);
}

static void reply_attributes(Request *request, int result)
{
    struct stat attributes;

    if (result < 0) {
        reply_error(request, result);
        return;
    }
    fill_stat(request->node, &attributes);
    (void) fuse_reply_attr(request->fuse, &attributes, 0);
}

static void on_getattr(fuse_req_t fuse, fuse_ino_t number, struct fuse_file_info *file)
{
    Node *node = node_of(fuse, number);
    struct stat attributes;

    if (!node) {
        (void) fuse_reply_err(fuse, ENOENT);
        return;
    }
    fill_stat(node, &attributes);
    (void) fuse_reply_attr(fuse, &attributes, 0);
}

static int perform_truncate(Request *request)
{
    if (!request->node->operations)
        g_string_set_size(request->node->text, request->size);
    return 0;
}

static int perform_chmod(Request *request)
{
    Node *node = request->node;

    if (request->flags & FUSE_SET_ATTR_MODE)
        node->mode = (node->mode & S_IFMT) | (request->mode & 07777);
    if (request->flags & FUSE_SET_ATTR_UID)
        node->uid = request->uid;
    if (request->flags & FUSE_SET_ATTR_GID)
        node->gid = request->gid;
    return 0;
}

static void on_setattr(fuse_req_t fuse, fuse_ino_t number, struct stat *wanted, int which,
                       struct fuse_file_info *file)
{
    bool sized = which & FUSE_SET_ATTR_SIZE;
    Node *node = node_of(fuse, number);
    Request *request;

    if (!sized && !(which & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))) {
        on_getattr(fuse, number, file);
        return;
    }
    request = request_new(fuse, sized ? REQUEST_TRUNCATE : REQUEST_CHMOD, node, NULL);
    request->size = wanted->st_size;
    request->flags = which;
    request->mode = wanted->st_mode;
    request->uid = wanted->st_uid;
    request->gid = wanted->st_gid;
    request->perform = sized ? perform_truncate : perform_chmod;
    request->reply = reply_attributes;
    request_submit(request);
}

static int perform_readlink(Request *request)
{
    request->answer = g_string_new(request->node->text->str);
    return 0;
}

static void reply_readlink(Request *request, int result)
{
    if (result < 0)
        reply_error(request, result);
    else
        (void) fuse_reply_readlink(request->fuse, request->answer->str);
}

static void on_readlink(fuse_req_t fuse, fuse_ino_t number)
{
    Request *request = request_new(fuse, REQUEST_READLINK, node_of(fuse, number), NULL);

    request->perform = perform_readlink;
    request->reply = reply_readlink;
    request_submit(request);
}

/* create, mkdir, mknod, symlink: in sysfs nobody makes anything. */
static int perform_make(Request *request)
{
    if (request->node->removed)
        return -ENOENT;
    if (in_sysfs(request->node))
        return request->kind == REQUEST_CREATE ? -EACCES : -EPERM;
    if (node_child(request->node, request->name))
        return -EEXIST;
    request->made = tree_add(request->machine->tree, request->node, request->name, request->mode);
    request->made->uid = request->uid;
    request->made->gid = request->gid;
    if (request->kind == REQUEST_SYMLINK)
        g_string_assign(request->made->text, request->other_name);
    return 0;
}

static void reply_made(Request *request, int result)
{
    if (result < 0)
        reply_error(request, result);
    else
        reply_entry(request->fuse, request->made);
}

static void submit_make(fuse_req_t fuse, RequestKind kind, fuse_ino_t parent, const char *name, mode_t mode,
                        const char *target)
{
    Request *request = request_new(fuse, kind, node_of(fuse, parent), name);

    request->mode = mode;
    request->other_name = g_strdup(target);
    request->perform = perform_make;
    request->reply = reply_made;
    request_submit(request);
}

static void on_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
    submit_make(fuse, REQUEST_MKDIR, parent, name, S_IFDIR | mode, NULL);
}

static void on_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t number)
{
    submit_make(fuse, REQUEST_CREATE, parent, name, mode, NULL);
}

static void on_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
    submit_make(fuse, REQUEST_SYMLINK, parent, name, S_IFLNK | 0777, target);
}

static int perform_remove(Request *request)
{
    Node *node = node_child(request->node, request->name);

    if (!node)
        return -ENOENT;
    if (in_sysfs(request->node))
        return -EPERM;
    if (request->kind == REQUEST_RMDIR && g_hash_table_size(node->children) > 0)
        return -ENOTEMPTY;
    tree_remove(request->machine->tree, node);
    return 0;
}

static void submit_remove(fuse_req_t fuse, RequestKind kind, fuse_ino_t parent, const char *name)
{
    Request *request = request_new(fuse, kind, node_of(fuse, parent), name);

    request->perform = perform_remove;
    request->reply = reply_error;
    request_submit(request);
}

static void on_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    submit_remove(fuse, REQUEST_UNLINK, parent, name);
}

static void on_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    submit_remove(fuse, REQUEST_RMDIR, parent, name);
}

static int perform_rename(Request *request)
{
    Node *node = node_child(request->node, request->name);
    Node *old = node_child(request->other, request->other_name);

    if (!node || request->other->removed)
        return -ENOENT;
    if (in_sysfs(request->node) || in_sysfs(request->other))
        return -EPERM;
    if (request->flags & ~RENAME_NOREPLACE)
        return -EINVAL;
    if (old && (request->flags & RENAME_NOREPLACE))
        return -EEXIST;
    if (old && S_ISDIR(old->mode) && g_hash_table_size(old->children) > 0)
        return -ENOTEMPTY;
    tree_rename(request->machine->tree, node, request->other, request->other_name);
    return 0;
}

static void on_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    Request *request = request_new(fuse, REQUEST_RENAME, node_of(fuse, parent), name);

    request->other = node_of(fuse, new_parent);
    request->other_name = g_strdup(new_name);
    request->flags = flags;
    request->perform = perform_rename;
    request->reply = reply_error;
    request_submit(request);
}

static void handle_destroy(gpointer data)
{
    Handle *handle = data;

    if (handle->text)
        g_string_free(handle->text, TRUE);
    if (handle->names)
        g_ptr_array_unref(handle->names);
    g_free(handle);
}

static Handle *handle_of(const struct fuse_file_info *file)
{
    return (Handle *) (uintptr_t) file->fh;
}

static uint64_t handle_new(Filesystem *filesystem, Node *node)
{
    Handle *handle = g_new0(Handle, 1);

    node->users++;
    (void) g_hash_table_add(filesystem->handles, handle);
    return (uintptr_t) handle;
}

static void handle_free(Filesystem *filesystem, Node *node, const struct fuse_file_info *file)
{
    (void) g_hash_table_remove(filesystem->handles, handle_of(file));
    node->users--;
    tree_release(filesystem->machine->tree, node);
}

static int perform_open(Request *request)
{
    Node *node = request->node;

    /* kernfs_fop_open(): ENODEV once the object has gone. */
    if (node->removed && node->operations)
        return -ENODEV;
    if ((request->file.flags & O_TRUNC) && !node->operations)
        g_string_truncate(node->text, 0);
    return 0;
}

/* The answer to FUSE_OPEN by hand, for a flag that libfuse 3.14 cannot set. */
static void reply_open(Request *request, int result)
{
    struct fuse_open_out out = {.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES};
    Filesystem *filesystem = fuse_req_userdata(request->fuse);

    if (result < 0) {
        reply_error(request, result);
        return;
    }
    out.fh = request->file.fh = handle_new(filesystem, request->node);
    if (fuse_reply_buf(request->fuse, (const char *) &out, sizeof(out)) < 0)
        handle_free(filesystem, request->node, &request->file);
}

static void on_open(fuse_req_t fuse, fuse_ino_t number, struct fuse_file_info *file)
{
    Request *request = request_new(fuse, REQUEST_OPEN, node_of(fuse, number), NULL);

    request->file = *file;
    request->perform = perform_open;
    request->reply = reply_open;
    request_submit(request);
}

static int perform_create(Request *request)
{
    Node *old = node_child(request->node, request->name);

    if (old && (request->file.flags & O_EXCL))
        return -EEXIST;
    if (!old)
        return perform_make(request);
    request->made = old;
    if (request->file.flags & O_TRUNC)
        g_string_truncate(old->text, 0);
    return 0;
}

static void reply_create(Request *request, int result)
{
    Filesystem *filesystem = fuse_req_userdata(request->fuse);
    struct fuse_entry_param entry;

    if (result < 0) {
        reply_error(request, result);
        return;
    }
    entry = entry_of(request->made);
    request->file.fh = handle_new(filesystem, request->made);
    request->file.direct_io = true;
    if (fuse_reply_create(request->fuse, &entry, &request->file) < 0) {
        request->made->lookups--;
        handle_free(filesystem, request->made, &request->file);
    }
}

static void on_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *file)
{
    Request *request = request_new(fuse, REQUEST_CREATE, node_of(fuse, parent), name);

    request->mode = S_IFREG | mode;
    request->file = *file;
    request->perform = perform_create;
    request->reply = reply_create;
    request_submit(request);
}

static void on_release(fuse_req_t fuse, fuse_ino_t number, struct fuse_file_info *file)
{
    handle_free(fuse_req_userdata(fuse), node_of(fuse, number), file);
    (void) fuse_reply_err(fuse, 0);
}

static int perform_read(Request *request)
{
    Node *node = request->node;
    Handle *handle = handle_of(&request->file);
    const GString *text = node->text;
    int r;

    if (node->operations) {
        if (node->removed)
            return -ENODEV;
        if (!handle->text)
            handle->text = g_string_new(NULL);
        if (request->offset == 0) {
            g_string_truncate(handle->text, 0);
            if (node->operations->show) {
                r = node->operations->show(node, node->owner, handle->text);
                if (r < 0)
                    return r;
            } else
                g_string_append_len(handle->text, node->text->str, node->text->len);
        }
        text = handle->text;
    }
    request->answer = g_string_new(NULL);
    if ((size_t) request->offset < text->len)
        g_string_append_len(request->answer, text->str + request->offset,
                            MIN(request->size, text->len - request->offset));
    return 0;
}

static void reply_read(Request *request, int result)
{
    if (result < 0)
        reply_error(request, result);
    else
        (void) fuse_reply_buf(request->fuse, request->answer->str, request->answer->len);
}

static void on_read(fuse_req_t fuse, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *file)
{
    Request *request = request_new(fuse, REQUEST_READ, node_of(fuse, number), NULL);

    request->file = *file;
    request->size = size;
    request->offset = offset;
    request->perform = perform_read;
    request->reply = reply_read;
    request_submit(request);
}

static int perform_write(Request *request)
{
    Node *node = request->node;

    if (node->operations) {
        if (node->removed)
            return -ENODEV;
        if (!node->operations->store)
            return -EIO;
        return node->operations->store(node, node->owner, request->bytes, request->length, request);
    }
    if (request->file.flags & O_APPEND)
        request->offset = node->text->len;
    if ((size_t) request->offset > node->text->len) {
        size_t old = node->text->len;

        g_string_set_size(node->text, request->offset);
        memset(node->text->str + old, 0, request->offset - old);
    }
    g_string_overwrite_len(node->text, request->offset, request->bytes, request->length);
    (void) clock_gettime(CLOCK_REALTIME, &node->modified);
    return 0;
}

static void reply_write(Request *request, int result)
{
    if (result < 0)
        reply_error(request, result);
    else
        (void) fuse_reply_write(request->fuse, request->length);
}

static void on_write(fuse_req_t fuse, fuse_ino_t number, const char *bytes, size_t length, off_t offset,
                     struct fuse_file_info *file)
{
    Request *request = request_new(fuse, REQUEST_WRITE, node_of(fuse, number), NULL);

    request->file = *file;
    request->bytes = g_strndup(bytes, length);
    request->length = length;
    request->offset = offset;
    request->perform = perform_write;
    request->reply = reply_write;
    request_submit(request);
}

static int perform_nothing(Request *request)
{
    return 0;
}

static void on_fsync(fuse_req_t fuse, fuse_ino_t number, int data_only, struct fuse_file_info *file)
{
    Request *request = request_new(fuse, REQUEST_FSYNC, node_of(fuse, number), NULL);

    request->perform = perform_nothing;
    request->reply = reply_error;
    request_submit(request);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static int perform_opendir(Request *request)
{
    return request->node->removed ? -ENOENT : 0;
}

static void reply_opendir(Request *request, int result)
{
    Filesystem *filesystem = fuse_req_userdata(request->fuse);
    Handle *handle;
    GHashTableIter iter;
    gpointer name;

    if (result < 0) {
        reply_error(request, result);
        return;
    }
    request->file.fh = handle_new(filesystem, request->node);
    handle = handle_of(&request->file);
    handle->names = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_iter_init(&iter, request->node->children);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(handle->names, g_strdup(name));
    g_ptr_array_sort(handle->names, compare_names);
    if (fuse_reply_open(request->fuse, &request->file) < 0)
        handle_free(filesystem, request->node, &request->file);
}

static void on_opendir(fuse_req_t fuse, fuse_ino_t number, struct fuse_file_info *file)
{
    Request *request = request_new(fuse, REQUEST_OPENDIR, node_of(fuse, number), NULL);

    request->file = *file;
    request->perform = perform_opendir;
    request->reply = reply_opendir;
    request_submit(request);
}

static void on_readdir(fuse_req_t fuse, fuse_ino_t number, size_t size, off_t offset,
                       struct fuse_file_info *file)
{
    static const char *const dots[] = {".", ".."};
    const Handle *handle = handle_of(file);
    Node *node = node_of(fuse, number);
    g_autofree char *buffer = g_malloc(size);
    size_t used = 0;

    for (off_t i = offset; i < (off_t) handle->names->len + 2; i++) {
        const char *name = i < 2 ? dots[i] : g_ptr_array_index(handle->names, i - 2);
        const Node *child = i < 2 ? node : node_child(node, name);
        struct stat attributes = {.st_mode = S_IFREG};
        size_t length;

        if (child)
            fill_stat(child, &attributes);
        length = fuse_add_direntry(fuse, buffer + used, size - used, name, &attributes, i + 1);
        if (length > size - used)
            break;
        used += length;
    }
    (void) fuse_reply_buf(fuse, buffer, used);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = on_lookup,
    .forget = on_forget,
    .forget_multi = on_forget_multi,
    .getattr = on_getattr,
    .setattr = on_setattr,
    .readlink = on_readlink,
    .mknod = on_mknod,
    .mkdir = on_mkdir,
    .symlink = on_symlink,
    .unlink = on_unlink,
    .rmdir = on_rmdir,
    .rename = on_rename,
    .open = on_open,
    .create = on_create,
    .read = on_read,
    .write = on_write,
    .release = on_release,
    .fsync = on_fsync,
    .fsyncdir = on_fsync,
    .opendir = on_opendir,
    .readdir = on_readdir,
    .releasedir = on_release,
};

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
    Filesystem *filesystem = data;
    int r = fuse_session_receive_buf(filesystem->session, &filesystem->buffer);

    if (r == -EINTR || r == -EAGAIN)
        return 0;
    if (r <= 0)
        return sd_event_exit(filesystem->machine->event, 0);
    fuse_session_process_buf(filesystem->session, &filesystem->buffer);
    return 0;
}

int filesystem_new(Machine *machine, const char *mount_point, Filesystem **ret)
{
    char name[] = "fake-kernel", what[] = "-oallow_other,default_permissions,fsname=fake-kernel";
    char *words[] = {name, what, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(2, words);
    Filesystem *filesystem = g_new0(Filesystem, 1);
    int fd;

    filesystem->machine = machine;
    filesystem->handles = g_hash_table_new_full(NULL, NULL, handle_destroy, NULL);
    filesystem->session = fuse_session_new(&arguments, &operations, sizeof(operations), filesystem);
    fuse_opt_free_args(&arguments);
    if (!filesystem->session || fuse_session_mount(filesystem->session, mount_point) < 0) {
        filesystem_free(filesystem);
        return -EIO;
    }
    fd = fuse_session_fd(filesystem->session);
    (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (sd_event_add_io(machine->event, &filesystem->source, fd, EPOLLIN, on_io, filesystem) < 0) {
        filesystem_free(filesystem);
        return -EIO;
    }
    *ret = filesystem;
    return 0;
}

Filesystem *filesystem_free(Filesystem *filesystem)
{
    if (!filesystem)
        return NULL;
    (void) sd_event_source_disable_unref(filesystem->source);
    if (filesystem->session) {
        fuse_session_unmount(filesystem->session);
        fuse_session_destroy(filesystem->session);
    }
    g_hash_table_unref(filesystem->handles);
    free(filesystem->buffer.mem);
    g_free(filesystem);
    return NULL;
}
