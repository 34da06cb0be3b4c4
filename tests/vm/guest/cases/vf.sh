# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Virtual functions that come and go under a rule that asks for what only a device without driver gets.
# QEMU's come up offline, and a driver does not take them until the drive has been told which of its queues
# and interrupts are theirs: that is done while sriov_numvfs is still open, when they are there and no driver
# has been let in.

# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh

records=/run/iommu-policy/autoprobe

pf_is_there()
{
    pf=$(address_of SRIOV) && [[ $(driver_of "$pf") == nvme ]]
}

controller_of()
{
    local controller
    for controller in "/sys/bus/pci/devices/$1"/nvme/nvme*; do
        [[ -e $controller ]] && { echo "/dev/${controller##*/}"; return; }
    done
    return 1
}

leave_pf()
{
    echo 0 >"$pf_folder/sriov_numvfs"
    echo 1 >"$pf_folder/sriov_drivers_autoprobe"
    [[ $plugged == no ]] || host_request unplug sr-iov
}

# The drive, with queues and interrupts to give away, and the rule TYPE for its virtual functions.
have_pf()
{
    local resource
    plugged=no
    if ! pf_is_there; then
        plugged=yes
        host_request plug sr-iov
        wait_until 60 pf_is_there
    fi
    pf_folder=/sys/bus/pci/devices/$pf
    at_end leave_pf
    for resource in 0 1; do
        nvme virt-mgmt "$(controller_of "$pf")" -c 0 -r "$resource" -a 1 -n 0
    done
    echo 1 >"$pf_folder/reset"
    printf '[Match]\nVirtualFunction=yes\nClass=nvme\n[Policy]\nType=%s\n' "$1" >"$rules/50-vf.conf"
    iommuctl reload
}

# The addresses of the virtual functions, one a line.
functions()
{
    local link
    for link in "$pf_folder"/virtfn*; do
        [[ ! -L $link ]] || basename "$(readlink "$link")"
    done
}

# bring_online COUNT: an interrupt and two queues for each.
bring_online()
{
    local i node
    node=$(controller_of "$pf")
    for (( i = 1; i <= $1; i++ )); do
        nvme virt-mgmt "$node" -c "$i" -r 1 -a 8 -n 1
        nvme virt-mgmt "$node" -c "$i" -r 0 -a 8 -n 2
        nvme virt-mgmt "$node" -c "$i" -r 0 -a 9 -n 0
    done
}

# until_daemon_says COMMAND…: until COMMAND succeeds. It is tried at each line of the daemon's; the last one
# so far says that lines are listened for.
until_daemon_says()
{
    local lines
    exec 8< <(exec journalctl --follow --lines 1 --unit iommu-policyd.service)
    lines=$!
    until "$@"; do
        read -r -t 60 <&8 || break
    done
    kill "$lines"
    exec 8<&-
    "$@"
}

is_held()
{
    [[ $(<"$pf_folder/sriov_drivers_autoprobe") == 0 ]]
}

# make_functions COUNT [COMMAND…]: COMMAND is run when the file is open and nothing written yet.
make_functions()
{
    exec 7>"$pf_folder/sriov_numvfs"
    "${@:2}"
    echo "$1" >&7
    bring_online "$1"
    exec 7>&-
}

has_no_record()
{
    [[ -z $(ls "$records" 2>/dev/null) ]]
}

# Returns when there is no record of a hold: the setting is the administrator's, and drivers have been looked
# for.
no_record_is_left()
{
    until_daemon_says has_no_record || fail "recorded: $(ls "$records")"
}

# functions_are TYPE DRIVER COUNT
functions_are()
{
    local function count=0
    for function in $(functions); do
        count=$((count + 1))
        is "the type of $function" "$(type_of "$function")" "$1"
        is "the driver of $function" "$(driver_of "$function")" "$2"
    done
    is 'how many there are' "$count" "$3"
}

all_are_bound()
{
    local function
    for function in $(functions); do
        [[ $(driver_of "$function") == nvme && -n $(controller_of "$function") ]] || return 1
    done
}

# Data comes through it: a block where it has a disk, else what it says of itself.
is_usable()
{
    local node
    if node=$(node_of "$1") && [[ -b $node ]]; then
        dd if="$node" of=/dev/null bs=4096 count=1 iflag=direct status=none
    else
        nvme id-ctrl "$(controller_of "$1")" >/run/identity
    fi
}

# One more came with its driver before its type could be written: that is shown.
judge_type()
{
    if is_type "$1" identity; then
        won=$((won + 1))
    else
        is "the type of $1" "$(type_of "$1")" DMA-FQ
        wait_until 30 is_pending "$1"
    fi
}

is_pending()
{
    is_pending_for "$1" unbind-not-allowed || is_pending_for "$1" driver-race
}

