# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's archive as this machine knows it, and an apt beside the machine's own for what that one does not offer: packages
# of another architecture or of a later suite. Sourced after common.sh.

# apt's own sources, as one-line entries: only Debian's, and only of this machine's release.
debian_sources()
{
    local release
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt-get indextargets --format "\$(ORIGIN) \$(CODENAME) deb \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
        'Created-By: Packages' |
        awk -v release="$release" '$1 == "Debian" && index($2, release) == 1 { $1 = $2 = ""; print substr($0, 3) }' |
        sort -u
}

# suite_sources SUITE: the same for another suite of the archive that this machine has its release from.
suite_sources()
{
    local release mirror
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(debian_sources | awk -v release="$release" '$3 == release { print $2; exit }')
    [[ -n $mirror ]] || die "apt has no package list of Debian's $release: is it among its sources, and did apt-get update run?"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main"
}

# private_apt FOLDER ARCHITECTURE [SUITE]: from here on apt is one of its own in FOLDER, for ARCHITECTURE, which touches
# neither this machine's lists nor its dpkg: with this machine's sources, or with nothing but SUITE of Debian. To be
# called in a subshell, as it exports what says so.
private_apt()
{
    local folder=$1 sources=()
    mkdir -p "$folder"/{lists/partial,cache/archives/partial}
    : >"$folder/status"
    if (( $# > 2 )); then
        suite_sources "$3" >"$folder/sources.list"
        sources=("Dir::Etc::SourceList \"$folder/sources.list\";" 'Dir::Etc::SourceParts "/dev/null";')
    fi
    cat >"$folder/apt.conf" <<CONF
APT::Architecture "$2";
#clear APT::Architectures;
APT::Architectures { "$2"; };
Dir::State "$folder";
Dir::State::Lists "$folder/lists";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
APT::Sandbox::User "root";
$(printf '%s\n' "${sources[@]}")
CONF
    export APT_CONFIG=$folder/apt.conf
    apt-get -qq update >&2
}

# newest_kernel LINE FLAVOUR: the package of the newest kernel of a line that apt knows, if there is one. 6.1: what Debian
# 12 itself runs. 6.12: the first line whose type switch works on groups of several devices, and what stable machines
# with recent hardware run. newest: whatever that is in the suites that apt was given. FLAVOUR: amd64, arm64, powerpc64le.
newest_kernel()
{
    local pattern
    case $1 in
        6.1) pattern='6\.1\.[0-9]+-[0-9]+' ;;
        6.12) pattern='6\.12\.[0-9]+\+deb12' ;;
        newest) pattern='[0-9.]+\+deb[0-9]+' ;;
    esac
    apt-cache search --names-only "^linux-image-$pattern-$2\$" | cut -d ' ' -f 1 | sort -V | tail -n 1
}

# The packages that hold the files of the kernel $1: since 7.2 they are those that its own depends on in just its version.
kernel_packages()
{
    echo "$1"
    apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' |
        { grep -oE 'linux-[^ ,]+ \(= ' || true; } | cut -d ' ' -f 1
}

# unpack_kernel KERNEL FOLDER: FOLDER/vmlinuz, FOLDER/config and FOLDER/lib/modules/VERSION, as the package KERNEL (and
# those it consists of) has them.
unpack_kernel()
{
    local version=${1#linux-image-} folder=$2 package packages unpacked
    mapfile -t packages < <(kernel_packages "$1")
    unpacked=$folder/unpacked
    mkdir -p "$unpacked" "$folder/lib/modules"
    # Without apt's own sandbox user, who may not be able to write into this folder.
    (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}" >&2)
    for package in "$folder"/*.deb; do
        dpkg-deb -x "$package" "$unpacked"
    done
    if [[ -e $unpacked/boot/vmlinuz-$version ]]; then
        mv "$unpacked/lib/modules/$version" "$folder/lib/modules/"
        mv "$unpacked/boot/vmlinuz-$version" "$folder/vmlinuz"
        mv "$unpacked/boot/config-$version" "$folder/config"
    else
        # So it is since 7.2.
        mv "$unpacked/usr/lib/modules/$version" "$folder/lib/modules/"
        mv "$folder/lib/modules/$version/vmlinuz" "$folder/"
        cp "$folder/lib/modules/$version/config" "$folder/"
    fi
    rm -rf "$unpacked" "$folder"/*.deb
}
