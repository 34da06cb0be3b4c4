# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: external
# A drive behind a port that leads out of the machine: whoever asks, and however, it is translated strictly.
# That it is we who refuse, and not the kernel alone, is shown by asking the kernel itself.

hot_has_driver()
{
    hot=$(address_of HOT) && [[ $(driver_of "$hot") == nvme ]]
}

plug_external_drive()
{
    host_request plug
    trap 'host_request unplug; end_helpers' EXIT
    wait_until 60 hot_has_driver
    is 'what the kernel says of the drive' "$(<"/sys/bus/pci/devices/$hot/removable")" removable
    is 'its first type' "$(type_of "$hot")" DMA
}

write_rule()
{
    printf '[Match]\nAddress=%s\n[Policy]\n%s\nUnbind=idle\nAccept=signature\n' "$hot" "$2" >"$rules/$1.conf"
}

# The kernel's word for why it does not take the type $1 of the drive; "taken" if it does.
kernel_answer()
{
    local said
    if said=$({ printf '%s' "$1" >"/sys/bus/pci/devices/$hot/iommu_group/type"; } 2>&1); then
        echo taken
    else
        echo "${said##*: }"
    fi
}

judged_by_kernel()
{
    [[ $(group_property "$hot" WantedBy) == kernel && $(group_property "$hot" State) == settled ]]
}

case_full_untrusted_is_not_relaxed_by_rule_or_call()
{
    local type
    plug_external_drive
    is 'what may be asked for' "$(group_property "$hot" SettableTypes)" '2 "DMA" "auto"'
    for type in DMA-FQ identity; do
        write_rule 50-hot "Type=$type"
        iommuctl reload
        wait_until 60 judged_by_kernel
        is 'the conflict' "$(group_property "$hot" Conflict)" true
        is "the type under a rule for $type" "$(type_of "$hot")" DMA
        iommuctl why "$hot" >/run/why || true
        grep -q 'kernel forces DMA' /run/why || fail "why: $(</run/why)"
        grep -q '50-hot.conf' /run/why || fail "why: $(</run/why)"
        refused Forbidden switch "$hot" "$type"
        [[ $refusal == *"$hot"* ]] || fail "the drive is not named: $refusal"
        group_call "$hot" Plan "$type" '{}' >/run/plan
        grep -q "^('refused'" /run/plan || fail "plan: $(</run/plan)"
        iommuctl apply >/dev/null || true
        is "the type after a call for $type" "$(type_of "$hot")" DMA
        is 'the driver' "$(driver_of "$hot")" nvme
    done
    # It comes again while the rule is in force.
    host_request unplug
    host_request plug
    wait_until 60 hot_has_driver
    wait_until 60 judged_by_kernel
    is 'the type of the drive that came again' "$(type_of "$hot")" DMA
    # Forbidding both changes nothing: it has what is left.
    write_rule 50-hot 'Forbid=identity DMA-FQ'
    iommuctl reload
    wait_until 60 judged_by_kernel
    is 'the type' "$(type_of "$hot")" DMA
    is 'the changes done to it' "$(journalctl --boot --quiet --no-pager --output cat "IOMMU_DEVICE=$hot" \
        MESSAGE_ID=53dd8aaadb1a4f418abc56636b4705a8 | wc -l)" 0
}

case_full_untrusted_is_not_relaxed_by_the_early_pass()
{
    local type
    plug_external_drive
    systemctl stop iommu-policyd.service
    for type in DMA-FQ identity; do
        write_rule 50-hot "Type=$type"
        systemctl restart iommu-policy-early.service
        is "the type with its driver, asked for $type" "$(type_of "$hot")" DMA
        echo "$hot" >"/sys/bus/pci/devices/$hot/driver/unbind"
        systemctl restart iommu-policy-early.service
        is "the type without a driver, asked for $type" "$(type_of "$hot")" DMA
        echo "$hot" >/sys/bus/pci/drivers/nvme/bind
    done
}

# What the kernel would do if it was asked: since 6.4 it takes DMA-FQ, live. Nothing but us stands against
# that.
case_full_untrusted_the_kernel_itself()
{
    local live=taken lazy=DMA-FQ
    plug_external_drive
    if [[ $(kernel_generation) == 6.1 ]]; then live='Invalid argument' lazy=DMA; fi
    refused Forbidden switch "$hot" DMA-FQ
    systemctl stop iommu-policyd.service
    is "the kernel's answer to DMA-FQ" "$(kernel_answer DMA-FQ)" "$live"
    is 'the type then' "$(type_of "$hot")" "$lazy"
    echo "figure: the kernel itself, asked for DMA-FQ: $live; iommu-policyd: Forbidden"
    echo "$hot" >"/sys/bus/pci/devices/$hot/driver/unbind"
    is "the kernel's answer to identity" "$(kernel_answer identity)" 'Invalid argument'
    is "the kernel's answer to DMA" "$(kernel_answer DMA)" taken
    is 'the type in the end' "$(type_of "$hot")" DMA
}
