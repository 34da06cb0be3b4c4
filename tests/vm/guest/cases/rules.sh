# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Rules at work on real drives.

case_rules_switch_an_idle_drive()
{
    local sum
    sum=$(fill_drive "$free")
    printf '[Match]\nSerial=FREE\n[Policy]\nType=identity\nUnbind=idle\n' >"$rules/50-idle.conf"
    iommuctl reload
    wait_until 60 is_settled "$free" identity
    is 'the data' "$(drive_checksum "$free")" "$sum"
    is 'the type of the other drive' "$(type_of "$mounted")" DMA-FQ
}

case_full_rules_unbind_nothing_without_leave()
{
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\n' >"$rules/50-never.conf"
    iommuctl reload
    # If the early pass of this boot came before the driver of the drive, that of the next one will. Of a
    # drive that has been plugged in since, as other cases do it, nobody knows.
    if grep -qx "unbound=$(stat -c %i "/sys/bus/pci/devices/$free/")" /run/iommu-policy/early/host; then
        wait_until 30 is_pending_for "$free" next-boot
    else
        wait_until 30 is_pending_for "$free" unbind-not-allowed
    fi
    is 'the type' "$(type_of "$free")" DMA-FQ
    # It knows early keys alone.
    printf '[Match]\nDriver=nvme\n[Policy]\nType=identity\n' >"$rules/50-never.conf"
    iommuctl reload
    wait_until 30 is_pending_for "$free" unbind-not-allowed
    is 'the type' "$(type_of "$free")" DMA-FQ
}

case_rules_wait_for_the_unmount()
{
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\nUnbind=idle\nAccept=signature\n' \
        >"$rules/50-idle.conf"
    iommuctl reload
    wait_until 60 is_pending_for "$free" in-use
    is 'the type' "$(type_of "$free")" DMA-FQ
    umount /mnt
    wait_until 90 is_settled "$free" identity
    mount "$(node_of "$free")" /mnt
    umount /mnt
}

case_full_rules_forbid_binds_calls_too()
{
    printf '[Match]\nClass=nvme\n[Policy]\nForbid=identity\n' >"$rules/50-forbid.conf"
    iommuctl reload
    refused Forbidden switch "$free" identity
    is 'the type' "$(type_of "$free")" DMA-FQ
    switch "$free" DMA
}

case_full_rules_tighten_live_only_where_it_is_possible()
{
    switch "$free" DMA
    printf '[Match]\nSerial=FREE\n[Policy]\nType=DMA-FQ\n' >"$rules/50-lazy.conf"
    switch "$free" ''
    iommuctl reload
    wait_until 60 is_settled "$free" DMA-FQ
}

case_rules_broken_file_keeps_the_old_set()
{
    local status=0
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\n' >"$rules/50-good.conf"
    iommuctl reload
    printf '[Match]\nClass=nvme\n[Policy]\nType=dma\n' >"$rules/60-bad.conf"
    iommuctl reload >/run/reload 2>&1 || status=$?
    [[ $status != 0 ]] || fail 'the reload gave 0'
    grep -q '60-bad\.conf:4:' /run/reload || fail "$(cat /run/reload)"
    is 'State' "$(manager_property State)" frozen
    grep -qF 50-good.conf <<<"$(group_property "$free" WantedBy)"
    rm "$rules/60-bad.conf"
    iommuctl reload
    is 'State' "$(manager_property State)" running
}

case_full_rules_bad_files_on_disk_at_start()
{
    local file
    printf '\x7fELF\0\1\2' >"$rules/10-binary.conf"
    : >"$rules/20-empty.conf"
    printf '[Match]\nAny=yes\n[Policy]\nType=identity\nUnbind=idle\n' >"$rules/30-others.conf"
    chown tester "$rules/30-others.conf"
    printf '[Match]\nGroup=7\n[Policy]\nType=identity\n' >"$rules/40-number.conf"
    head -c 1M /dev/zero >"$rules/50-big.conf"
    mkfifo "$rules/60-fifo.conf"
    systemctl restart iommu-policyd.service
    is 'State' "$(manager_property State)" frozen
    manager_call Reload >/run/reload
    for file in 10-binary 20-empty 30-others 40-number 50-big 60-fifo; do
        grep -qF "$file.conf" /run/reload || fail "$file.conf was not reported: $(cat /run/reload)"
    done
    is 'the type' "$(type_of "$free")" DMA-FQ
}
