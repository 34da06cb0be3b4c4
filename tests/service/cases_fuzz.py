# SPDX-License-Identifier: LGPL-2.1-or-later
"""A few seconds of random calls; tests/service/fuzz-bus does more of them."""

import fuzzer
from harness import case


@case(topology="machine")
def random_calls(context):
    fuzzer.fuzz(context, 5, seed=1)