# come_and_go TIMES COUNT [COMMAND…], COMMAND as of make_functions
come_and_go()
{
    local round function
    won=0
    have_pf identity
    for (( round = 1; round <= $1; round++ )); do
        make_functions "$2" "${@:3}"
        # One that came before it was held, and was offline, takes its driver now.
        no_record_is_left
        for function in $(functions); do
            echo "$function" >/sys/bus/pci/drivers_probe
        done
        wait_until 60 all_are_bound
        is 'the setting' "$(<"$pf_folder/sriov_drivers_autoprobe")" 1
        for function in $(functions); do
            judge_type "$function"
            is_usable "$function"
        done
        echo 0 >"$pf_folder/sriov_numvfs"
        no_record_is_left
        is 'the setting without them' "$(<"$pf_folder/sriov_drivers_autoprobe")" 1
    done
    echo "figure: $2 virtual functions came and went $1 times:" \
        "$won of $(($1 * $2)) of the type asked for before their driver"
}

# The machine may be so busy that the 100 ms of the kernel are over before the daemon runs: here it is waited
# for.
case_vf_types_are_written_before_drivers()
{
    come_and_go 2 2 until_daemon_says is_held
    is 'how many have it' "$won" 4
}

case_full_vf_types_are_written_before_drivers()
{
    come_and_go 50 4 until_daemon_says is_held
    is 'how many have it' "$won" 200
}

# As administrators do it. What is lost is shown.
case_full_vf_race()
{
    come_and_go 50 4
    (( won > 0 ))
}

case_full_vf_autoprobe_off_stays_off()
{
    have_pf identity
    echo 0 >"$pf_folder/sriov_drivers_autoprobe"
    make_functions 4
    all_have_type()
    {
        local function
        for function in $(functions); do
            is_type "$function" identity || return 1
        done
    }
    wait_until 60 all_have_type
    no_record_is_left
    functions_are identity '' 4
    is 'the setting' "$(<"$pf_folder/sriov_drivers_autoprobe")" 0
}

# Who only looks makes nothing appear; what was unbound by hand stays so.
case_full_vf_reading_the_number_changes_nothing()
{
    local function i
    have_pf identity
    make_functions 4
    wait_until 60 all_are_bound
    no_record_is_left
    read -r function < <(functions 2>/dev/null)
    echo "$function" >/sys/bus/pci/drivers/nvme/unbind
    for i in {1..20}; do
        is 'the number' "$(<"$pf_folder/sriov_numvfs")" 4
    done
    no_record_is_left
    is 'the setting' "$(<"$pf_folder/sriov_drivers_autoprobe")" 1
    is 'the driver of what was unbound' "$(driver_of "$function")" ''
}

# Written while drivers are held: that is what is left behind.
case_full_vf_setting_made_meanwhile_stays()
{
    have_pf identity
    exec 7>"$pf_folder/sriov_numvfs"
    until_daemon_says is_held
    echo 4 >&7
    echo 0 >"$pf_folder/sriov_drivers_autoprobe"
    bring_online 4
    exec 7>&-
    no_record_is_left
    wait_until 60 functions_are identity '' 4
    is 'the setting' "$(<"$pf_folder/sriov_drivers_autoprobe")" 0
}

# --- killed in the middle

# What an administrator does, in the background: the functions come and are brought online.
begin_functions()
{
    make_functions 2 >/run/functions 2>&1 &
    change=$!
}

# kill_at_moments WHO TIMES: whatever the moment, the setting comes back and nothing is recorded. A function
# that came when nobody held it, or was let in before it was online, has no driver: then it takes one.
kill_at_moments()
{
    local who=$1 try pid victims function moment moments="" won=0
    have_pf identity
    open_clock
    for (( try = 1; try <= $2; try++ )); do
        pid=$(daemon_pid)
        begin_functions
        random_moment 900
        look_for_workers "$pid"
        case $who in
            daemon) victims=$pid ;;
            worker) victims=$workers ;;
            both) victims="$pid $workers" ;;
        esac
        # shellcheck disable=SC2086
        [[ -z $victims ]] || kill -9 $victims 2>/dev/null || true
        moments+=" $moment"
        wait "$change"
        if [[ $who != worker ]]; then
            systemctl reset-failed iommu-policyd.service 2>/dev/null || true
            systemctl start iommu-policyd.service
        fi
        no_record_is_left
        is "the setting after kill $try of the $who" "$(<"$pf_folder/sriov_drivers_autoprobe")" 1
        for function in $(functions); do
            echo "$function" >/sys/bus/pci/drivers_probe
        done
        wait_until 60 all_are_bound
        for function in $(functions); do
            is_usable "$function"
            case $(type_of "$function") in
                identity) won=$((won + 1)) ;;
                DMA-FQ) ;;
                *) fail "the type of $function is $(type_of "$function")" ;;
            esac
        done
        echo 0 >"$pf_folder/sriov_numvfs"
        no_record_is_left
        is "the setting at the end of try $try" "$(<"$pf_folder/sriov_drivers_autoprobe")" 1
    done
    echo "figure: $won of $(($2 * 2)) functions were of the type asked for before their driver nevertheless"
    echo "figure: $2 kills of the $who, so many ms after the functions were asked for:$moments"
}

case_full_vf_kill_daemon()
{
    kill_at_moments daemon 3
}

case_full_vf_kill_daemon()
{
    kill_at_moments daemon 30
}

case_full_vf_kill_worker()
{
    kill_at_moments worker 30
}

case_full_vf_kill_both()
{
    kill_at_moments both 30
}
