/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "client.h"
#include "machine.h"

/* The looks of `iommuctl doctor`: each adds to COMPLAINTS (complaint.h) what is wrong. */

/* The IOMMU, the kernel command line, and types that put the machine at risk. */
void doctor_look_at_host(int root_fd, const Machine *machine, GPtrArray *complaints);

/* The rule files below ROOT_FD, and the devices that they name. Returns 0, or -errno if there is a folder of
 * rules that cannot be read. */
int doctor_look_at_rules(int root_fd, const Machine *machine, GPtrArray *complaints);

/* The daemon, of this machine or of `host` of CLIENT, and what it says of the groups. That it cannot be
 * reached is a complaint. ROOT_FD: "/", for what it may do; not asked for another machine. */
void doctor_look_at_daemon(Client *client, int root_fd, GPtrArray *complaints);
