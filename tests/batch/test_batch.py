"""Many files: each file gets exactly one row, whatever is killed, equal to that of the plain loop."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import batch
from kerasrecipes.batch import local_runner, plan
from kerasrecipes.batch.inputs import list_inputs
from kerasrecipes.batch.runner import ROW_FORMATS
from kerasrecipes.cli.main import main
from kerasrecipes.errors import BackendUnavailable, DataError, KerasRecipesError
from kerasrecipes.utils import output_folder
from kerasrecipes.utils.listing import FileKind

NAME = "convnetjs_mnist"
NUM_IMAGES = 1200


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of tiny images, some of which cannot be read."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("images")
    for i in range(NUM_IMAGES):
        path = folder / f"group{i % 3}" / f"{i:04}.png"
        path.parent.mkdir(exist_ok=True)
        if i % 100 == 7:
            path.write_bytes(b"no image")
        else:
            Image.fromarray(rng.integers(0, 255, (28, 28), "uint8")).save(path)
    return folder


@pytest.fixture(scope="module")
def expected(images):
    """path -> result of the plain loop."""
    model = kr.load(NAME, engine="onnxruntime")
    paths = sorted(str(p) for p in images.rglob("*.png"))
    return dict(zip(paths, model.classify(paths), strict=True))


def assert_rows_match(rows, expected):
    """Every file has one row with the plain loop's result."""
    assert sorted(row["path"] for row in rows) == sorted(expected)
    for row in rows:
        result = expected[row["path"]]
        if isinstance(result, Exception):
            assert row["error"] == str(result) and row["name"] is None
        else:
            assert row["error"] is None and row["name"] == result.name
            for found, guess in zip(row["top"], result.top(5), strict=True):
                assert abs(found["probability"] - guess.probability) < 1e-4
        assert row["recipe"] == NAME and len(row["weights"]) == 64


def command(images, out, workers=2, **environment):
    """Start the command in a process of its own."""
    words = [
        "classify",
        str(images),
        "--recipe",
        NAME,
        "--output",
        str(out),
        "--workers",
        str(workers),
        "--threads",
        "1",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "kerasrecipes", *words], stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


def parts(out):
    return sorted(out.glob("part-*"))


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_transcripts_are_those_of_the_plain_loop(clips, tmp_path):
    broken = tmp_path / "in" / "broken.flac"
    broken.parent.mkdir()
    broken.write_bytes(b"fLaC and no more")
    missing = str(tmp_path / "missing.wav")
    sources = [str(clips), str(broken.parent), missing]
    files = [path for path, _ in list_inputs(sources, FileKind("audio", (".mp3", ".flac")))]
    results = kr.load("deepspeech2_small", engine="onnxruntime").transcribe(files)
    calls = []
    summary = batch.run(
        "deepspeech2_small", sources, tmp_path / "out", workers=1, engine="onnxruntime", progress=calls.append
    )
    rows = list(batch.read(tmp_path / "out"))
    assert [row["path"] for row in rows] == files and len(files) == 6
    assert (summary.files, summary.failed, summary.earlier) == (6, 2, 0) == (calls[-1].files, calls[-1].failed, 0)
    for row, result in zip(rows, results, strict=True):
        if isinstance(result, Exception):
            assert row["error"] == str(result) and row["text"] is None
        else:
            values = result.to_dict()
            assert {k: row[k] for k in ("text", "words", "duration")} == {
                k: values[k] for k in ("text", "words", "duration")
            }
            assert row["confidence"] == pytest.approx(values["confidence"], abs=1e-3) and row["error"] is None
    again = batch.run("deepspeech2_small", sources, tmp_path / "out", workers=1, engine="onnxruntime")
    assert (again.files, again.earlier) == (6, 6)


