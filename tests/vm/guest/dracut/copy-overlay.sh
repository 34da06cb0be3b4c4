#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The root disk is a snapshot that is thrown away: what tests/vm/run has put behind the image, as /overlay,
# is copied onto it.
[ ! -d /overlay ] || cp -a /overlay/. "${NEWROOT:?}/"
