"""The speed table: ratios of rows that take turns, parts that are kept, and the file for a kind of processor."""

import ast
import json
import re

import bench
import machine
import pytest
from child_process import ChildError, Unavailable
from paths import ROOT
from speed_parts import Part, Row, make_parts

MACHINE = {"kind": "avx2", "flags": ["avx2"], "hardware": "2 cores, Test", "system": "Linux"}
CALLS: list[tuple] = []


class FakeWorker:
    """Answers by the row's arguments: `costs` are its CPU times, one for each repeat."""

    def __init__(self, environment=None):
        CALLS.append(("start", dict(environment or {})))
        self.works = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        CALLS.append(("end",))

    def prepare(self, make, arguments):
        if make == "missing":
            raise Unavailable("pip install peer")
        if make == "broken":
            raise ChildError("child ended with status 1:\nValueError: wrong")
        self.works.append((make, list(arguments["costs"]), arguments))
        return len(self.works) - 1

    def repeat(self, number):
        make, costs, arguments = self.works[number]
        CALLS.append(("repeat", make))
        if make == "interrupted":
            raise KeyboardInterrupt
        cost = costs.pop(0)
        if cost is None:
            raise ChildError("child ended with status -9:")
        amount = arguments.get("amount", 1)
        return {"value": cost} if arguments.get("is_value") else {"cpu": cost * amount, "seconds": 99.0, "amount": amount, "note": make}


@pytest.fixture(autouse=True)
def fake_worker(monkeypatch):
    CALLS.clear()
    monkeypatch.setattr(bench, "Worker", FakeWorker)
    monkeypatch.setattr(bench, "git_commit", lambda: "a" * 40)


def row(name, costs, make="", group="g", environment=None, **options):
    arguments = {"costs": costs, **{k: options.pop(k) for k in ("amount", "is_value", "steps") if k in options}}
    return Row(group, name, make or name, arguments, environment or {}, **options)


def part(*rows, **options):
    return Part("Title", "CPU time of work", rows, "Text.", **options)


def measure(*rows, quick=False, quick_arguments=None, **options):
    options["quick"] = quick_arguments or {}
    one = part(*rows, **options)
    return list(bench.measure_part(one, bench.begin_entry(one, "c", None), quick, lambda text: None))[-1]


def test_ratios_are_of_the_same_repeat_and_per_unit_of_work():
    """A machine that becomes twice as slow from repeat to repeat changes no ratio."""
    entry = measure(row("first", [1, 2, 4]), row("second", [3, 6.2, 11.6], amount=50))
    first, second = entry["figures"]
    assert (second["ratio"], second["low"], second["high"]) == pytest.approx((3, 2.9, 3.1))
    assert (first["ratio"], first["low"], first["high"]) == (1, 0.5, 2)
    assert second["repeats"] == 3 and second["note"] == "second" and second["cost"] == pytest.approx(6.2)
    assert [name for kind, name in CALLS[1:-1]] == ["first", "second"] * 3


def test_a_value_is_compared_itself():
    figures = measure(row("1", [200.0], is_value=True, x=1, repeats=1), row("2", [300.0], is_value=True, x=30))["figures"]
    assert [(f["ratio"], f["x"], f["repeats"]) for f in figures] == [(1, 1, 1), (1.5, 30, 1)]


def test_rows_with_the_same_environment_share_a_process():
    rows = [row(str(i), [1] * 3, group=group, environment={"KERAS_BACKEND": b}) for group in "ab" for i, b in enumerate(("x", "y", "x"))]
    measure(*rows)
    assert [c[1] for c in CALLS if c[0] == "start"] == [{"KERAS_BACKEND": "x"}, {"KERAS_BACKEND": "y"}]
    assert CALLS[-2:] == [("end",), ("end",)]


def test_rows_are_left_out_with_their_reason():
    entry = measure(row("first", [1] * 3), row("peer", [], "missing"), row("own", [], "broken"), row("late", [1, None]))
    assert [f["name"] for f in entry["figures"]] == ["first"]
    assert [(r["name"], r["failed"]) for r in entry["left_out"]] == [("peer", False), ("own", True), ("late", True)]
    assert entry["left_out"][0]["reason"] == "pip install peer"


def test_a_group_without_its_reference_has_no_figures():
    entry = measure(row("first", [], "missing"), row("second", [1] * 3), row("third", [1] * 3, group="other"))
    assert [f["name"] for f in entry["figures"]] == ["third"]
    assert entry["left_out"][1]["reason"] == "first, the reference, is missing"


