#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs the cases of cases/*.sh in this machine, each in a process of its own, and reports each in one line:
# "ok NAME" or "FAIL NAME reason".
#   cases.sh [--full] [NAME…]      NAME: a case, or a file of cases without its .sh; * stands for anything
# --full kills at 20 moments instead of 5, and runs the cases named full_…

cd "$(dirname "$0")" || exit 1
full=no
[[ ${1-} != --full ]] || { full=yes; shift; }
export full
declare -i passed=0 failed=0 left_out=0
times=()

cases_in()
{
    sed -n 's/^case_\([a-z0-9_]*\)()$/\1/p' "$1"
}

wanted()
{
    local file=$1 name=$2 word
    shift 2
    [[ $full == yes || $name != full_* ]] || { left_out+=1; return 1; }
    (( $# )) || return 0
    for word; do
        # shellcheck disable=SC2053
        [[ $name != $word && $file != $word ]] || return 0
    done
    return 1
}

run_case()
{
    local file=$1 name=$2 log started=$SECONDS
    log=$(mktemp)
    if timeout --foreground 400 bash ./run-case "$file" "$name" >"$log" 2>&1; then
        printf 'ok %s (%d s)\n' "$name" $((SECONDS - started))
        grep '^figure: ' "$log" | sed 's/^/   /'
        passed+=1
    else
        printf 'FAIL %s %s\n' "$name" "$(tail -n 1 "$log")"
        sed 's/^/   | /' "$log"
        journalctl --boot --no-pager --output short-monotonic --unit iommu-policyd.service --lines 15 | sed 's/^/   j /'
        failed+=1
    fi
    times+=("$((SECONDS - started)) s $name")
    rm -f "$log"
}

for file in cases/*.sh; do
    for name in $(cases_in "$file"); do
        wanted "$(basename "$file" .sh)" "$name" "$@" && run_case "$file" "$name"
    done
done

printf 'all cases took %d s; the slowest: %s\n' "$SECONDS" \
    "$(printf '%s\n' "${times[@]}" | sort -rn | head -n 5 | paste -sd , | sed 's/,/, /g')"
(( left_out == 0 )) || printf 'left out (they belong to --full): %d\n' "$left_out"
[[ $full == yes ]] || echo 'the kill cases tried 5 moments each; --full tries 20'
printf '%d passed, %d failed\n' "$passed" "$failed"
(( failed == 0 && passed > 0 ))
