#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-run-type-cases.sh ENVIRONMENT: the script for real kernels, held against the fake one.
set -eu
here=${0%/*}
for generation in 6.1 6.12; do
    "$1" --topology=one --generation=$generation -- \
        sh -c "$here/run-type-cases.sh \"\$FAKE_ROOT/sys\" $generation 0000:00:06.0"
    "$1" --topology=two --generation=$generation -- \
        sh -c "$here/run-type-cases.sh \"\$FAKE_ROOT/sys\" $generation 0000:03:00.0 0000:03:00.1"
done | tee /dev/stderr | awk '/^FAIL/ { failed++ } / passed, / { runs++ } END { exit failed > 0 || runs != 4 }'