def test_quick_leaves_out_slow_rows_and_does_less(monkeypatch):
    rows = row("first", [1] * 2, steps=8), row("large", [1] * 2, is_slow=True)
    seen = []
    original = FakeWorker.prepare
    monkeypatch.setattr(FakeWorker, "prepare", lambda self, make, arguments: seen.append(arguments) or original(self, make, arguments))
    entry = measure(*rows, quick=True, repeats=5, quick_arguments={"steps": 1, "runs": 1})
    assert [(a["steps"], "runs" in a) for a in seen] == [(1, False)]
    assert [(f["name"], f["repeats"]) for f in entry["figures"]] == [("first", 2)]


def test_an_interrupted_run_continues(tmp_path):
    path = tmp_path / "speed" / "avx2.json"
    parts = {"one": part(row("a", [1] * 3)), "two": part(row("b", [1] * 3, "interrupted"))}
    with pytest.raises(KeyboardInterrupt):
        bench.run(parts, path, MACHINE, False, False)
    assert list(json.loads(path.read_text())["parts"]) == ["one"]
    CALLS.clear()
    parts["two"] = part(row("b", [1] * 3))
    results = bench.run(parts, path, MACHINE, False, False)
    assert {c[1] for c in CALLS if c[0] == "repeat"} == {"b"}
    assert results == json.loads(path.read_text()) and list(results["parts"]) == ["one", "two"]


@pytest.mark.parametrize("change", ["commit", "machine", "again", "failed"])
def test_parts_are_measured_again_after_a_change(tmp_path, monkeypatch, change):
    path, parts = tmp_path / "avx2.json", {"one": part(row("a", [1] * 3), *([row("x", [], "broken")] if change == "failed" else []))}
    bench.run(parts, path, MACHINE, False, False)
    CALLS.clear()
    if change == "commit":
        monkeypatch.setattr(bench, "git_commit", lambda: "b" * 40)
    bench.run(parts, path, {**MACHINE, "hardware": "8 cores"} if change == "machine" else MACHINE, False, change == "again")
    assert ("repeat", "a") in CALLS


def test_a_run_of_one_part_keeps_the_others_and_their_commit(tmp_path, monkeypatch):
    path = tmp_path / "avx2.json"
    bench.run({"one": part(row("a", [1] * 3)), "two": part(row("b", [1] * 3))}, path, MACHINE, False, False)
    monkeypatch.setattr(bench, "git_commit", lambda: "b" * 40)
    parts = bench.run({"two": part(row("b", [1] * 3))}, path, MACHINE, False, False)["parts"]
    assert {name: entry["commit"][0] for name, entry in parts.items()} == {"one": "a", "two": "b"}


def test_a_damaged_file_is_written_anew(tmp_path):
    path = tmp_path / "avx2.json"
    path.write_text('{"machine": ')
    assert list(bench.run({"one": part(row("a", [1] * 3))}, path, MACHINE, False, False)["parts"]) == ["one"]


def test_the_table_shows_ratios_ranges_notes_and_reasons():
    entry = measure(row("first", [1] * 3), row("second", [250, 200, 300]), row("peer", [], "missing"))
    table = bench.format_table({"machine": MACHINE, "parts": {"p": entry}}, ["p", "q"])
    assert re.search(r"second +250  \(200 to 300\) +second", table)
    assert "left out: peer (g): pip install peer" in table and "2 cores, Test (avx2)" in table


def test_the_command_ends_with_the_path_and_the_next_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    monkeypatch.setattr(bench, "describe_machine", lambda: MACHINE)
    monkeypatch.setattr(bench, "make_parts", lambda whisper="": {"one": part(row("a", [1] * 3)), "two": part(row("b", [], "broken"))})
    assert bench.main(["--parts", "one"]) == 0
    out = capsys.readouterr().out
    assert f"Results: {tmp_path / 'speed' / 'avx2.json'}\nNext: make docs" in out
    assert bench.main(["--quick"]) == 1  # an own row failed
    assert "FAILED: b (g): ValueError: wrong" in capsys.readouterr().out
    assert (tmp_path / "quick" / "avx2.json").is_file()


