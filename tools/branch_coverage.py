"""Adds up what ``make coverage`` measured: the branches taken of each package; fails below ``LEAST_PERCENT``."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

LEAST_PERCENT: Final = 95.0
MEASURED: Final = ("domain", "wire", "actions")


class Summary(Struct):
    """The counts of one file, by the names of coverage's JSON report."""

    num_branches: int
    covered_branches: int


class MeasuredFile(Struct):
    summary: Summary


class CoverageReport(Struct):
    files: dict[str, MeasuredFile]


def branches(report: CoverageReport) -> Mapping[str, tuple[int, int]]:
    """Returns the branches taken, and all branches, of each package."""
    taken, there = Counter[str](), Counter[str]()
    for path, file in report.files.items():
        package = Path(path).parts[-2]
        taken[package] += file.summary.covered_branches
        there[package] += file.summary.num_branches
    return {package: (taken[package], there[package]) for package in MEASURED}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="what `coverage json` wrote")
    counts = branches(msgspec.json.decode(parser.parse_args().report.read_bytes(), type=CoverageReport))
    is_enough = True
    for package, (taken, there) in counts.items():
        percent = 100 * taken / there if there else 0.0
        is_enough = is_enough and percent >= LEAST_PERCENT
        print(f"{package}: {percent:.1f} % of {there} branches")
    if not is_enough:
        print(f"less than {LEAST_PERCENT:.0f} % of a package's branches are taken")
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
