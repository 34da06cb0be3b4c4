#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-run-type-cases.sh ENVIRONMENT: the script for real kernels, held against the fake one.
set -eu
here=$(realpath "${0%/*}")

# ask TOPOLOGY MEMBERS DEVICE...
ask()
{
    topology=$1
    shift
    "$environment" --topology="$topology" --generation=$generation -- \
        sh -c "$here/run-type-cases.sh --vfio-user $here/fake-vfio-user \"\$FAKE_ROOT/sys\" $generation $*"
}

environment=$1
for generation in 6.1 6.12; do
    ask one 1 0000:00:06.0
    ask two n 0000:03:00.0 0000:03:00.1
    ask bridge bridge 0000:01:00.0
    ask machine untrusted 0000:00:07.0
    ask static static 0000:00:04.0
    ask absent absent 0000:00:04.0
done | awk '
    !/^answer/ { print }
    /^FAIL/ { failed++ }
    / passed, / { runs++ }
    END { exit failed > 0 || runs != 12 }'
