# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Completion of iommuctl in bash, with the helpers of bash-completion.

# What stands for a group or a device on the machine that the line is about, one word a line.
__iommuctl_targets()
{
    iommuctl "$@" targets 2>/dev/null | cut -f 1
}

# Fills COMPREPLY with those of the words that begin as CUR does.
__iommuctl_offer()
{
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
}

_iommuctl()
{
    local cur prev words cword
    local verb='' position=0 word i types='DMA DMA-FQ identity auto'
    local -a host=()
    local -A options=(
        [list]='--tree' [set]='--no-unbind --allow --persist --reason' [check]='--root' [test]='--root'
        [rules]='--directory' [doctor]='--root' [export]='--prometheus --nfd'
    )
    local verbs='list show why plan set revert apply reload check test usage features monitor rules inhibit
        doctor export'

    # A PCI address has colons, which readline would take for the ends of words.
    _init_completion -n := || return

    for ((i = 1; i < cword; i++)); do
        word=${words[i]}
        case $word in
        -H | --host)
            host=("$word" "${words[i + 1]}")
            i=$((i + 1))
            ;;
        --host=* | -H?*)
            host=("$word")
            ;;
        --root | --directory | --allow | --reason)
            i=$((i + 1))
            ;;
        -*) ;;
        *)
            if [[ -z $verb ]]; then
                verb=$word
                # What follows is somebody else's command line.
                [[ $verb == inhibit ]] && ((cword - i > 1)) && _command_offset $((i + 2)) && return
            else
                position=$((position + 1))
            fi
            ;;
        esac
    done

    case $prev in
    -H | --host)
        _known_hosts_real -a -- "$cur"
        return
        ;;
    --root | --directory)
        _filedir -d
        return
        ;;
    --allow | --reason)
        return
        ;;
    esac

    if [[ $cur == -* ]]; then
        __iommuctl_offer "${options[${verb:-list}]:-} --help --host --json --no-ask-password --version"
        return
    fi

    case $verb:$position in
    :*)
        __iommuctl_offer "$verbs"
        ;;
    check:* | test:*)
        _filedir conf
        ;;
    rules:0)
        __iommuctl_offer generate
        ;;
    show:0 | why:0 | plan:0 | set:0 | revert:0 | usage:0 | features:0 | inhibit:0 | rules:*)
        if [[ $cur == /* ]]; then
            _filedir
        else
            __iommuctl_offer "$(__iommuctl_targets "${host[@]}")"
            __ltrim_colon_completions "$cur"
        fi
        ;;
    why:1 | plan:1 | set:1)
        __iommuctl_offer "$types"
        ;;
    esac
}

complete -F _iommuctl iommuctl
