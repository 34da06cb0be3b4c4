# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages, read as the tests need them: sections, the items of their lists, and the examples.

An example is a literal block. It is a rule file if its first line is `# /etc/iommu-policy.d/NAME.conf`,
settings if that is `# /etc/iommu-policy/daemon.conf`, and else a session: commands of a user after `$ `, of
root after `# `, each followed by all that it prints. In that, `...` stands for anything, alone in a line for
any lines, and blanks for any number of blanks. A line that begins with `\\&` is no command."""

import dataclasses
import pathlib
import re


@dataclasses.dataclass
class Command:
    text: str
    root: bool
    output: list


def unescape(line):
    """A line of a literal block as people see it."""
    return line.replace("\\&", "").replace("\\e", "\\")


@dataclasses.dataclass
class Example:
    place: str
    source: list

    @property
    def lines(self):
        return [unescape(line) for line in self.source]

    @property
    def path(self):
        """Of the file that this is, or None."""
        found = re.fullmatch(r"# (/etc/iommu-policy(?:\.d/[\w-]+\.conf|/daemon\.conf))", self.lines[0])
        return found and found[1]

    def commands(self):
        commands, more = [], False
        for line, written in zip(self.lines, self.source):
            if more:
                commands[-1].text += "\n" + line
            elif written.startswith(("$ ", "# ")):
                commands.append(Command(line[2:], line[0] == "#", []))
            else:
                assert commands, f"{self.place}: neither a file nor a command: {line}"
                commands[-1].output.append(line)
            more = line.endswith("\\") and not commands[-1].output
        return commands


def matches(expected, said):
    """Whether the lines EXPECTED are what was SAID."""
    pattern = ""
    for line in expected:
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            parts = [re.sub(r"(?:\\ )+", " +", re.escape(part)) for part in line.split("...")]
            pattern += ".*".join(parts) + r" *\n"
    return re.fullmatch(pattern, said) is not None


class Page:
    def __init__(self, path):
        self.name = pathlib.Path(path).name
        self.lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()

    def section(self, title):
        """The lines of a section or subsection, those of its subsections among them."""
        for kind, ends in ((".Sh", ".Sh "), (".Ss", (".Sh ", ".Ss "))):
            if f"{kind} {title}" in self.lines:
                start = self.lines.index(f"{kind} {title}") + 1
                end = next((i for i, line in enumerate(self.lines) if i >= start and line.startswith(ends)),
                           None)
                return self.lines[start:end]
        raise AssertionError(f"{self.name} has no section {title}")

    def items(self, title, macro, depth=None):
        """(what follows MACRO in each item of the section that begins with it, how deep in lists it
        stands)."""
        found, lists = [], 0
        for line in self.section(title):
            if line.startswith(".Bl "):
                lists += 1
            elif line == ".El":
                lists -= 1
            elif line.startswith(f".It {macro} ") and depth in (None, lists):
                found.append(line.removeprefix(f".It {macro} "))
        return found

    def examples(self):
        found = None
        for number, line in enumerate(self.lines, 1):
            assert not line.startswith((".Dl ", ".D1 ")), \
                f"{self.name}:{number}: an example is a literal block"
            if line.startswith(".Bd -literal"):
                found = Example(f"{self.name}:{number + 1}", [])
            elif line == ".Ed":
                yield found
                found = None
            elif found:
                found.source.append(line)
