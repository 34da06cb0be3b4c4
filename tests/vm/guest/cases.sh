#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs the cases of cases/*.sh in this machine, each in a process of its own, and reports each in one line:
# "ok NAME" or "FAIL NAME reason".
#   cases.sh [--full] [NAME…]      NAME: a case, or a file of cases without its .sh; * stands for anything
# --full runs the cases named full_…, too
# A file that says "# machine: amd", "# machine: initramfs", "# machine: external", "# machine: neighbours", "# kernel: 6.1" or
# "# kernel: iommufd" is for such a machine only (tests/vm/run --iommu, --initramfs, --external, --neighbours, --kernel). The
# cases of one that says "# as booted" find the machine as the boot, and the case before, has left it. The last line but one
# judges what the kernel said during all.

cd "$(dirname "$0")" || exit 1
full=no
[[ ${1-} != --full ]] || { full=yes; shift; }
export full
declare -i passed=0 failed=0 left_out=0 elsewhere=0
declare -A met=()
times=()

cases_in()
{
    sed -n 's/^case_\([a-z0-9_]*\)()$/\1/p' "$1"
}

# for_this_machine FILE
for_this_machine()
{
    local machine=intel wanted
    [[ ! -e /sys/class/iommu/ivhd0 ]] || machine=amd
    [[ $(findmnt -no SOURCE /) != /dev/nvme* ]] || machine=initramfs
    ! grep -qs EXTPORT /sys/firmware/acpi/tables/SSDT* || machine=external
    [[ ! -x /usr/sbin/driverctl ]] || machine=neighbours
    wanted=$(sed -n 's/^# machine: //p' "$1")
    [[ ${wanted:-$machine} == "$machine" ]] || return 1
    wanted=$(sed -n 's/^# kernel: //p' "$1")
    [[ -z $wanted || $(uname -r) == "$wanted".* || $(uname -r) == *-"$wanted" ]]
}

wanted()
{
    local file=$1 name=$2 word asked=1
    shift 2
    [[ $full == yes || $name != full_* ]] || { left_out+=1; return 1; }
    (( $# )) || return 0
    for word; do
        # shellcheck disable=SC2053
        [[ $name != $word && $file != $word ]] || { met[$word]=yes; asked=0; }
    done
    return "$asked"
}

# A word that no case goes by is a mistake, and would pass unseen beside others.
judge_words()
{
    local word
    for word; do
        [[ -z ${met[$word]-} ]] || continue
        printf 'FAIL no case for this machine is called "%s"\n' "$word"
        failed+=1
    done
}

run_case()
{
    local file=$1 name=$2 log limit=400 started=$SECONDS
    log=$(mktemp)
    # The long ones belong to --full.
    [[ $name != full_* ]] || limit=1800
    if timeout --foreground "$limit" bash ./run-case "$file" "$name" >"$log" 2>&1; then
        printf 'ok %s (%d s)\n' "$name" $((SECONDS - started))
        grep '^figure: ' "$log" | sed 's/^/   /'
        passed+=1
    else
        printf 'FAIL %s %s\n' "$name" "$(tail -n 1 "$log")"
        sed 's/^/   | /' "$log"
        journalctl --boot --no-pager --output short-monotonic --unit iommu-policyd.service --lines 25 |
            sed 's/^/   j /'
        timeout 20 iommuctl list 2>&1 | sed 's/^/   l /'
        ps -C iommu-policyd -o pid,stat,wchan:32,etimes,args | sed 's/^/   p /'
        failed+=1
    fi
    times+=("$((SECONDS - started)) s $name")
    rm -f "$log"
}

# A kernel that has met a bug of its own has failed, whatever the cases saw of it.
judge_kernel_log()
{
    local bugs
    bugs=$(journalctl --boot --dmesg --no-pager --output short-monotonic |
        grep -E 'Oops|kernel BUG|BUG: |WARNING: |general protection fault|unable to handle|refcount_t: ')
    if [[ -z $bugs ]]; then
        echo 'ok kernel_log without oops, bug or warning'
        passed+=1
    else
        printf 'FAIL kernel_log %s\n' "${bugs%%$'\n'*}"
        journalctl --boot --dmesg --no-pager --output short-monotonic | tail -n 100 | sed 's/^/   k /'
        failed+=1
    fi
}

for file in cases/*.sh; do
    if ! for_this_machine "$file"; then
        elsewhere+=$(cases_in "$file" | wc -l)
        continue
    fi
    for name in $(cases_in "$file"); do
        wanted "$(basename "$file" .sh)" "$name" "$@" && run_case "$file" "$name"
    done
done

judge_words "$@"
judge_kernel_log
printf 'all cases took %d s; the slowest: %s\n' "$SECONDS" \
    "$(printf '%s\n' "${times[@]}" | sort -rn | head -n 5 | paste -sd , | sed 's/,/, /g')"
(( left_out == 0 )) || printf 'left out (they belong to --full): %d\n' "$left_out"
(( elsewhere == 0 )) || printf 'left out (they are for another machine): %d\n' "$elsewhere"
[[ $full == yes ]] || echo 'the kill cases tried 5 moments each; --full tries 100, and 100 for both together'
printf '%d passed, %d failed\n' "$passed" "$failed"
# The judgement of the kernel log alone is no case.
(( failed == 0 && passed > 1 ))
