# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices that are added while the machine runs: is the rule before the driver, how often, and how often is
# the line for udev that people use for it? Its own driver's module is loaded, or it is not.

rival=/run/udev/rules.d/50-rival.rules

is_there()
{
    [[ -e /sys/bus/pci/devices/$1 ]]
}

has_type()
{
    [[ $(type_of "$1") == "$2" ]]
}

is_gone()
{
    [[ ! -e /sys/bus/pci/devices/$1 ]]
}

has_driver()
{
    [[ $(driver_of "$1") == "$2" ]]
}

# What udev had begun is over, and then the module's probes, which may go on without it.
await_driver()
{
    udevadm settle --timeout 60
    has_driver "$1" "$2" || wait_until 60 has_driver "$1" "$2"
}

unload()
{
    local device
    for device in /sys/bus/pci/drivers/"$1"/0000:*; do
        [[ -e $device ]] && basename "$device" >"/sys/bus/pci/drivers/$1/unbind"
    done
    modprobe --remove "$1"
}

# --- one device comes

# The address is the same each time.
come_by_rescan()
{
    echo 1 >"/sys/bus/pci/devices/$1/remove"
    [[ $3 == loaded ]] || unload "$2"
    echo 1 >/sys/bus/pci/rescan
}

# With the slot's own way, of which the host has the handle.
come_by_plug()
{
    local name=hot
    [[ $2 == nvme ]] || name=nic
    [[ $3 == loaded ]] || unload "$2"
    host_request plug "$name"
    is_there "$1" || wait_until 60 is_there "$1"
}

leave_by_plug()
{
    local name=hot
    [[ $2 == nvme ]] || name=nic
    host_request unplug "$name"
    is_gone "$1" || wait_until 60 is_gone "$1"
}

# slot_address PORT: of what is put into it.
slot_address()
{
    local bus=("/sys/bus/pci/devices/$1/pci_bus/"*)
    echo "${bus[0]##*/}:00.0"
}

# --- how it went

# A loss is told, and nobody is unbound for it: the rule does not say so.
judge_daemon()
{
    has_type "$1" identity || is_pending_for "$1" driver-race ||
        wait_until 60 is_pending_for "$1" driver-race
}

judge_rival()
{
    :
}

# rounds WHO N come_by_… ADDRESS DRIVER loaded|unloaded: counts into $wins and $losses.
rounds()
{
    local who=$1 n=$2 come=$3 address=$4 driver=$5 module=$6 i
    for (( i = 0; i < n; i++ )); do
        "$come" "$address" "$driver" "$module"
        await_driver "$address" "$driver"
        "judge_$who" "$address"
        if has_type "$address" identity; then
            wins=$((wins + 1))
        else
            losses=$((losses + 1))
        fi
        [[ $come != come_by_plug ]] || leave_by_plug "$address" "$driver"
        # The others of this driver.
        [[ $module == loaded ]] || modprobe "$driver"
    done
}

begin_daemon()
{
    rm -f "$rival"
    udevadm control --reload
    systemctl start iommu-policyd.service
}

begin_rival()
{
    systemctl stop iommu-policyd.service
    mkdir -p "${rival%/*}"
    printf 'ACTION=="add", SUBSYSTEM=="pci", ATTR{class}=="0x0%s*", ATTR{iommu_group/type}="identity"\n' \
        10802 20000 >"$rival"
    udevadm control --reload
}

counted()
{
    [[ $(manager_property AddsBeforeDriver) == "$1" && $(manager_property AddsAfterDriver) == "$2" ]]
}

put_back()
{
    rm -f "$rival"
    udevadm control --reload
    modprobe --all nvme e1000e
    host_request unplug hot
    host_request unplug nic
}

# the_turn_of WHO N-BY-RESCAN N-BY-PLUG: of each of the two drivers, with its module and without.
the_turn_of()
{
    local driver module how wins losses all_wins=0 all_losses=0
    local -A rescan=([nvme]=$free [e1000e]=$nic)
    local -A plug=([nvme]=$(slot_address 0000:00:08.0) [e1000e]=$(slot_address 0000:00:07.0))
    "begin_$1"
    for driver in nvme e1000e; do
        for module in unloaded loaded; do
            wins=0 losses=0
            rounds "$1" "$2" come_by_rescan "${rescan[$driver]}" "$driver" "$module"
            rounds "$1" "$3" come_by_plug "${plug[$driver]}" "$driver" "$module"
            printf 'figure: %s, %s, module %s: before the driver %d, after it %d\n' \
                "$1" "$driver" "$module" "$wins" "$losses"
            if [[ $1 == daemon && $module == unloaded ]]; then
                is "how often the daemon was after $driver, whose module was not loaded," "$losses" 0
            fi
            all_wins=$((all_wins + wins)) all_losses=$((all_losses + losses))
        done
    done
    printf 'figure: %s: before the driver %d, after it %d\n' "$1" "$all_wins" "$all_losses"
    [[ $1 != daemon ]] || counted "$all_wins" "$all_losses" ||
        wait_until 30 counted "$all_wins" "$all_losses"
}

begin_adds()
{
    printf '[Match]\nClass=nvme ethernet\n[Policy]\nType=identity\n' >"$rules/50-add.conf"
    iommuctl reload
    at_end put_back
}

case_add_is_before_the_driver()
{
    begin_adds
    the_turn_of daemon 1 0
}

# The line for udev in the same machine, in turn.
case_full_add_beside_the_line_for_udev()
{
    begin_adds
    the_turn_of daemon 45 5
    the_turn_of rival 45 5
}

# --- who waits for whom

# The slowest of ours, and the shortest time that was left until the driver began, both in µs.
margins()
{
    journalctl --boot --output short-monotonic --no-pager --since "$1" |
        awk -v address="$2" '
            function moment()
            {
                match($0, /[0-9]+\.[0-9]+\]/)
                return substr($0, RSTART, RLENGTH - 1) * 1000000
            }
            /a device was added, and has/ {
                ours = moment(); match($0, /\([0-9]+/); took = substr($0, RSTART + 1, RLENGTH - 1)
                if (took + 0 > slowest) slowest = took + 0
            }
            /nvme nvme[0-9]+: pci function/ && index($0, address) && ours {
                left = moment() - ours; if (!least || left < least) least = left
                ours = 0
            }
            END {
                printf "the slowest write %d µs after its event, the driver at least %d µs after that\n",
                    slowest, least
            }'
}

# rounds_on_a_busy_machine N: more wants to run than there are processors, and two devices of one driver come
# at once, of which either has the module loaded for the other.
rounds_on_a_busy_machine()
{
    local i since late=0
    begin_adds
    for (( i = 0; i < 2 * $(nproc); i++ )); do
        bash -c 'while :; do :; done' &
        helpers+=($!)
    done
    since=$(date '+%F %T')
    for (( i = 0; i < $1; i++ )); do
        echo 1 >"/sys/bus/pci/devices/$mounted/remove"
        come_by_rescan "$free" nvme unloaded
        await_driver "$free" nvme
        await_driver "$mounted" nvme
        has_type "$free" identity || late=$((late + 1))
        has_type "$mounted" identity || late=$((late + 1))
    done
    echo "figure: on a busy machine, two at once, $((2 * $1)) devices: $late after the driver;" \
        "$(margins "$since" "$free")"
    is 'how many were after their driver' "$late" 0
}

case_full_add_on_a_busy_machine()
{
    rounds_on_a_busy_machine 20
}
