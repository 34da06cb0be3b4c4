/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* fake-kernel-control SOCKET COMMAND...: one command of control.h for shells; exit 0, or 1 with the errno on
 * stderr. Without COMMAND, the lines of standard input are commands. */
#include <stdio.h>
#include <string.h>

#include "control.h"

static int run(Control *control, const char *line)
{
    g_auto(GStrv) lines = NULL;
    int r = control_call(control, &lines, "%s", line);

    if (r < 0) {
        fprintf(stderr, "%s: %s\n", line, strerrorname_np(-r));
        return 1;
    }
    for (char **answer = lines; *answer; answer++)
        puts(*answer);
    return 0;
}

int main(int argc, char **argv)
{
    g_autoptr(Control) control = NULL;
    char line[4096];
    int r;

    if (argc < 2) {
        fprintf(stderr, "usage: fake-kernel-control SOCKET [COMMAND...]\n");
        return 2;
    }
    r = control_new(argv[1], &control);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(-r));
        return 1;
    }
    if (argc > 2) {
        g_autoptr(GString) command = g_string_new(NULL);

        /* Quoted again, for an argument is one word. */
        for (int i = 2; i < argc; i++) {
            g_autofree char *quoted = g_shell_quote(argv[i]);

            g_string_append_printf(command, "%s ", quoted);
        }
        return run(control, command->str);
    }
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (run(control, line) != 0)
            return 1;
    }
    return 0;
}
