/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * run/iommu-policy/daemon.lock, which the one daemon holds. Two would each take the other's writes for
 * drift. Waits for at most a second: a worker that had just been forked when the last daemon was killed
 * is about to close its copy. Returns the descriptor that holds it; -EINTR: another daemon is running;
 * -errno.
 */
int instance_lock(int root_fd);
