/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What ExecStopPost= runs, so that devices come back even if the daemon cannot: recovers every record whose
 * lock is free, without a bus and without a loop. Says what it does on the journal. Returns 0, or -EIO if a
 * device is left without its driver or a record cannot be read; -errno of listing.
 */
int recover_all(int root_fd);