def test_a_killed_run_continues_without_gap_or_duplicate(images, expected, tmp_path):
    out = tmp_path / "out"
    for _ in range(2):  # killed twice, in the middle
        before = len(parts(out)) if out.exists() else 0
        process = command(images, out)
        until(lambda before=before: out.exists() and len(parts(out)) > before)
        workers = psutil.Process(process.pid).children()
        assert workers
        process.kill()
        process.wait()
        until(lambda workers=workers: not any(alive(w) for w in workers), 20)
    with pytest.raises(DataError, match="lacks"):
        list(batch.read(out))
    there = {p: p.stat().st_mtime_ns for p in parts(out)}
    (out / ".part-00000.jsonl.1.partial").write_text("half a row")
    process = command(images, out)
    assert process.wait() == 1, process.stderr.read()  # some images cannot be read
    assert all(p.stat().st_mtime_ns == t for p, t in there.items())  # complete shards were not written again
    assert_rows_match(list(batch.read(out)), expected)
    assert not list(out.glob(".*.partial"))


def alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_killed_workers_are_replaced(images, expected, tmp_path):
    process = command(images, tmp_path)
    for count in (1, 4):
        until(lambda count=count: len(parts(tmp_path)) >= count)
        for worker in psutil.Process(process.pid).children():
            worker.send_signal(signal.SIGKILL)  # also one that is just starting, which may happen twice
    assert process.wait() == 1, process.stderr.read()
    assert_rows_match(list(batch.read(tmp_path)), expected)


