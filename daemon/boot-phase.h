/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * Whether the machine is still starting or already stopping: disks that wait for fsck, LVM or a passphrase
 * only look idle, and nobody should lose a device while the machine goes down. Asked from systemd on the
 * bus: its state (systemctl(1), is-system-running) is "running" or "degraded", and it has no job left,
 * since after the emergency shell file systems are mounted in a system that is "running". Once over,
 * start-up stays over. Where there is no systemd (another init, a container; sd_booted(3)) start-up counts
 * as finished; where it is not on the bus yet it does not.
 */
typedef struct BootPhase BootPhase;

/* Called when one of the two answers below has changed. */
typedef void (*BootPhaseCallback)(void *userdata);

/* Subscribes and asks, without waiting. Returns 0 with *ret owned by the caller, or -errno. */
int boot_phase_new(sd_bus *bus, BootPhaseCallback callback, void *userdata, BootPhase **ret);

/* Start-up has finished and no shutdown has begun; false until systemd has answered. */
bool boot_phase_is_running(const BootPhase *phase);

BootPhase *boot_phase_free(BootPhase *phase);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootPhase, boot_phase_free)
