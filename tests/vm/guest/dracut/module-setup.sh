#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154
# For the images of the test machine.

# called by dracut
check()
{
    return 0
}

# called by dracut
install()
{
    inst_multiple cp
    inst_hook pre-pivot 99 "$moddir/copy-overlay.sh"
}