def test_a_file_that_kills_its_worker_gets_an_error_row(images, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((images / "group0").iterdir())[:5]:
        shutil.copy(path, few)
    shutil.copy(path, few / "deadly.png")
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def deadly(event, values):\n"
        "    if event == 'open' and 'deadly' in str(values[0]): os.abort()\n"
        "sys.addaudithook(deadly)\n"
    )
    path = os.pathsep.join([str(hook), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = command(few, tmp_path / "out", 1, PYTHONPATH=path)
    assert process.wait() == 1, process.stderr.read()
    rows = {Path(row["path"]).name: row for row in batch.read(tmp_path / "out")}
    assert len(rows) == 6 and "worker process died while reading" in rows["deadly.png"]["error"]
    assert sum(row["error"] is None for row in rows.values()) == 5


def test_urls_of_other_file_systems(images, expected, tmp_path):
    source, out = (images / "group1").as_uri(), (tmp_path / "out").as_uri()
    assert main(["classify", source, "--recipe", NAME, "--output", out, "--workers", "1"]) == 1
    rows = [row | {"path": row["path"].removeprefix("file://")} for row in batch.read(out)]
    good = {row["path"]: expected[row["path"]] for row in rows if row["error"] is None}
    assert_rows_match([row for row in rows if row["error"] is None], good)
    assert len(rows) == NUM_IMAGES // 3 and len(good) < len(rows)
    with pytest.raises(DataError, match="cannot be opened"):
        list_inputs(["nosuchprotocol://bucket/files"], FileKind("images", (".png",)))


def test_parquet_holds_the_same_rows(images, tmp_path):
    pytest.importorskip("pyarrow")
    sources = [str(images / "group2")]
    for row_format in ROW_FORMATS:
        batch.run(NAME, sources, tmp_path / row_format, task="classify", workers=1, row_format=row_format)
    plain, typed = (list(batch.read(tmp_path / row_format)) for row_format in ROW_FORMATS)
    assert plain == typed and len(plain) == NUM_IMAGES // 3


def test_masks_are_written_beside_their_rows(tmp_path):
    model = kr.load("dilated_camvid_small", weights=None)
    model.save(tmp_path / "streets.keras")
    street = np.random.default_rng(0).integers(0, 255, (48, 64, 3), "uint8")
    Image.fromarray(street).save(tmp_path / "street.png")
    out = tmp_path / "out"
    words = ["segment", str(tmp_path / "street.png"), "--recipe", str(tmp_path / "streets.keras"), "--output", str(out)]
    assert main([*words, "--workers", "1"]) == 0
    (row,) = batch.read(out)
    mask = np.array(Image.open(out / row["mask"]))
    assert np.array_equal(mask, model.segment(street).mask)
    assert sum(row["class_areas"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("workers", (1, 3))
def test_shards_contain_every_file_once(workers):
    rng = np.random.default_rng(workers)
    for count in (1, 7, 100, 5000):
        files = [(f"{i}.wav", int(size)) for i, size in enumerate(rng.exponential(1 << 20, count))]
        shards = plan.make_shards(files, workers)
        assert [path for shard in shards for path in shard] == [path for path, _ in files]
        sizes = dict(files)
        for shard in shards:
            assert len(shard) <= plan.MAX_FILES_PER_SHARD
            assert len(shard) == 1 or sum(sizes[p] for p in shard) <= plan.MAX_BYTES_PER_SHARD
    assert plan.hash_paths(["a", "b"]) == plan.hash_paths(["b", "a"]) != plan.hash_paths(["ab"])


def test_inputs_are_listed_once_and_largest_first(tmp_path):
    for name, size in (("a.wav", 3), ("b.wav", 9), ("sub/c.WAV", 5), ("note.txt", 7)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    found = list_inputs([tmp_path, str(tmp_path / "*.wav"), tmp_path / "a.wav", tmp_path / "none.wav"], FileKind("audio", (".wav",)))
    assert [(Path(p).name, s) for p, s in found] == [("b.wav", 9), ("c.WAV", 5), ("a.wav", 3), ("none.wav", 0)]


def test_errors(images, tmp_path, monkeypatch):
    def rejects(match, kind=DataError, out="out", sources=None, **options):
        with pytest.raises(kind, match=match):
            batch.run(
                options.pop("name", NAME), [str(s) for s in sources or [images / "group0"]], tmp_path / out,
                **{"task": "classify", "workers": 1} | options,
            )  # fmt: skip

    assert (
        batch.run(NAME, [str(images / "group0")], tmp_path / "out", task="classify", workers=1).total == NUM_IMAGES // 3
    )
    rejects("another run.*options", num_crops=2)
    rejects("another run.*paths", sources=[images / "group1"])
    rejects("another run.*row_format", row_format="parquet") if has("pyarrow") else None
    with output_folder.open_output_folder(tmp_path / "out").locked():
        rejects("another run writes")
    (tmp_path / "file").write_text("")
    rejects("cannot be written", out="file/out")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "part-00000.jsonl").write_text("{}\n")
    rejects("no run.json", out="foreign")
    (tmp_path / "empty").mkdir()
    rejects("gives no file", out="new", sources=[tmp_path / "empty"])
    rejects("does not classify", KerasRecipesError, "new2", name="deepspeech2_small")
    rejects("'spark'", KerasRecipesError, "new", runner="spark")
    rejects("workers is 0", KerasRecipesError, "new", workers=0)
    rejects("num_crops is 0", KerasRecipesError, "new2", num_crops=0)
    assert (
        batch.run(NAME, [str(images / "group0")], tmp_path / "new2", task="classify", workers=1).total
        == NUM_IMAGES // 3
    )
    rejects("No weights|no weights|released", KerasRecipesError, "new", name="caffenet")
    monkeypatch.setitem(sys.modules, "ray", None)
    rejects(r"kerasrecipes\[ray\]", BackendUnavailable, "new4", runner="ray")
    assert not list((tmp_path / "new4").glob("part-*"))
    with pytest.raises(DataError, match="holds no results"):
        list(batch.read(tmp_path / "nothing"))


def has(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


def test_the_command_names_what_is_missing(images, tmp_path, capsys):
    words = ["classify", str(images), "--recipe", NAME, "--workers"]
    assert main([*words, "1"]) == 1 and "--output" in capsys.readouterr().err
    assert main([*words, "many", "--output", str(tmp_path)]) == 1 and "auto" in capsys.readouterr().err
    speech = ["transcribe", str(images), "--workers", "1", "--output", str(tmp_path), "--format", "srt"]
    assert main(speech) == 1 and "--format srt" in capsys.readouterr().err


def test_workers_auto(monkeypatch):
    monkeypatch.setattr(local_runner, "available_cpus", lambda: 4)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_AVPHYS_PAGES": 3 << 18, "SC_PAGE_SIZE": 4096}[name])
    assert local_runner.resolve_workers("auto") == 3 and local_runner.resolve_workers("7") == 7
    assert json.loads(json.dumps(plan.abbreviate("x" * 99))) == "x" * 12 + "..."