@pytest.mark.parametrize(("line", "kind", "flags"), [
    ("flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 amx_bf16", "amx_bf16", ["amx_bf16", "avx512_bf16", "avx512f", "avx2"]),
    ("flags\t\t: fpu avx512_bf16 avx512f avx2", "avx512_bf16", ["avx512_bf16", "avx512f", "avx2"]),
    ("flags\t\t: fpu avx avx2 bmi2", "avx2", ["avx2"]),
    ("Features\t: fp asimd bf16 i8mm", "bf16", ["bf16", "i8mm", "asimd"]),
])  # fmt: skip
def test_results_are_named_for_the_fastest_instructions(tmp_path, line, kind, flags):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: Some avx2 CPU\n{line}\n\nprocessor\t: 1\n{line}\n")
    assert machine.read_flags(tmp_path / "cpuinfo") == flags and machine.processor_kind(flags) == kind
    assert bench.result_path({"kind": kind}, False).relative_to(ROOT).as_posix() == f"benchmarks/results/speed/{kind}.json"


def test_a_processor_without_known_flags_has_the_name_of_its_architecture(tmp_path):
    assert machine.read_flags(tmp_path / "missing") == [] and re.fullmatch(r"[\w]+", machine.processor_kind([]))


def test_functions_of_all_rows_exist_and_take_their_arguments():
    for name, entry in make_parts().items():
        keys = set()
        for one in entry.rows:
            module, _, function = one.make.partition(":")
            tree = ast.parse((ROOT / "benchmarks" / f"{module}.py").read_text("utf-8"))
            definition = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
            names = [a.arg for a in definition.args.args]
            required = names[: len(names) - len(definition.args.defaults)]
            assert set(required) <= set(one.arguments) <= set(names), (name, one.name)
            assert json.loads(json.dumps(one.arguments))
            keys |= set(one.arguments)
        assert set(entry.quick) <= keys and entry.limits.strip(), name


def test_rows_of_a_group_follow_each_other_and_have_names_of_their_own():
    for entry in make_parts().values():
        groups = [one.group for one in entry.rows]
        assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)
        assert len({(one.group, one.name) for one in entry.rows}) == len(entry.rows)
        if entry.x_title:
            assert all(one.x is not None for one in entry.rows)


def test_quick_runs_something_of_every_part():
    for entry in make_parts().values():
        assert any(not one.is_slow for one in entry.rows)


def test_make_bench_installs_the_peers_and_runs_the_table():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^bench: \$\(VENV\)/\.bench\n\t\$\(BIN\)/python benchmarks/bench\.py \$\(BENCH\)$", makefile, re.M)
    extras = re.search(r"/\.bench:.*\n\t.*\[([\w,]+)\]", makefile)[1].split(",")
    assert {"openvino", "teacher", "phones", "tensorflow", "jax"} <= set(extras)
    assert set(extras) <= set(re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.M))


def test_every_option_has_a_line_of_help(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    help_text = capsys.readouterr().out
    assert all(word in help_text for word in ("--parts", "--quick", "--again", "--whisper", *make_parts()))


def test_two_runs_at_once_keep_each_others_parts(tmp_path, monkeypatch):
    path, original = tmp_path / "avx2.json", bench.measure_part

    def measure_while_another_run_writes(*arguments):
        monkeypatch.setattr(bench, "measure_part", original)
        bench.run({"one": part(row("a", [1] * 3))}, path, MACHINE, False, False)
        yield from original(*arguments)

    monkeypatch.setattr(bench, "measure_part", measure_while_another_run_writes)
    assert set(bench.run({"two": part(row("b", [1] * 3))}, path, MACHINE, False, False)["parts"]) == {"one", "two"}


def test_an_interrupted_part_keeps_its_finished_groups(tmp_path):
    path = tmp_path / "avx2.json"
    first, failed = row("a", [1] * 3, group="one"), row("c", [], "broken", group="two")
    with pytest.raises(KeyboardInterrupt):
        bench.run({"p": part(first, failed, row("b", [1] * 3, "interrupted", group="three"))}, path, MACHINE, False, False)
    CALLS.clear()
    parts = {"p": part(first, row("c", [1] * 3, group="two"), row("b", [1] * 3, group="three"))}
    entry = bench.run(parts, path, MACHINE, False, False)["parts"]["p"]
    assert [c[1] for c in CALLS if c[0] == "repeat"] == ["c"] * 3 + ["b"] * 3
    assert [f["group"] for f in entry["figures"]] == ["one", "two", "three"] and entry["left_out"] == []
