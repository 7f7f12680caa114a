"""Speed of this package beside its peers: one table of ratios for this kind of processor, as `make bench` prints it.

    python benchmarks/bench.py [--parts reading criteria] [--quick] [--whisper FOLDER]

The rows of a part work in child processes on one CPU, one process for each backend. In each repeat the rows of a group take turns.
A figure is a row's CPU time (or memory) divided by that of the group's first row in the same repeat: the median over repeats, with
the smallest and the largest. Other programs on the machine therefore change the figures little. Groups are written as soon as they
are measured, and a later run keeps those of the same commit and machine.
"""

import argparse
import contextlib
import datetime
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from child_process import ChildError, Unavailable, Worker
from machine import describe_machine
from speed_parts import Part, Row, make_parts

from kerasrecipes.utils.environment import git_commit
from kerasrecipes.utils.files import write_json

RESULTS = Path(__file__).resolve().parent / "results"
QUICK_REPEATS = 2
Report = Callable[[str], None]


def result_path(machine: dict[str, Any], quick: bool) -> Path:
    """Return the path of the results for a kind of processor. Quick results lie in a folder that git ignores."""
    return RESULTS / ("quick" if quick else "speed") / f"{machine['kind']}.json"


def read_results(path: Path, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the results in a file, without parts if there is no file or it is from another machine."""
    with contextlib.suppress(OSError, ValueError):
        results = json.loads(path.read_text("utf-8"))
        if results["machine"] == machine:
            return results
    return {"machine": machine, "parts": {}}


def finished_groups(entry: dict[str, Any]) -> set[str]:
    """Return the groups of a part that were measured without an error."""
    failed = {row["group"] for row in entry["left_out"] if row["failed"]}
    return {row["group"] for key in ("figures", "left_out") for row in entry[key]} - failed


def begin_entry(part: Part, commit: str | None, entry: dict[str, Any] | None) -> dict[str, Any]:
    """Return the entry of the results for a part: the finished groups of an earlier entry at the same commit, or none."""
    groups = finished_groups(entry) if entry and commit is not None and entry["commit"] == commit else set()
    rows = {key: [row for row in entry[key] if row["group"] in groups] if entry else [] for key in ("figures", "left_out")}
    return {"title": part.title, "cost": part.cost, "commit": commit, "date": datetime.date.today().isoformat(), **rows}


def cost_of(repeat: dict[str, Any]) -> float:
    """Return what a repeat cost: its own value, or the CPU time of a unit of work."""
    return repeat["value"] if "value" in repeat else repeat["cpu"] / repeat.get("amount", 1)


def compute_figures(rows: Sequence[Row], repeats: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the figures of a group.

    Args:
        rows: Rows of the group that were measured, the reference first.
        repeats: Answers of the children in each repeat, by row.

    Returns:
        For each row the median ratio with its range, the number of repeats, and the median cost. The range of the reference, whose
        ratio is 1, is that of its costs divided by their median.
    """
    costs = {row.name: [cost_of(repeat) for repeat in repeats[row.name]] for row in rows}
    reference = costs[rows[0].name]
    figures = []
    for row in rows:
        cost = statistics.median(costs[row.name])
        base = [cost] * len(reference) if row is rows[0] else reference
        ratios = [value / other for value, other in zip(costs[row.name], base, strict=True)]
        note = repeats[row.name][-1].get("note", "")
        figures.append({
            "group": row.group, "name": row.name, "ratio": 1.0 if row is rows[0] else statistics.median(ratios), "low": min(ratios),
            "high": max(ratios), "repeats": len(ratios), "cost": cost, **({"note": note} if note else {}),
            **({"x": row.x} if row.x is not None else {}),
        })  # fmt: skip
    return figures


def measure_group(
    rows: Sequence[Row], part: Part, find_worker: Callable[[Row], Worker], quick: bool, report: Report
) -> tuple[list[dict], list[dict]]:
    """Measure the rows of a group in turns.

    Args:
        rows: Rows of the group.
        part: Part of the group.
        find_worker: Returns the process for a row.
        quick: Measure a short run.
        report: Shows progress.

    Returns:
        The figures, and the rows that were left out, each with its reason.
    """
    figures, left_out, group = [], [], rows[0].group
    works: dict[str, tuple[Worker, int]] = {}

    def leave_out(name: str, reason: object) -> None:
        left_out.append({"group": group, "name": name, "reason": str(reason), "failed": isinstance(reason, ChildError)})

    for number, row in enumerate(rows):
        report(f"{group}: preparing {row.name} ({number + 1} of {len(rows)})")
        arguments = {**row.arguments, **{k: v for k, v in part.quick.items() if quick and k in row.arguments}}
        try:
            worker = find_worker(row)
            works[row.name] = worker, worker.prepare(row.make, arguments)
        except (Unavailable, ChildError) as error:
            leave_out(row.name, error)
    repeats: dict[str, list[dict[str, Any]]] = {name: [] for name in works}
    count = QUICK_REPEATS if quick else rows[0].repeats or part.repeats
    for number in range(count):
        for name, (worker, work) in list(works.items()):
            report(f"{group}: repeat {number + 1} of {count}, {name}")
            try:
                repeats[name].append(worker.repeat(work))
            except ChildError as error:
                leave_out(name, error)
                del works[name]
    if rows[0].name in works:
        figures = compute_figures([row for row in rows if row.name in works], repeats)
    else:
        for name in works:
            leave_out(name, f"{rows[0].name}, the reference, is missing")
    return figures, left_out


def measure_part(part: Part, entry: dict[str, Any], quick: bool, report: Report) -> Iterator[dict[str, Any]]:
    """Measure the groups of a part that its entry of the results does not have, and yield the entry after each group."""
    groups = groupby([row for row in part.rows if not (quick and row.is_slow)], key=lambda row: row.group)
    workers: dict[tuple, Worker] = {}
    with contextlib.ExitStack() as stack:

        def find_worker(row: Row) -> Worker:
            key = tuple(row.environment.items())
            if key not in workers:
                workers[key] = stack.enter_context(Worker(row.environment))
            return workers[key]

        for _, rows in [(group, list(rows)) for group, rows in groups if group not in finished_groups(entry)]:
            figures, left_out = measure_group(rows, part, find_worker, quick, report)
            entry = {**entry, "figures": entry["figures"] + figures, "left_out": entry["left_out"] + left_out}
            yield entry


def format_ratio(value: float) -> str:
    """Return a ratio with three digits, and large ones without a fraction."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def format_table(results: dict[str, Any], names: Sequence[str]) -> str:
    """Return parts of the results as lines of text."""
    lines = [f"{results['machine']['hardware']} ({results['machine']['kind']}), one CPU for each row"]
    for part in (results["parts"][name] for name in names if name in results["parts"]):
        lines += ["", f"{part['title']}: {part['cost']}"]
        for group, figures in groupby(part["figures"], key=lambda figure: figure["group"]):
            lines.append(f"  {group}")
            for figure in figures:
                spread = f"({format_ratio(figure['low'])} to {format_ratio(figure['high'])})" if figure["repeats"] > 1 else "(1 repeat)"
                line = f"    {figure['name']:48} {format_ratio(figure['ratio']):>8}  {spread:20} {figure.get('note', '')}"
                lines.append(line.rstrip())
        for row in part["left_out"]:
            reason = row["reason"].splitlines()[-1]
            lines.append(f"  {'FAILED' if row['failed'] else 'left out'}: {row['name']} ({row['group']}): {reason}")
    return "\n".join(lines)


def make_report(prefix: str) -> Report:
    """Return a function that shows what is being done: in place on a terminal, else in a line each."""
    begin = time.monotonic()

    def report(text: str) -> None:
        line = f"{prefix} {text}, {time.monotonic() - begin:.0f} s"
        sys.stderr.write(f"\r\033[K{line[:118]}" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()

    return report


def run(parts: dict[str, Part], path: Path, machine: dict[str, Any], quick: bool, again: bool) -> dict[str, Any]:
    """Measure groups that the file does not have yet, and write it after each.

    Args:
        parts: Parts to measure.
        path: File of the results.
        machine: What `describe_machine` returns.
        quick: Measure a short run.
        again: Measure parts that the file has.
    """
    commit = git_commit()
    for number, (name, part) in enumerate(parts.items()):
        report = make_report(f"[{number + 1}/{len(parts)}] {part.title}:")
        start = begin_entry(part, commit, None if again else read_results(path, machine)["parts"].get(name))
        if groups := finished_groups(start):
            report(f"{', '.join(sorted(groups))}: kept from an earlier run (--again measures it again)")
        for entry in measure_part(part, start, quick, report):
            results = read_results(path, machine)  # again, because another run may have written other parts
            results["parts"][name] = entry
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, results)
        if sys.stderr.isatty():
            print(file=sys.stderr)
    return read_results(path, machine)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=list(make_parts()), metavar="PART", help=f"default: {' '.join(make_parts())}")
    parser.add_argument("--quick", action="store_true", help="two repeats of less work, written beside the kept results")
    parser.add_argument("--again", action="store_true", help="also measure what has results of this commit")
    parser.add_argument("--whisper", default="tiny.en", metavar="MODEL", help="for faster-whisper: a name that it downloads, or a folder")
    options = parser.parse_args(arguments)
    parts = {name: part for name, part in make_parts(options.whisper).items() if name in (options.parts or make_parts())}
    machine = describe_machine()
    path = result_path(machine, options.quick)
    try:
        results = run(parts, path, machine, options.quick, options.again)
    except KeyboardInterrupt:
        print(f"\nInterrupted. Finished groups are in {path}: the same command continues", file=sys.stderr)
        return 130
    print(format_table(results, list(parts)))
    failed = [row["name"] for name in parts for row in results["parts"][name]["left_out"] if row["failed"]]
    print(f"\nResults: {path}")
    print("Next: make bench measures everything" if options.quick else "Next: make docs shows them on the page Speed (recipes/speed)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
