/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What ExecStopPost= runs, so that devices come back even if the daemon cannot: recovers every record whose
 * lock is free, without a bus. Says what it does on the journal. A recovery that does not return is left to
 * its worker, which outlives us and holds the lock. Returns 0, or -EIO if a device is left without its
 * driver or a record cannot be read; -errno of listing.
 */
int recover_all(int root_fd);
