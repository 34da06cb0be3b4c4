#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The first process of a machine whose groups appear only when a driver probes a device (arm64 with Linux
# before the rework of 2025): tests/vm/cross/early. The drive FREE is to be in identity, the one behind the
# port too, and everything else in DMA-FQ; the early pass is run before there are drivers.
#   before-drivers.sh [--kills]     also kill the early pass at each of its writes
# Each case is a line "ok NAME" or "FAIL NAME: CAUSE".

export PATH=/usr/lib/iommu-policy-test:/usr/lib/iommu-policy:/usr/sbin:/usr/bin LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs run /run
cd /usr/lib/iommu-policy-test || exit 1
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# Without a driver a drive has no serial number: where tests/vm/cross/machines.sh has put them.
free=0000:00:04.0 mounted=0000:00:05.0 card=0000:00:06.0 behind=0000:01:00.0
pci=/sys/bus/pci/devices
early=/usr/lib/iommu-policy/iommu-policy-early
# What tests/vm/cross/early has written to the drives.
expected=/usr/lib/iommu-policy-test/expected
passed=0 failed=0

ok()
{
    passed=$((passed + 1))
    echo "ok $1"
}

fail()
{
    failed=$((failed + 1))
    echo "FAIL $1: $2"
}

# expect NAME WANTED FOUND
expect()
{
    if [[ $2 == "$3" ]]; then ok "$1"; else fail "$1" "'$3' instead of '$2'"; fi
}

driver_and_override()
{
    echo "$(driver_of "$1") $(cat "$pci/$1/driver_override")"
}

# Before a driver has probed it: a port's driver, built in, has.
has_no_group()
{
    [[ -e $pci/$1/iommu_group ]] || echo yes
}

rule()
{
    mkdir -p "$rules"
    printf '[Match]\n%s\n[Policy]\nType=%s\n' "$2" "$3" >"$rules/$1.conf"
}

# The first MiB; in the eyes of the host this is a phase in which the drive does much DMA.
checksum()
{
    local sum
    host_request phase "$1" "$(type_of "$1")"
    sum=$(dd if="$(node_of "$1")" bs=64k count=16 iflag=direct status=none | sha256sum)
    host_request phase-end
    echo "${sum%% *}"
}

# until_equal WANTED COMMAND…: what the command prints in the end. There is no udev whose events would tell.
until_equal()
{
    local tries=0 wanted=$1
    shift
    while [[ $("$@" 2>/dev/null) != "$wanted" ]] && (( tries < 200 )); do
        tries=$((tries + 1))
        sleep 0.1
    done
    "$@"
}

plug_again()
{
    echo 1 >"$pci/$1/remove"
    echo 1 >/sys/bus/pci/rescan
}

# The early pass is killed before each time that it writes; then it is run again, or the daemon recovers.
killed_and_healed()
{
    local n=0 bad='' left status
    while :; do
        n=$((n + 1))
        kill-at "$n" "$early" 2>/dev/null
        status=$?
        (( status == 99 )) || break
        (( n % 2 == 0 )) || "$early" 2>/dev/null
        (( n % 2 == 1 )) || iommu-policyd --recover 2>/dev/null
        left="$(driver_and_override "$free") $(find /run/iommu-policy -name '*pci*' ! -name '*.lock')"
        [[ $left == ' (null) ' ]] || bad+=" [$n: $left]"
        (( n % 2 == 0 )) || [[ $(type_of "$free") == identity ]] || bad+=" [$n: $(type_of "$free")]"
        plug_again "$free"
        plug_again "$behind"
        rm -rf /run/iommu-policy
    done
    expect 'a pass that was not killed ends well' 0 "$status"
    if (( n > 20 )) && [[ -z $bad ]]; then
        ok "killed at $((n - 1)) writes, nothing was left"
    else
        fail "killed at $((n - 1)) writes" "$bad"
    fi
    plug_again "$free"
    plug_again "$behind"
    rm -rf /run/iommu-policy
}

before_drivers()
{
    expect 'the drive has no group before a driver' yes "$(has_no_group "$free")"
    expect 'nor has the other one' yes "$(has_no_group "$mounted")"
    [[ ${1-} != --kills ]] || killed_and_healed
    expect 'there is none after a plug' yes "$(has_no_group "$free")"
    "$early"
    expect 'the drive has the type before its driver' identity "$(type_of "$free")"
    expect 'it is nobody'"'"'s' ' (null)' "$(driver_and_override "$free")"
    expect 'for DMA-FQ nothing is lent' yes "$(has_no_group "$mounted")"
}

# The drive behind the port shares its group, and before 6.4 no type of a group of several can be changed.
expected_behind()
{
    if [[ $(uname -r) == 6.1.* ]]; then echo DMA; else echo identity; fi
}

after_drivers()
{
    modprobe --all nvme e1000e
    expect 'the driver has the drive' 'nvme (null)' \
        "$(until_equal 'nvme (null)' driver_and_override "$free")"
    expect 'in the type that was set' identity "$(type_of "$free")"
    expect 'the drive behind the port' "$(expected_behind)" "$(type_of "$behind")"
    until_equal yes has_node "$free" >/dev/null
    expect 'its data' "$(cat "$expected/free")" "$(checksum "$free")"
}

has_node()
{
    [[ -b $(node_of "$1") ]] && echo yes
}

# As it is on a whole system: the daemon gives live what can be had live.
with_daemon()
{
    local daemon
    mkdir -p /run/dbus
    dbus-daemon --system --fork --nopidfile
    iommu-policyd &
    daemon=$!
    expect 'the other drive, live' DMA-FQ "$(until_equal DMA-FQ type_of "$mounted")"
    expect 'the card, live' DMA-FQ "$(until_equal DMA-FQ type_of "$card")"
    expect 'the data of the other drive' "$(cat "$expected/mounted")" "$(checksum "$mounted")"
    expect 'the drive keeps its type' identity "$(type_of "$free")"
    iommuctl list
    kill "$daemon"
}

# The port to the host (tests/vm/supervise), which udev would have named.
modprobe virtio_console
exec 9<>/dev/vport0p1
host_request up
echo "== Linux $(uname -r), $([[ -d /sys/firmware/acpi/tables ]] && echo ACPI || echo 'device tree')"
rule 30-free "Path=*/$free" identity
rule 40-behind "Path=*/$behind" identity
rule 50-others 'Any=yes' DMA-FQ
before_drivers "$@"
after_drivers
with_daemon
expect 'each drive was given to its driver once' '1 1 1' \
    "$(for address in "$free" "$mounted" "$behind"; do dmesg | grep -c "pci function $address"; done |
        xargs)"
if dmesg | grep -E 'Oops|WARNING|BUG:'; then fail 'the kernel is content' 'see above'; fi
echo "$passed passed, $failed failed"
echo "==> the script ended with $((failed > 0))"
stty -F /dev/console sane
systemctl poweroff --force --force
