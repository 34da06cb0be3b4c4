# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What stands in the real journal and in the real kernel's audit log.

change_done=53dd8aaadb1a4f418abc56636b4705a8
refused=a0072ac1c07c4c6bbb8c4815f5a6fbd6

# newest_entry MATCH…: the daemon's newest entry that matches, all its fields, one a line.
newest_entry()
{
    journalctl --sync
    journalctl --boot --quiet --no-pager --output export --lines 1 _SYSTEMD_UNIT=iommu-policyd.service "$@"
}

# has_fields ENTRY FIELD=VALUE…
has_fields()
{
    local entry=$1 field
    shift
    for field; do
        grep -qxF -e "$field" <<<"$entry" || fail "no $field in: $entry"
    done
}

# audit_has WORD…: among the audit records is one of ours with all of the words.
audit_has()
{
    local word records
    records=$(journalctl --boot --quiet --no-pager --output cat _TRANSPORT=audit | tr -d '\0' |
        grep -a 'op=iommu-') ||
        fail 'there is no audit record'
    for word; do
        records=$(grep -aF -e "$word" <<<"$records") ||
            fail "no audit record has \"$word\" and what was asked before"
    done
}

# The sandboxed unit may write audit records, and the kernel takes them.
case_journal_change()
{
    local entry
    journalctl --update-catalog
    switch "$free" identity "{'reason': <'a test'>}"
    entry=$(newest_entry MESSAGE_ID=$change_done IOMMU_DEVICE="$free")
    # journald knows more of the caller than we do: its name.
    has_fields "$entry" IOMMU_FROM=DMA-FQ IOMMU_TO=identity IOMMU_HOW=disruptive IOMMU_UID=0 \
        'IOMMU_REASON=a test' \
        IOMMU_RESULT=done OBJECT_COMM=gdbus
    grep -q "^IOMMU_STEP=[0-9]* unbind $free\$" <<<"$entry" || fail "no step in: $entry"
    audit_has op=iommu-change "iommu_device=\"$free\"" 'iommu_to="identity"' \
        'exe="/usr/lib/iommu-policy/iommu-policyd"' res=success
    journalctl --boot --no-pager --catalog --lines 1 \
        MESSAGE_ID=$change_done IOMMU_DEVICE="$free" >/run/explained
    grep -q 'The group was switched from DMA-FQ to identity' /run/explained || fail "$(cat /run/explained)"
}

case_full_journal_refusal_of_a_stranger()
{
    local entry
    not as_user 1000 iommuctl --no-ask-password set "$free" identity
    entry=$(newest_entry MESSAGE_ID=$refused IOMMU_DEVICE="$free")
    has_fields "$entry" IOMMU_UID=1000 IOMMU_TO=identity IOMMU_RESULT=InteractiveAuthorizationRequired
    audit_has op=iommu-refuse 'iommu_uid="1000"' "iommu_device=\"$free\"" res=failed
}

case_full_journal_reload_through_the_unit()
{
    systemctl reload iommu-policyd.service
    has_fields "$(newest_entry MESSAGE_ID=20bfcfa4f1a34e90a94746fe0a223833)" IOMMU_UID=0 IOMMU_ERRORS=0
}
