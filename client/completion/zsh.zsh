#compdef iommuctl
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of iommuctl in zsh.

# What stands for a group or a device on the machine that the line is about: name, tab, description.
__iommuctl_target()
{
    local -a host targets
    local line

    if [[ $PREFIX == /* ]]; then
        _files
        return
    fi
    (( ${+opt_args[--host]} )) && host=(--host=${opt_args[--host]})
    (( ${+opt_args[-H]} )) && host=(--host=${opt_args[-H]})
    for line in ${(f)"$(iommuctl $host targets 2>/dev/null)"}; do
        targets+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe -t targets 'group or device' targets
}

__iommuctl_type()
{
    local -a types=(
        'DMA:translated, strict'
        'DMA-FQ:translated, lazily flushed'
        'identity:not translated'
        "auto:the kernel's own choice"
    )

    _describe -t types 'domain type' types
}

__iommuctl_verb()
{
    local -a verbs=(
        'list:List the IOMMU groups'
        'show:Show one group and its devices'
        'why:Explain the type of a group'
        'plan:Show what a change would do'
        'set:Switch a group to another type'
        'revert:Drop what set asked for, back to the rules'
        'apply:Look at every group again and apply the rules'
        'reload:Read the rule files again'
        'check:Check rule files, without the daemon'
        'test:Show what rule files would decide here'
        'usage:Show what uses the devices of a group'
        'features:Show what devices and their IOMMU can do'
        'monitor:Follow what happens'
        'rules:List the rule files in force, or write some'
        'inhibit:Run a command while rules leave a group alone'
        'doctor:Tell what is wrong, why it matters and what to do'
        'export:Print figures for monitoring, or labels for Kubernetes'
    )

    _describe -t verbs 'verb' verbs
}

_iommuctl()
{
    local curcontext=$curcontext state line ret=1
    local -A opt_args
    local -a common=(
        '(-h --help)'{-h,--help}'[show how it is used]'
        '(-H --host)'{-H+,--host=}'[ask the daemon of another machine]:host:_hosts'
        '--json[print JSON]'
        '--no-ask-password[do not ask for a password]'
        '--version[print the version]'
    )

    _arguments -C $common '1: :__iommuctl_verb' '*:: :->arguments' && ret=0
    [[ $state == arguments ]] || return ret

    curcontext=${curcontext%:*:*}:iommuctl-$words[1]:
    case $words[1] in
    list)
        _arguments $common '--tree[show the devices as they are connected]' && ret=0
        ;;
    show | revert | usage | features)
        _arguments $common '1: :__iommuctl_target' && ret=0
        ;;
    why | plan)
        _arguments $common '1: :__iommuctl_target' '2: :__iommuctl_type' && ret=0
        ;;
    set)
        _arguments $common '1: :__iommuctl_target' '2: :__iommuctl_type' \
            '--no-unbind[only without unbinding a driver]' \
            '*--allow=[go ahead in spite of this finding]:finding: ' \
            '--persist[also write a rule file]' \
            '--reason=[for the journal and the rule file]:text: ' && ret=0
        ;;
    check | test)
        _arguments $common '--root=[take this directory for /]:directory:_directories' \
            '*:rule file:_files -g "*.conf"' && ret=0
        ;;
    rules)
        _arguments $common '--directory=[write the files there]:directory:_directories' '1:what:(generate)' \
            '*: :__iommuctl_target' && ret=0
        ;;
    inhibit)
        _arguments $common '1: :__iommuctl_target' '*:: :_normal' && ret=0
        ;;
    doctor)
        _arguments $common '--root=[take this directory for /]:directory:_directories' && ret=0
        ;;
    export)
        _arguments $common '--prometheus[figures for Prometheus]' '--nfd[labels for Node Feature Discovery]' && ret=0
        ;;
    *)
        _arguments $common && ret=0
        ;;
    esac
    return ret
}

_iommuctl "$@"
