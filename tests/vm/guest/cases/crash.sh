# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# SIGKILL for the daemon and for its worker in the middle of a disruptive change. Whatever the moment: the drive
# has its driver again, in the old or the new type, no record is left, and the data is what it was.

# The change that is on its way: its process, and where it goes.
change=
target=

other_type()
{
    if [[ $(type_of "$1") == identity ]]; then echo DMA; else echo identity; fi
}

# The next change of the free drive, in the background.
begin_change()
{
    target=$(other_type "$free")
    gdbus call --system --timeout 120 --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" "$target" '{}' >/run/reply 2>&1 &
    change=$!
}

# The workers of the daemon, into $workers. Without a process of its own, as every millisecond counts here.
look_for_workers()
{
    workers=
    read -r workers <"/proc/$1/task/$1/children" || true
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

# How long workers are busy with one change here, in milliseconds.
measure_change()
{
    local begin
    begin_change
    await_worker "$(daemon_pid)"
    begin=${EPOCHREALTIME/./}
    wait "$change"
    echo $(( (${EPOCHREALTIME/./} - begin) / 1000 + 1 ))
}

# Lets a random part of SPAN milliseconds pass: the random moment of the kill, no time that is given to anybody.
random_moment()
{
    moment=$((RANDOM % $1))
    read -r -t "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))" <&6 || true
}

check_after_kill()
{
    local what=$1 sum=$2
    wait "$change" || true
    systemctl reset-failed iommu-policyd.service 2>/dev/null || true
    systemctl start iommu-policyd.service
    wait_until 60 all_is_whole >/dev/null || { all_is_whole || true; fail "after $what"; }
    is "the data after $what" "$(drive_checksum "$free")" "$sum"
    case $(type_of "$free") in
        DMA|DMA-FQ|identity) ;;
        *) fail "the type after $what is $(type_of "$free")" ;;
    esac
}

# kill_at_moments WHO COUNT: only kills that met a worker at work count. The machine is not equally fast all the
# time, so the span of the moments follows: a moment at which the change was over shortens it, a hit lengthens it.
kill_at_moments()
{
    local who=$1 wanted=$2 hits=0 tries=0 span sum pid victims moment moments=
    sum=$(fill_drive "$free")
    # Never written to: a read from it ends when its time is over.
    exec 6<> <(:)
    span=$(measure_change)
    while (( hits < wanted )); do
        (( (tries += 1) <= wanted * 6 )) || fail "only $hits of $wanted kills met a change on its way"
        pid=$(daemon_pid)
        begin_change
        if await_worker "$pid"; then
            random_moment "$span"
            look_for_workers "$pid"
            victims=$pid
            [[ $who == daemon ]] || victims=$workers
            # shellcheck disable=SC2086
            if [[ -n $workers ]] && kill -9 $victims 2>/dev/null; then
                hits=$((hits + 1)) moments+=" $moment"
                span=$((span + span / 8))
            else
                span=$(((span + moment) / 2 + 1))
            fi
        fi
        check_after_kill "kill $hits of the $who" "$sum"
        # The daemon that lives says what happened. A result may have been sent just before the kill; and the
        # first worker of a call only looks: its end is an internal error, with nothing begun.
        [[ $who == daemon ]] || grep -qE "^\('|SwitchFailed: .* cut off|Failed: .*No child processes" /run/reply ||
            fail "the reply: $(cat /run/reply)"
    done
    echo "figure: $hits kills of the $who in $tries tries, so many ms after its worker began:$moments"
}

case_crash_kill_daemon()
{
    if [[ $full == yes ]]; then kill_at_moments daemon 20; else kill_at_moments daemon 5; fi
}

case_crash_kill_worker()
{
    if [[ $full == yes ]]; then kill_at_moments worker 20; else kill_at_moments worker 5; fi
}

# Begins a change, kills daemon and worker when the drive has lost its driver, and waits until the unit has
# failed. Returns 1 if the moment, which is short, was missed: the drive had its driver again.
kill_without_driver()
{
    local pid workers met=no
    pid=$(daemon_pid)
    begin_change
    # A look costs microseconds; the moment is over after some ten milliseconds.
    while [[ -e /sys/bus/pci/devices/$free/driver ]] && kill -0 "$change" 2>/dev/null; do :; done
    look_for_workers "$pid"
    # shellcheck disable=SC2086
    [[ -z $workers ]] || ! kill -STOP $workers 2>/dev/null || [[ -e /sys/bus/pci/devices/$free/driver ]] || met=yes
    # shellcheck disable=SC2086
    kill -9 "$pid" $workers
    wait "$change" || true
    # Waits until ExecStopPost= has ended, if there is one.
    systemctl stop iommu-policyd.service
    [[ $met == yes ]]
}

case_crash_stop_post_recovers_without_the_daemon()
{
    local sum tries
    change_unit Restart=no
    sum=$(fill_drive "$free")
    for tries in {1..20}; do
        kill_without_driver && break
        systemctl reset-failed iommu-policyd.service
        systemctl start iommu-policyd.service
    done
    (( tries < 20 ))
    not systemctl is-active --quiet iommu-policyd.service
    all_is_whole
    is 'the data' "$(drive_checksum "$free")" "$sum"
    echo "figure: killed without a driver at try $tries"
}

case_crash_start_recovers()
{
    local sum tries
    change_unit Restart=no ExecStopPost=
    sum=$(fill_drive "$free")
    for tries in {1..20}; do
        kill_without_driver && [[ -z $(driver_of "$free") ]] && break
        systemctl reset-failed iommu-policyd.service
        systemctl start iommu-policyd.service
    done
    is 'the driver before the start' "$(driver_of "$free")" ''
    systemctl reset-failed iommu-policyd.service
    systemctl start iommu-policyd.service
    wait_until 60 all_is_whole
    is 'the data' "$(drive_checksum "$free")" "$sum"
    echo "figure: killed without a driver at try $tries"
}
