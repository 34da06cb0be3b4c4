# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/vm/cross/build does to the unpacked packages of a machine, in place of their own scripts, which are
# for a processor that this machine does not have. Sourced.

# Users and groups: Debian's fixed ones, those that the packages would have made, and "tester", a person without a
# session.
write_users()
{
    local root=$1
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    sed -i 's/^root:[^:]*:/root::/' "$root/etc/passwd"
    cat >>"$root/etc/passwd" <<TXT
messagebus:x:100:100::/nonexistent:/usr/sbin/nologin
polkitd:x:101:101::/nonexistent:/usr/sbin/nologin
systemd-network:x:102:102::/run/systemd:/usr/sbin/nologin
tester:x:1000:1000::/home/tester:/bin/bash
TXT
    cat >>"$root/etc/group" <<TXT
messagebus:x:100:
polkitd:x:101:
systemd-network:x:102:
systemd-journal:x:103:
input:x:104:
kvm:x:105:
render:x:106:
sgx:x:107:
tester:x:1000:
TXT
    printf 'passwd: files\ngroup: files\nhosts: files\n' >"$root/etc/nsswitch.conf"
}

write_settings()
{
    local root=$1
    echo iommu-test >"$root/etc/hostname"
    printf '127.0.0.1 localhost iommu-test\n' >"$root/etc/hosts"
    : >"$root/etc/fstab"
    # One that is there: its absence would make this the machine's first boot, with more to do.
    echo 4b1d6f1b8a0c4f6f9a3e0c5d7e2f1a90 >"$root/etc/machine-id"
    ln -sfn multi-user.target "$root/usr/lib/systemd/system/default.target"
}

# Nothing may delay or disturb a run: no login prompts, no timers, no caches made at each boot, no clock to be set.
mask_units()
{
    local root=$1 unit
    mkdir -p "$root/etc/systemd/system"
    for unit in getty@.service serial-getty@.service systemd-hwdb-update.service ldconfig.service \
        systemd-journal-catalog-update.service systemd-update-done.service systemd-random-seed.service \
        systemd-pstore.service systemd-sysusers.service systemd-update-utmp.service \
        systemd-update-utmp-runlevel.service systemd-journal-flush.service systemd-user-sessions.service \
        systemd-logind.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
        sys-kernel-tracing.mount sys-fs-fuse-connections.mount modprobe@.service e2scrub_reap.service e2scrub_all.timer fstrim.timer dpkg-db-backup.timer apt-daily.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/etc/udev/rules.d"
    ln -sf /dev/null "$root/etc/udev/rules.d/85-hwclock.rules"
}

# What no case reads: half of the whole.
remove_needless()
{
    local root=$1
    rm -rf "$root"/usr/share/{doc,man,locale,info,bash-completion,zsh,lintian,perl,perl5,i18n,common-licenses,zoneinfo} \
        "$root"/usr/lib/udev/hwdb.d "$root"/usr/lib/systemd/catalog "$root"/usr/lib/*/{perl,perl-base,gconv} \
        "$root"/usr/bin/perl* "$root"/usr/lib/*/libperl.so*
}

# configure_root ROOT
configure_root()
{
    local root=$1
    mkdir -p "$root"/{dev,proc,sys,run,tmp,root,home/tester,mnt,var/{log,tmp,lib/polkit-1}}
    chmod 755 "$root"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    ln -sfn /run "$root/var/run"
    ln -sfn /run/lock "$root/var/lock"
    ln -sfn usr/lib/systemd/systemd "$root/init"
    write_users "$root"
    write_settings "$root"
    mask_units "$root"
    remove_needless "$root"
    # As the package's script does it: it starts services for others, as root. The group is messagebus.
    chmod 4754 "$root/usr/lib/dbus-1.0/dbus-daemon-launch-helper"
}
