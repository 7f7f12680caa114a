"""2,000 damaged files over all readers of outside bytes, the inputs that failed once, and the fuzzer itself. `make fuzz` reads 200,000."""

import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import fuzz
import mutators
import pytest
import samples
import worker
from containers import reseal
from readers import READERS, Reader

from kerasrecipes.errors import DataError

SEED = 29
AUDIO, KERAS = ["audio", "audio_length"], [name for name, reader in READERS.items() if reader.needs_keras]
OTHERS = [name for name in READERS if name not in [*AUDIO, *KERAS]]
if sys.platform != "linux":
    pytest.skip("the limits of memory need /proc", allow_module_level=True)


@pytest.mark.parametrize("counts", [{"audio": (AUDIO, 60), "others": (OTHERS, 1890)}, {"keras": (KERAS, 50)}], ids=["plain", "keras"])
def test_damaged_files_are_results_or_errors_of_the_package(counts):
    jobs, report = [], fuzz.Report()
    for names, cases in counts.values():
        jobs += fuzz.seed_jobs(names) + fuzz.plan_jobs(cases, SEED, names)
    fuzz.run_jobs(jobs, report)
    assert not report.failures, "\n".join(map(str, report.failures[:10]))
    assert sum(report.counts.values()) >= sum(cases for _, cases in counts.values()) - len(jobs)


def test_seeds_are_small_and_of_samples():
    for path in fuzz.SEEDS.glob("*/*/*"):
        reader, sample, name = path.parts[-3], path.parts[-2], path.name.partition("-")[2].replace("+", "/")
        assert path.stat().st_size < 20_000
        assert READERS[reader].needs_keras or (sample, name) in worker.find_targets(reader)  # Keras takes seconds to make samples


def test_cases_repeat_and_cut_small_files_at_every_byte():
    assert worker.make_case("table", 7, 1) == worker.make_case("table", 7, 1) != worker.make_case("table", 7, 2)
    tables = READERS["table"].samples()
    small = [t for t in worker.find_targets("table") if len(tables[t[0]][t[1]]) <= mutators.TINY_BYTES]
    lengths = {len(worker.make_case("table", 5 * len(small) * n, 1)[2]) for n in range(len(tables[small[0][0]][small[0][1]]))}
    assert lengths == set(range(len(tables[small[0][0]][small[0][1]])))


WORKER = """import json, os, sys, time
for name, first, end, seed in [json.loads(line) for line in sys.stdin]:
    for number in range(first, end):
        print(json.dumps({"reader": name, "case": number}), flush=True)
        if name == "text" and number == 2:
            ACTION
print(json.dumps({"end": True}), flush=True)
"""


@pytest.mark.parametrize("fault, action", [("crash", "os.abort()"), ("hang", "time.sleep(60)"), ("hang", "while True: pass")])
def test_crashes_and_hangs_are_seen_and_the_other_cases_are_read(tmp_path, monkeypatch, fault, action):
    (tmp_path / "worker.py").write_text(WORKER.replace("ACTION", action))
    monkeypatch.setattr(fuzz, "WORKER", tmp_path / "worker.py")
    monkeypatch.setattr(fuzz, "MAX_CASE_SECONDS", 0.5)
    monkeypatch.setattr(fuzz, "MAX_WAITS", 2)
    report = fuzz.Report()
    fuzz.run_jobs([["text", 0, 5, 1], ["table", 0, 2, 1]], report)
    assert [(reader, number) for reader, number, _ in report.failures] == [("text", 2)]
    assert report.failures[0][2].startswith(fault)
    assert report.counts == {"text": 5, "table": 2}


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    return worker.Watch(tmp_path_factory.mktemp("watch"))  # Python cannot remove its hook: one serves all tests


def fill_memory(path):
    try:
        raise MemoryError
    except MemoryError as error:
        raise DataError("too large") from error


@pytest.mark.parametrize("outcome, read", [
    ("exception: ", lambda path: {}["x"]), ("exception: ", lambda path: sys.exit(0)), ("memory: ", fill_memory),
    ("outside: open", lambda path: open(path.parents[1] / "outside", "w").close()),
    ("outside: os.remove", lambda path: os.remove("/no/file")),
    ("outside: os.system", lambda path: os.system("true")), ("outside: subprocess", lambda path: subprocess.run(["true"])),
    ("", lambda path: open(path.parent / "inside", "w").close()),
])  # fmt: skip
def test_outcomes_that_must_not_be_are_seen(monkeypatch, watch, outcome, read):
    monkeypatch.setitem(READERS, "faulty", Reader(lambda: {"one": {"a.txt": b"x"}}, read))
    folder = Path(watch.folder)
    problem = worker.read_case("faulty", "one", "a.txt", b"x", folder, watch)
    assert problem.startswith(outcome) and bool(problem) == bool(outcome)


@pytest.mark.parametrize("name", ["png", "flac", "ogg", "gzip", "xz", "npz"])
def test_checksums_are_right_after_damage(name):
    files = {**samples.images(), **samples.audio(), **samples.one_file("a.txt", "hello " * 9), "npz": samples.mnist()["npz"]}
    content = next(iter(files[name].values()))
    if name in ("flac", "ogg"):  # computed as the encoder did
        assert content in [reseal(content, random.Random(i), lambda part: part) for i in range(9)]
    damaged = [reseal(content, random.Random(i), lambda part: part[:-1] + b"x") for i in range(20)]
    assert all(damaged) and len(set(damaged)) > (name not in ("gzip", "xz"))
    for data in filter(None, damaged):
        check_checksum(name, data)


def check_checksum(name, data):
    """Raise an error if another library does not accept the checksums."""
    if name == "png":
        position = 8
        while position < len(data):
            end = position + 8 + int.from_bytes(data[position : position + 4], "big")
            assert zlib.crc32(data[position + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
            position = end + 4
    elif name in ("gzip", "xz"):
        assert {"gzip": gzip, "xz": lzma}[name].decompress(data).endswith(b"x")
    elif name == "npz":
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
