# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of iommuctl in fish.

# The words of the line that are no options, without iommuctl itself and the host.
function __iommuctl_words
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if contains -- $word -H --host --root --directory --allow --reason
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# True if the verb is one of the ARGUMENTS after the first, and as many words follow it as the first says ("*": any).
function __iommuctl_at
    set -l words (__iommuctl_words)
    set -q words[1]; and contains -- $words[1] $argv[2..]; or return 1
    test $argv[1] = '*'; or test (count $words[2..]) = $argv[1]
end

function __iommuctl_has_no_verb
    not set -l words (__iommuctl_words); or not set -q words[1]
end

# What stands for a group or a device on the machine that the line is about: name, tab, description.
function __iommuctl_targets
    set -l line (commandline -opc)
    set -l host
    for i in (seq (count $line))
        switch $line[$i]
            case -H --host
                set host --host=$line[(math $i + 1)]
            case '--host=*'
                set host $line[$i]
        end
    end
    iommuctl $host targets 2>/dev/null
end

complete -c iommuctl -f
complete -c iommuctl -s h -l help -d 'Show how it is used'
complete -c iommuctl -s H -l host -x -a '(__fish_print_hostnames)' -d 'Ask the daemon of another machine'
complete -c iommuctl -l json -d 'Print JSON'
complete -c iommuctl -l no-ask-password -d 'Do not ask for a password'
complete -c iommuctl -l version -d 'Print the version'

complete -c iommuctl -n __iommuctl_has_no_verb -a list -d 'List the IOMMU groups'
complete -c iommuctl -n __iommuctl_has_no_verb -a show -d 'Show one group and its devices'
complete -c iommuctl -n __iommuctl_has_no_verb -a why -d 'Explain the type of a group'
complete -c iommuctl -n __iommuctl_has_no_verb -a plan -d 'Show what a change would do'
complete -c iommuctl -n __iommuctl_has_no_verb -a set -d 'Switch a group to another type'
complete -c iommuctl -n __iommuctl_has_no_verb -a revert -d 'Drop what set asked for, back to the rules'
complete -c iommuctl -n __iommuctl_has_no_verb -a apply -d 'Look at every group again and apply the rules'
complete -c iommuctl -n __iommuctl_has_no_verb -a reload -d 'Read the rule files again'
complete -c iommuctl -n __iommuctl_has_no_verb -a check -d 'Check rule files, without the daemon'
complete -c iommuctl -n __iommuctl_has_no_verb -a test -d 'Show what rule files would decide here'
complete -c iommuctl -n __iommuctl_has_no_verb -a usage -d 'Show what uses the devices of a group'
complete -c iommuctl -n __iommuctl_has_no_verb -a features -d 'Show what devices and their IOMMU can do'
complete -c iommuctl -n __iommuctl_has_no_verb -a monitor -d 'Follow what happens'
complete -c iommuctl -n __iommuctl_has_no_verb -a rules -d 'List the rule files in force, or write some'
complete -c iommuctl -n __iommuctl_has_no_verb -a inhibit -d 'Run a command while rules leave a group alone'
complete -c iommuctl -n __iommuctl_has_no_verb -a doctor -d 'Tell what is wrong, why it matters and what to do'
complete -c iommuctl -n __iommuctl_has_no_verb -a export -d 'Print figures for monitoring, or labels for Kubernetes'

complete -c iommuctl -n '__iommuctl_at 0 show why plan set revert usage features inhibit' -F -a '(__iommuctl_targets)'
complete -c iommuctl -n '__iommuctl_at 1 why plan set' -a DMA -d 'translated, strict'
complete -c iommuctl -n '__iommuctl_at 1 why plan set' -a DMA-FQ -d 'translated, lazily flushed'
complete -c iommuctl -n '__iommuctl_at 1 why plan set' -a identity -d 'not translated'
complete -c iommuctl -n '__iommuctl_at 1 why plan set' -a auto -d "the kernel's own choice"
complete -c iommuctl -n '__iommuctl_at 0 rules' -a generate -d 'Rules of what is set now'
complete -c iommuctl -n '__iommuctl_at "*" rules; and not __iommuctl_at 0 rules' -a '(__iommuctl_targets)'
complete -c iommuctl -n '__iommuctl_at "*" check test' -F

complete -c iommuctl -n '__iommuctl_at "*" list' -l tree -d 'Show the devices as they are connected'
complete -c iommuctl -n '__iommuctl_at "*" set' -l no-unbind -d 'Only without unbinding a driver'
complete -c iommuctl -n '__iommuctl_at "*" set' -l allow -x -d 'Go ahead in spite of this finding'
complete -c iommuctl -n '__iommuctl_at "*" set' -l persist -d 'Also write a rule file'
complete -c iommuctl -n '__iommuctl_at "*" set' -l reason -x -d 'For the journal and the rule file'
complete -c iommuctl -n '__iommuctl_at "*" check test doctor' -l root -x -a '(__fish_complete_directories)' -d 'Take this directory for /'
complete -c iommuctl -n '__iommuctl_at "*" rules' -l directory -x -a '(__fish_complete_directories)' -d 'Write the files there'
complete -c iommuctl -n '__iommuctl_at "*" export' -l prometheus -d 'Figures for Prometheus'
complete -c iommuctl -n '__iommuctl_at "*" export' -l nfd -d 'Labels for Node Feature Discovery'
