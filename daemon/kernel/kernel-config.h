/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The configuration that the running kernel was built with, as distributions install it:
 * /boot/config-RELEASE; the service, which does not see /boot, is given a copy (LoadCredential= of its unit,
 * see systemd.exec(5)). It has some 10 000 lines and is read anew at each call.
 */

/*
 * Returns 0 with *ret the first line that begins with PREFIX, without its newline, for the caller to free;
 * -ENXIO: the file is there and has no such line (an option that is off is no line of its name: "# CONFIG_X
 * is not set"); -ENOENT: no such file, or one with no option in it, so that nothing is known; -errno.
 */
int kernel_config_find(int root_fd, const char *prefix, char **ret);
