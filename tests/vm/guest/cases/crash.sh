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
        --method "$bus_name.Group.SetType" "$target" '{}' >/dev/null 2>&1 &
    change=$!
}

# How long one change takes here, from the call to the reply, in milliseconds.
measure_change()
{
    local begin=${EPOCHREALTIME/./}
    begin_change
    wait "$change"
    echo $(( (${EPOCHREALTIME/./} - begin) / 1000 ))
}

# Waits for a moment within the first SPAN milliseconds. This is the random moment of the kill, no time that is
# given to anybody.
random_moment()
{
    read -r -t "$(printf '0.%03d' $((RANDOM % $1 + 1)))" <&6 || true
}

workers_of()
{
    pgrep -P "$1" || true
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

# kill_at_moments WHO COUNT: only kills that met a change on its way count.
kill_at_moments()
{
    local who=$1 wanted=$2 hits=0 tries=0 span sum pid victims
    sum=$(fill_drive "$free")
    # Never written to: a read from it ends when its time is over.
    exec 6<> <(:)
    span=$(measure_change)
    (( span < 900 )) || span=900
    while (( hits < wanted )); do
        (( (tries += 1) <= wanted * 6 )) || fail "only $hits of $wanted kills met a change on its way"
        pid=$(daemon_pid)
        begin_change
        random_moment "$span"
        victims=$pid
        [[ $who == daemon ]] || victims=$(workers_of "$pid")
        # shellcheck disable=SC2086
        if [[ -n $victims ]] && kill -0 "$change" 2>/dev/null && kill -9 $victims 2>/dev/null; then
            hits=$((hits + 1))
        fi
        check_after_kill "kill $hits of the $who" "$sum"
    done
    echo "figure: $hits kills of the $who during a change of $span ms, in $tries tries"
}

case_crash_kill_daemon()
{
    if [[ $full == yes ]]; then kill_at_moments daemon 20; else kill_at_moments daemon 5; fi
}

case_crash_kill_worker()
{
    if [[ $full == yes ]]; then kill_at_moments worker 20; else kill_at_moments worker 5; fi
}

# Begins a change, and stops daemon and worker for good while the drive has no driver. The moment is short and
# the event comes a little late, so it may take more than one try.
leave_without_driver()
{
    local pid workers line tries
    for tries in 1 2 3 4 5 6 7 8 9 10; do
        pid=$(daemon_pid)
        exec 5< <(exec stdbuf -oL udevadm monitor --kernel --subsystem-match=pci)
        helpers=($!)
        until [[ ${line-} == KERNEL* ]]; do read -r -t 20 line <&5; done
        begin_change
        until [[ $line == *" unbind "*"$free"* ]]; do read -r -t 60 line <&5; done
        workers=$(workers_of "$pid")
        # shellcheck disable=SC2086
        [[ -z $workers ]] || kill -STOP $workers 2>/dev/null || true
        end_helpers
        exec 5<&-
        if [[ -n $workers && -z $(driver_of "$free") ]]; then
            # shellcheck disable=SC2086
            kill -9 "$pid" $workers
            wait "$change" || true
            echo "without a driver after $tries tries"
            return
        fi
        # shellcheck disable=SC2086
        [[ -z $workers ]] || kill -CONT $workers 2>/dev/null || true
        wait "$change"
    done
    fail 'no moment without a driver was met'
}

case_crash_stop_post_recovers_without_the_daemon()
{
    local sum
    mkdir -p /etc/systemd/system/iommu-policyd.service.d
    printf '[Service]\nRestart=no\n' >/etc/systemd/system/iommu-policyd.service.d/no-restart.conf
    systemctl daemon-reload
    sum=$(fill_drive "$free")
    leave_without_driver
    # Stopping waits until ExecStopPost= has ended.
    systemctl stop iommu-policyd.service
    not systemctl is-active --quiet iommu-policyd.service
    all_is_whole
    is 'the data' "$(drive_checksum "$free")" "$sum"
}

case_crash_start_recovers()
{
    local sum
    mkdir -p /etc/systemd/system/iommu-policyd.service.d
    printf '[Service]\nRestart=no\nExecStopPost=\n' >/etc/systemd/system/iommu-policyd.service.d/no-recovery.conf
    systemctl daemon-reload
    sum=$(fill_drive "$free")
    leave_without_driver
    systemctl stop iommu-policyd.service
    is 'the driver before the start' "$(driver_of "$free")" ''
    systemctl reset-failed iommu-policyd.service 2>/dev/null || true
    systemctl start iommu-policyd.service
    wait_until 60 all_is_whole
    is 'the data' "$(drive_checksum "$free")" "$sum"
}
