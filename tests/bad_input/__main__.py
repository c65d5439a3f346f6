"""Try all bad files and print a table: ``./run faults --bad-input [KIND …]``."""

from __future__ import annotations

import sys
from collections import Counter

from bad_input.corpus import Case, corpus
from bad_input.trial import Outcome, attempt


def row(kind: str, tried: list[tuple[Case, Outcome]]) -> str:
    codes = Counter("read" if outcome.code == 0 else "refused" for _, outcome in tried)
    wrong = sum(bool(outcome.faults) for _, outcome in tried)
    slowest = max((outcome.seconds for _, outcome in tried), default=0.0)
    counts = (len(tried), codes["refused"], codes["read"], wrong)
    return f"| {kind} | " + " | ".join(map(str, counts)) + f" | {slowest:.1f} |"


def main(kinds: list[str]) -> int:
    cases = [case for case in corpus() if not kinds or case.kind in kinds]
    tried: dict[str, list[tuple[Case, Outcome]]] = {}
    for case in cases:
        outcome = attempt(case)
        tried.setdefault(case.kind, []).append((case, outcome))
        for fault in outcome.faults:
            print(f"{case}: {fault}", file=sys.stderr, flush=True)
    print("| files of | tried | refused in one sentence | read | wrong | slowest (s) |")
    print("|---|---|---|---|---|---|")
    for kind, found in tried.items():
        print(row(kind, found))
    every = [one for found in tried.values() for one in found]
    print(row("all", every))
    return int(any(outcome.faults for _, outcome in every))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
