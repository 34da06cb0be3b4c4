# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the guest's scripts share. The guest has three NVMe drives, known by their serial numbers: FREE and
# MOUNTED from the start, HOT when the host has been asked to plug it in.

# host_request WORD: asks the host (tests/vm/supervise) for something, and waits until it is done.
host_request()
{
    local reply
    printf '%s\n' "$1" >&9
    IFS= read -r -t 90 reply <&9 || { echo "the host does not answer to \"$1\""; return 1; }
    [[ $reply == ok ]] || { echo "the host refused \"$1\": $reply"; return 1; }
}
