# shellcheck shell=bash disable=SC2154,SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# A change on its way, and random moments of it: for cases that do something to it in the middle.

# The change: its process, what it is of, and where it goes.
change=
target=

other_type()
{
    if [[ $(type_of "$1") == identity ]]; then echo DMA; else echo identity; fi
}

# The next change of the device $1, in the background; what it answers comes into /run/reply.
begin_change()
{
    target=$(other_type "$1")
    gdbus call --system --timeout 120 --dest "$bus_name" --object-path "$(group_path "$1")" \
        --method "$bus_name.Group.SetType" "$target" '{}' >/run/reply 2>&1 &
    change=$!
}

# The workers of the daemon, into $workers; those that wait for added devices are none. Without a process of
# its own, as every millisecond counts here.
look_for_workers()
{
    local children child name
    workers='' children=''
    read -r children <"/proc/$1/task/$1/children" || true
    for child in $children; do
        name=
        read -r name <"/proc/$child/comm" || true
        [[ $name == iommu-add-write ]] || workers+="$child "
    done
} 2>/dev/null

# Returns when the daemon $1 has a worker, or fails when the change ended without one having been seen.
await_worker()
{
    look_for_workers "$1"
    while [[ -z $workers ]]; do
        kill -0 "$change" 2>/dev/null || return 1
        look_for_workers "$1"
    done
}

# Stops the workers $workers, and returns when none runs: it is never stopped inside a write to the kernel.
stop_workers()
{
    local worker state
    # shellcheck disable=SC2086
    kill -STOP $workers 2>/dev/null || return 1
    for worker in $workers; do
        state=
        until [[ $state == [TZX] || ! -e /proc/$worker ]]; do
            { read -r _ _ state _ <"/proc/$worker/stat"; } 2>/dev/null || true
        done
    done
}

# How long workers are busy with one change of the device $1 here, in milliseconds.
measure_change()
{
    local begin
    begin_change "$1"
    await_worker "$(daemon_pid)"
    begin=${EPOCHREALTIME/./}
    wait "$change"
    echo $(( (${EPOCHREALTIME/./} - begin) / 1000 + 1 ))
}

# Once, before the first random_moment: never written to, so a read from it ends when its time is over.
open_clock()
{
    exec 6<> <(:)
}

# Lets a random part of $1 milliseconds pass, into $moment: the random moment, no time that is given to
# anybody.
random_moment()
{
    moment=$((RANDOM % $1))
    read -r -t "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))" <&6 || true
}
