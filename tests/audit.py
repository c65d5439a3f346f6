"""Say what pip-audit found, and never that all is well where it could not look: ``./run audit``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

#: Exit codes: nothing is known against it; something is; nobody could look.
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2


def verdict(report: str, wanted: int) -> tuple[int, str]:
    """Return the exit code, and what to tell.

    Parameters
    ----------
    report : str
        pip-audit's own, as JSON; empty where there is none.
    wanted : int
        How many packages were to be looked at.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
        known = [package for package in packages if "skip_reason" not in package]
        found = [package for package in known if package["vulns"]]
    except (ValueError, TypeError, KeyError):
        packages, known, found = [], [], []
    for package in found:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version"
            print(f"{package['name']} {package['version']}: {one['id']}, mended in {fixed}")
    if found:
        return VULNERABLE, f"{len(found)} of {wanted} packages have known vulnerabilities: update them."
    if len(known) < wanted or not wanted:
        left = sorted(package["name"] for package in packages if package not in known)
        names = f" ({', '.join(left[:3])}{', …' if left[3:] else ''})" if left else ""
        return UNKNOWN, (
            f"Not audited: the service of vulnerabilities (pypi.org) told nothing of {wanted - len(known)} "
            f"of {wanted} packages{names}; connect to the network and try again."
        )
    return CLEAN, f"No known vulnerabilities in {wanted} packages."


def main(program: str, requirements: str) -> int:
    """Run pip-audit on a list of pinned requirements."""
    wanted = len(Path(requirements).read_text().split())
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        call = [program, "--progress-spinner", "off", "--no-deps", "--disable-pip", "-r", requirements]
        # What it says itself is left out: "No known vulnerabilities found" where it did not look at any.
        subprocess.run([*call, "--format", "json", "--output", report], capture_output=True, check=False)
        code, sentence = verdict(report.read_text() if report.exists() else "", wanted)
    print(sentence, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
