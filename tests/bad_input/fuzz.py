"""Fuzz all readers for a time: ``./run fuzz [MINUTES]``.

Atheris (coverage-guided) takes half of the time where it is installed for this Python. What is found is
written to ``fuzz-findings/`` with the kind of the file in its name; make a test of it.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_input.mutations import READERS, meet, mutated
from bad_input.trial import TooLongError, in_time
from bad_input.whole import KINDS, whole

FINDINGS = Path("fuzz-findings")
#: Seconds that one file may take.
PATIENCE = 10.0


def meet_in_time(kind: str, data: bytes, folder: Path) -> str:
    """As :func:`bad_input.mutations.meet`; a warning is an error, and so is taking long."""
    with in_time(PATIENCE), warnings.catch_warnings():
        warnings.simplefilter("error")
        return meet(kind, data, folder)


def keep(kind: str, data: bytes, error: BaseException) -> None:
    """Keep a finding, and say what it is."""
    FINDINGS.mkdir(exist_ok=True)
    name = f"{kind}-{hashlib.sha256(data).hexdigest()[:8]}{KINDS[kind][0]}"
    (FINDINGS / name).write_bytes(data)
    where = traceback.extract_tb(error.__traceback__)[-1]
    print(
        f"{FINDINGS / name}: {type(error).__name__} at {where.filename}:{where.lineno}: {error}", flush=True
    )


def by_mutation(seconds: float, kinds: list[str], seed: int) -> tuple[Counter[str], int]:
    """Mutate whole files in turn; returns how many were tried of each kind, and the number of findings."""
    rng, tried, found = random.Random(seed), Counter[str](), 0
    seen: set[tuple[str, str]] = set()
    pools = {kind: [whole(kind)] for kind in kinds}
    sentences: set[tuple[str, str]] = set()
    end = time.monotonic() + seconds
    with TemporaryDirectory() as place:
        while time.monotonic() < end:
            kind = kinds[tried.total() % len(kinds)]
            data = mutated(rng.choice(pools[kind]), rng)
            tried[kind] += 1
            try:
                said = meet_in_time(kind, data, Path(place))
            except (Exception, TooLongError) as error:
                where = str(traceback.extract_tb(error.__traceback__)[-1])
                if (kind, where) not in seen:  # the same place once
                    seen.add((kind, where))
                    found += 1
                    keep(kind, data, error)
                continue
            # A sentence that is new is a way into the reader that is new: mutate this file further.
            digest = (kind, "".join(c for c in said if not c.isdigit())[:60])
            if digest not in sentences and len(data) < 20_000:
                sentences.add(digest)
                pools[kind].append(data)
    return tried, found


def by_coverage(seconds: float) -> int:
    """Let atheris choose the bytes; returns its exit code, 0 where it is not installed."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed for this Python: mutations only (pip install atheris).")
        return 0
    call = [sys.executable, "-m", "bad_input.guided", f"-max_total_time={int(seconds)}", "-max_len=8192"]
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(tests)}
    return subprocess.run([*call, "-verbosity=0", "-timeout=20"], env=environment, check=False).returncode


def main(words: list[str]) -> int:
    minutes = float(words[0]) if words else 1.0
    kinds = words[1:] or sorted(READERS)
    seconds = 60 * minutes
    tried, found = by_mutation(seconds / 2, kinds, seed=int(time.time()))
    print("tried: " + ", ".join(f"{kind} {count}" for kind, count in tried.items()))
    print(f"{tried.total()} mutated files, {found} findings.")
    code = by_coverage(seconds / 2)
    return int(bool(found or code))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
