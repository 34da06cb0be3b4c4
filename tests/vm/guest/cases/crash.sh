# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# SIGKILL for the daemon and for its worker in the middle of a disruptive change. Whatever the moment: the
# drive has its driver again, in the old or the new type, no record is left, and the data is what it was.

# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh

check_after_kill()
{
    local who=$1 what=$2 sum=$3
    wait "$change" || true
    if [[ $who != worker ]]; then
        systemctl reset-failed iommu-policyd.service 2>/dev/null || true
        systemctl start iommu-policyd.service
    fi
    wait_until 60 all_is_whole >/dev/null || { all_is_whole || true; fail "after $what"; }
    is "the data after $what" "$(drive_checksum "$free")" "$sum"
    case $(type_of "$free") in
        DMA|DMA-FQ|identity) ;;
        *) fail "the type after $what is $(type_of "$free")" ;;
    esac
    # The daemon that lives says what happened. A result may have been sent just before the kill; and the
    # first worker of a call only looks: its end is an internal error, with nothing begun.
    [[ $who != worker ]] ||
        grep -qE "^\('|SwitchFailed: .* cut off|Failed: .*ended before it had answered" /run/reply ||
        fail "the reply: $(cat /run/reply)"
}

# One change, and a kill of WHO at a moment within SPAN milliseconds. Fails if the change was over.
kill_once()
{
    local victims
    begin_change "$free"
    await_worker "$pid" || return 1
    random_moment "$span"
    look_for_workers "$pid"
    case $1 in
        daemon) victims=$pid ;;
        worker) victims=$workers ;;
        both) victims="$pid $workers" ;;
    esac
    # shellcheck disable=SC2086
    [[ -n $workers ]] && kill -9 $victims 2>/dev/null
}

# kill_at_moments WHO COUNT: only kills that met a worker at work count. The machine is not equally fast all
# the time, so the span of the moments follows: a moment at which the change was over shortens it, a hit
# lengthens it.
kill_at_moments()
{
    local who=$1 wanted=$2 hits=0 tries=0 span sum pid moment=0 moments=
    sum=$(fill_drive "$free")
    open_clock
    span=$(measure_change "$free")
    pid=$(daemon_pid)
    while (( hits < wanted )); do
        (( (tries += 1) <= wanted * 6 )) || fail "only $hits of $wanted kills met a change on its way"
        if kill_once "$who"; then
            hits=$((hits + 1)) moments+=" $moment"
            span=$((span + span / 8))
        else
            span=$(((span + moment) / 2 + 1))
        fi
        check_after_kill "$who" "kill $hits of the $who" "$sum"
        [[ $who == worker ]] || pid=$(daemon_pid)
    done
    echo "figure: $hits kills of the $who in $tries tries:" \
        '0 drives without driver, 0 bytes lost, 0 records left over'
    echo "figure: so many ms after its worker began:$moments"
}

case_crash_kill_daemon()
{
    kill_at_moments daemon 5
}

case_crash_kill_worker()
{
    kill_at_moments worker 5
}

case_full_crash_kill_daemon()
{
    kill_at_moments daemon 100
}

case_full_crash_kill_worker()
{
    kill_at_moments worker 100
}

case_full_crash_kill_both()
{
    kill_at_moments both 100
}

# Begins a change, kills daemon and worker when the drive has lost its driver, and waits until the unit has
# failed. Returns 1 if the moment, which is short, was missed: the drive had its driver again.
kill_without_driver()
{
    local pid workers met=no
    pid=$(daemon_pid)
    begin_change "$free"
    # A look costs microseconds; the moment is over after some ten milliseconds.
    while [[ -e /sys/bus/pci/devices/$free/driver ]] && kill -0 "$change" 2>/dev/null; do :; done
    look_for_workers "$pid"
    # shellcheck disable=SC2086
    [[ -z $workers ]] || ! kill -STOP $workers 2>/dev/null || [[ -e /sys/bus/pci/devices/$free/driver ]] ||
        met=yes
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

case_full_crash_start_recovers()
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
