/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target over files, or over all files of directories, without a fuzzer: what was once found
 * stays found. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static unsigned run_file(const char *path)
{
    g_autofree char *content = NULL;
    gsize size;

    if (!g_file_get_contents(path, &content, &size, NULL)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(EXIT_FAILURE);
    }
    (void) LLVMFuzzerTestOneInput((const uint8_t *) content, size);
    return 1;
}

static unsigned run_path(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    unsigned n = 0;

    if (!dir)
        return run_file(path);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        n += run_file(file);
    }
    return n;
}

int main(int argc, char **argv)
{
    unsigned n = 0;

    for (int i = 1; i < argc; i++)
        n += run_path(argv[i]);
    printf("%u inputs\n", n);
    /* A corpus that is not there must not look like one that passed. */
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
