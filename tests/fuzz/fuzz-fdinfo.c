/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A descriptor of a process: on the first line what its link says, then its fdinfo. */
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "open-files.h"
#include "process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(OpenFiles) files = NULL;
    Input input = { data, size };
    g_autofree char *link = input_line(&input), *processes = NULL;
    g_autoptr(GArray) pids = NULL;
    static int fd = -1, comm = -1;

    if (fd < 0) {
        tree_mkdir(fuzz_tree(), "proc/7/fd");
        tree_mkdir(fuzz_tree(), "proc/7/task/7");
        fd = fuzz_file("proc/7/fdinfo/3");
        comm = fuzz_file("proc/7/comm");
    }
    fuzz_fill(fd, input.data, input.size);
    fuzz_fill(comm, input.data, input.size);
    (void) unlinkat(fuzz_tree()->fd, "proc/7/fd/3", 0);
    if (*link == '/' || !*link || symlinkat(link, fuzz_tree()->fd, "proc/7/fd/3") < 0)
        return 0;
    g_assert_cmpint(open_files_read(fuzz_tree()->fd, &files), ==, 0);
    for (unsigned i = 0; i < files->files->len; i++) {
        const OpenFile *file = files->files->pdata[i];

        g_assert_cmpint(file->pid, ==, 7);
        g_assert_true(!file->syspath || !strchr(file->syspath, '\n'));
    }
    pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    process_list_add(pids, 7);
    processes = process_list_to_string(fuzz_tree()->fd, pids);
    check_shown(processes);
    return 0;
}
