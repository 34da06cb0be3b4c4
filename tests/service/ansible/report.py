# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a play has done, as one JSON object: ansible-core itself writes for people only."""

import json

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: report
type: stdout
short_description: each result with its task, and the counts of the host
description: For the tests of the role.
"""


class CallbackModule(CallbackBase):
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "report"

    def __init__(self):
        super().__init__()
        self.results = []

    def keep(self, result, **_):
        self.results.append({"task": result.task_name, **self._strip(result._result)})

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = keep

    @staticmethod
    def _strip(result):
        """Without what is long and says nothing here."""
        return {key: value for key, value in result.items() if key not in ("invocation", "ansible_facts")}

    def v2_on_file_diff(self, result):
        pass

    def v2_playbook_on_stats(self, stats):
        (host,) = stats.processed
        print(json.dumps({"results": self.results, "stats": stats.summarize(host)}, cls=AnsibleJSONEncoder,
                         default=str))
