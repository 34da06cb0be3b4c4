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
