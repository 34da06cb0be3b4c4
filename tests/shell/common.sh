# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scripts of this tree share. Sourced with $tree set to the top of the tree.

say()
{
    printf '==> %s\n' "$*" >&2
}

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root()
{
    [[ $(id -u) -eq 0 ]] || die "this has to run as root (it installs Debian packages): try sudo $0"
}

# The names in a list of tests/packages, without comments.
package_list()
{
    local list
    for list; do
        sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "${tree:?}/tests/packages/$list"
    done | sort -u
}

# Packages of which the tests want the programs; what they would also start is not for this machine: a web
# console and a database that listen on a port.
services_of()
{
    local package
    for package; do
        case $package in
            cockpit-ws) echo cockpit.socket ;;
            prometheus) echo prometheus.service ;;
        esac
    done
}

# Installs what the named lists ask for and is not there yet. Nothing is fetched when nothing is missing, and
# no service of what is new listens, now or after the next boot.
install_packages()
{
    local package missing=() services=() status=0

    while read -r package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done < <(package_list "$@")
    (( ${#missing[@]} )) || return 0
    need_root
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    mkdir -p "$tree/.cache"
    [[ ! -d /run/systemd/system ]] || mapfile -t services < <(services_of "${missing[@]}")
    (( ! ${#services[@]} )) || systemctl --quiet --runtime mask "${services[@]}"
    fetch_and_install "${missing[@]}" || status=$?
    if (( ${#services[@]} )); then
        systemctl --quiet --runtime unmask "${services[@]}"
        (( status )) || systemctl --quiet disable "${services[@]}"
    fi
    (( ! status )) || { tail -n 30 "$tree/.cache/apt.log" >&2; die 'apt-get could not install them'; }
}

fetch_and_install()
{
    if apt-cache show "$@" >/dev/null 2>&1 && apt_install "$@"; then
        return 0
    fi
    # Not known here yet, or known in a version that the archive has replaced.
    say 'fetching the package lists'
    apt-get -qq update || say 'apt-get update met an error; going on with the lists it could fetch'
    apt_install "$@"
}

# Recommended packages are left out: they would bring desktop parts of QEMU and a mail server.
apt_install()
{
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 \
        install "$@" >"$tree/.cache/apt.log" 2>&1
}

# build_project DIR [OPTION…]: configures DIR if it is new or its options differ, and builds it.
# A directory is always configured for the paths of the installed system, as units and D-Bus files name them.
build_project()
{
    local dir=$1 options
    shift
    options="--prefix=/usr --sysconfdir=/etc --localstatedir=/var $*"
    if [[ ! -f $dir/build.ninja || $(cat "$dir/options" 2>/dev/null) != "$options" ]]; then
        rm -rf "$dir"
        # The options are words without blanks.
        # shellcheck disable=SC2086
        meson setup "$dir" "$tree" $options >"$dir.log" 2>&1 ||
            { cat "$dir.log" >&2; die "meson could not configure $dir"; }
        mv "$dir.log" "$dir/configure.log"
        printf '%s\n' "$options" >"$dir/options"
    fi
    ninja -C "$dir" >"$dir/build.log" 2>&1 ||
        { tail -n 60 "$dir/build.log" >&2; die "the build failed in $dir"; }
}
