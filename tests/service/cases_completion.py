# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion of shells, by the shells themselves: what stands in the line after a press of TAB is what
iommuctl is called with."""

import os
import pathlib
import subprocess

from cases_client import CARD, ask, contains, run
from harness import case, equal
from terminal import Terminal

WRAPPER = """#!/bin/sh
for word; do
    [ "$word" = targets ] && exec {client} "$@"
done
printf 'called: <%s>\\n' "$*"
"""

# Typed, with a TAB at the end, and what iommuctl is called with.
LINES = {
    "mon": "monitor",
    "list --tr": "list --tree",
    "export --pro": "export --prometheus",
    "show 0000:00:06": f"show {CARD}",
    "show eth": "show eth",  # eth0 and eth1
    "usage 0000:01": "usage 0000:01:00.0",
    "set 6 iden": "set 6 identity",
    f"why {CARD} au": f"why {CARD} auto",
    "rules gen": "rules generate",
    "rules generate 0000:00:04": "rules generate 0000:00:04.0",
    "--json features 0000:01": "--json features 0000:01:00.0",
}


def put_wrapper(context):
    folder = pathlib.Path("/run/bin")
    folder.mkdir()
    (folder / "iommuctl").write_text(WRAPPER.format(client=context.options.client))
    (folder / "iommuctl").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "TERM": "dumb", "HOME": "/run",
            "LC_ALL": "C.UTF-8"}


def complete(shell, line):
    """What iommuctl is called with when LINE, a TAB and a Return have been typed."""
    shell.type(f"iommuctl {line}\t")
    shell.type("\n")
    shell.wait("called: <")
    return shell.wait(">").strip()


def check_lines(shell):
    for line, wanted in LINES.items():
        equal(complete(shell, line), wanted, line)
    shell.type("\x15exit\n")
    shell.rest()


def script(context, name):
    return f"{context.options.source}/client/completion/{name}"


@case(topology="machine")
def completion_of_bash(context):
    shell = Terminal(put_wrapper(context), "bash", "--norc", "--noprofile", "-i")
    shell.type("PS1='ready> '; bind 'set enable-bracketed-paste off'; "
               ". /usr/share/bash-completion/bash_completion; "
               f". {script(context, 'bash.sh')}; echo st''arted\n")
    shell.wait("started")
    check_lines(shell)


@case(topology="machine")
def completion_of_zsh(context):
    folder = pathlib.Path("/run/zsh")
    folder.mkdir()
    (folder / "_iommuctl").symlink_to(script(context, "zsh.zsh"))
    shell = Terminal(put_wrapper(context), "zsh", "-f", "-i")
    shell.type("PS1='ready> '; unset zle_bracketed_paste; setopt no_list_beep no_beep; "
               "fpath=(/run/zsh $fpath); "
               "autoload -Uz compinit; compinit -u -D; echo st''arted\n")
    shell.wait("started")
    check_lines(shell)


@case(topology="machine")
def completion_of_fish(context):
    variables = put_wrapper(context)

    def offered(line):
        said = subprocess.run(["fish", "--no-config", "-c",
                               f"source {script(context, 'fish.fish')}; complete -C $argv[1]",
                               f"iommuctl {line}"], env=variables, text=True, capture_output=True,
                               cwd="/run",
                              stdin=subprocess.DEVNULL, timeout=60, check=True)
        equal(said.stderr, "")
        return [word.split("\t")[0] for word in said.stdout.splitlines()]

    for line, wanted in LINES.items():
        if line != "show eth":
            equal(offered(line), [wanted.split()[-1]], line)
    equal(offered("show eth"), ["eth0", "eth1"])
    groups = [str(group["id"]) for group in ask(context)["groups"]]
    assert set(groups) <= set(offered("show ")), offered("show ")


@case(topology="machine")
def completion_knows_targets(context):
    targets = dict(line.split("\t") for line in run(context, "targets").splitlines())
    contains(targets["9"], "0000:00:1f.0, 0000:00:1f.2")
    assert CARD in targets, targets
    equal(targets["eth0"], CARD)
    equal([target["target"] for target in ask(context, "targets")["targets"]], list(targets))
    for target in targets:
        run(context, "show", target)


@case(start=False)
def completion_starts_no_daemon(context):
    contains(run(context, "targets", code=1), "systemctl enable --now iommu-policyd")
