# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of the matrix, machine by case: what a machine has said, judged and printed. The text does not
depend on when, or on how busy a computer, it was made."""
import dataclasses

VERDICTS = ('pass', 'refused', 'not-possible', 'FAIL')
KERNEL_LOG = 'kernel_log'


@dataclasses.dataclass
class Result:
    """What one machine has said."""
    platform: str
    kernel: str
    version: str = ''
    cells: dict = dataclasses.field(default_factory=dict)       # case -> (verdict, text)
    answers: list = dataclasses.field(default_factory=list)     # of the kernel, sorted
    death: str = ''                                             # how it ended, if not well

    def failed(self):
        return bool(self.death) or any(verdict == 'FAIL' for verdict, _ in self.cells.values())


def read(platform, kernel, log, status):
    """The Result of a machine that has written LOG and ended with STATUS."""
    result = Result(platform, kernel)
    answers = set()
    for line in log.splitlines():
        kind, _, rest = line.partition(' ')
        if kind == 'matrix-kernel':
            result.version = rest
        elif kind == 'answer':
            answers.add(rest)
        elif kind == 'matrix':
            case, verdict, text = [*rest.split(' ', 2), '', ''][:3]
            result.cells[case] = (verdict, text) if verdict in VERDICTS else ('FAIL', f'no verdict: {rest}')
    result.answers = sorted(answers)
    # Its last line is about the kernel's log. A machine that failed a case ends with 1, one that died with
    # another.
    if KERNEL_LOG not in result.cells:
        result.death = f'it died (status {status})'
    elif status != 0 and not any(verdict == 'FAIL' for verdict, _ in result.cells.values()):
        result.death = f'it ended with status {status}'
    return result


def impossible(platform, kernel, reason, cases):
    """The Result of a machine that cannot be."""
    return Result(platform, kernel, cells={case: ('not-possible', reason) for case in [*cases, KERNEL_LOG]})


def problems(result, cases):
    """What is wrong with a machine, as lines."""
    lines = [f'{case}: no verdict' for case in [*cases, KERNEL_LOG] if case not in result.cells]
    lines += [f'{case}: FAIL {text}' for case, (verdict, text) in result.cells.items() if verdict == 'FAIL']
    lines += [f'{case}: there is no such case' for case in result.cells if case not in [*cases, KERNEL_LOG]]
    if result.death:
        lines.append(result.death)
    return [f'{result.platform}, {result.kernel}: {line}' for line in lines]


class Notes:
    """Texts by number, in the order in which they are first needed."""

    def __init__(self):
        self.texts = []

    def number(self, text):
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def lines(self):
        return [f'{number}. {text}' for number, text in enumerate(self.texts, 1)]


def cell(result, case, notes):
    """`pass`, `refused 3`, `– 1`, `FAIL`, or `FAIL: empty`."""
    verdict, text = result.cells.get(case, ('empty', ''))
    if verdict == 'refused':
        return f'refused {notes.number(text)}'
    if verdict == 'not-possible':
        return f'– {notes.number(text)}'
    return {'pass': 'pass', 'FAIL': '**FAIL**'}.get(verdict, '**empty**')


def rows(results, cases, notes):
    for result in results:
        yield [result.platform, result.kernel, *(cell(result, case, notes) for case in cases)]


def plain(results, cases):
    """For a terminal: a line for each machine and case that has something to say, and the sums."""
    notes = Notes()
    lines = []
    for row in rows(results, [*cases, KERNEL_LOG], notes):
        counts = {word: sum(text.strip('*').split(' ')[0] == word for text in row[2:])
                  for word in ('pass', 'refused', '–', 'FAIL', 'empty')}
        lines.append('{:<16}{:<8}'.format(*row) + '  '.join(f'{count} {word}'.replace('–', 'not possible')
                                                            for word, count in counts.items() if count))
    lines += [''] + [line for result in results for line in problems(result, cases)]
    bad = sum(bool(problems(result, cases)) for result in results)
    lines.append(f'{len(results) - bad} passed, {bad} failed')
    return '\n'.join(lines)


def grid(title, results, cases, notes):
    """One table: a machine a line, a case a column."""
    lines = ['', f'## {title}', '', '| machine | kernel | ' + ' | '.join(case.replace('_', ' ')
                                                                         for case in cases) + ' |',
             '|---' * (len(cases) + 2) + '|']
    return lines + [f'| {" | ".join(row)} |' for row in rows(results, cases, notes)]


def markdown(results, cases):
    """The tables of docs/platforms.md: the kernels, the verdicts, and what the numbers beside them mean."""
    notes = Notes()
    versions = {(one.kernel, one.version) for one in results if one.version}
    raw = [case for case in cases if case.startswith('raw_')]
    lines = ['## Kernels', '', '| line | version |', '|---|---|']
    lines += [f'| {kernel} | {version} |' for kernel, version in sorted(versions)]
    lines += grid('What the kernel answers', results, raw, notes)
    lines += grid('What the daemon does', results,
                  [case for case in cases if case not in raw] + [KERNEL_LOG], notes)
    return '\n'.join([*lines, '', '## Notes', '', *notes.lines(), ''])
