"""The page Speed and its charts, from small files of results."""

import itertools
import json
import re
import sys
from xml.etree import ElementTree

import pytest
from paths import ROOT


@pytest.fixture(scope="module")
def speed():
    sys.path.insert(0, str(ROOT / "docs" / "build"))
    from pages import speed

    return speed


@pytest.fixture(scope="module")
def charts(speed):
    from pages import speed_charts

    return speed_charts


def figure(name, ratio, group="g", low=None, high=None, **more):
    return {"group": group, "name": name, "ratio": ratio, "low": low or ratio, "high": high or ratio, "repeats": 3, "cost": 1.0} | more


def entry(figures, left_out=()):
    return {"commit": "0123456789abcdef", "date": "2026-11-29", "figures": figures, "left_out": list(left_out)}


def write(folder, kind, parts):
    machine = {"kind": kind, "flags": [kind], "hardware": f"2 cores, {kind} CPU", "system": "Linux"}
    (folder / f"{kind}.json").write_text(json.dumps({"machine": machine, "parts": parts}))


READING = entry(
    [figure("reference", 1.0), figure("PocketSphinx | 5", 61.5, low=60, high=123.4, note="9 of 39 words wrong")],
    [{"group": "g", "name": name, "reason": "child\nopenvino is not installed", "failed": False} for name in ("OpenVINO", "more")],
)
MEMORY = entry([
    figure("1 minutes", 1.0, "onnxruntime", x=1, cost=200), figure("180 minutes", 1.5, "onnxruntime", x=180, cost=300),
    figure("1 minutes", 1.0, "keras", x=1, cost=800), figure("180 minutes", 2.0, "keras", x=180, cost=1600),
])  # fmt: skip
CLIPS = entry([
    figure("list", 1.0, "10 clips", x=10, cost=0.04), figure("command", 2.5, "10 clips", x=10, cost=0.1),
    figure("list", 1.0, "1,000 clips", x=1000, cost=0.01), figure("command", 1.1, "1,000 clips", x=1000, cost=0.02),
])  # fmt: skip


def test_page_shows_ratios_reasons_and_what_limits(speed, tmp_path):
    write(tmp_path, "avx2", {"reading": READING})
    page = speed.make_speed_page(tmp_path)
    assert re.search(r"\| PocketSphinx \\\| 5 \| 61\.5 \| 60 to 123 \| 9 of 39 words wrong \|", page)
    assert "Not measured here: OpenVINO, more (openvino is not installed)." in page
    assert "256-bit vectors (AVX2), 2 cores, avx2 CPU" in page and "on 2026-11-29 at commit `012345678`" in page
    assert speed.make_parts()["reading"].limits in page and "## Training" not in page
    assert "Not measured yet: 4 clips, 15 s of speech, one recording of 30 s." in page  # the file has another group
    assert "have not been measured yet: Training, Criteria, " in page


def test_kinds_of_processors_get_a_tab_each(speed, tmp_path):
    write(tmp_path, "avx2", {"reading": READING, "memory": MEMORY})
    write(tmp_path, "amx_bf16", {"reading": READING})
    page = speed.make_speed_page(tmp_path)
    assert page.count('=== "256-bit vectors (AVX2)"') == 2 and page.count('=== "matrix units for bfloat16 (AMX)"') == 1
    assert page.count("    <div") == 3 and "\n<div" not in page


def test_page_without_results_says_how_to_make_them(speed, tmp_path):
    page = speed.make_speed_page(tmp_path)
    assert "none yet" in page and "`make bench`" in page and "##" not in page


def test_results_in_the_repository_are_of_known_parts_and_named_for_their_processor(speed):
    paths = sorted(speed.RESULTS.glob("*.json"))
    assert paths
    for path in paths:
        results = json.loads(path.read_text("utf-8"))
        assert path.stem == results["machine"]["kind"] and set(results["parts"]) <= set(speed.make_parts())
        for part in results["parts"].values():
            assert part["commit"] and not any(row["failed"] for row in part["left_out"])
            assert all(f["low"] <= f["ratio"] <= f["high"] for f in part["figures"])


def test_curves_are_of_groups_with_several_sizes_or_of_names(speed):
    assert speed.make_series(MEMORY["figures"]) == {"onnxruntime": [(1, 1.0), (180, 1.5)], "keras": [(1, 1.0), (180, 2.0)]}
    assert speed.make_series(CLIPS["figures"]) == {"list": [(10, 1.0), (1000, 0.25)], "command": [(10, 2.5), (1000, 0.5)]}


def parse(chart):
    return ElementTree.fromstring(chart).find("svg")


def test_bars_start_at_the_reference_and_equal_factors_have_equal_lengths(charts):
    svg = parse(charts.draw_bar_chart([figure("a", 1.0), figure("b <c>", 10.0, high=100), figure("d", 100.0), figure("e", 0.1)], "label"))
    bars = [(float(r.get("x")) + 1, float(r.get("width")) - 2, r.get("class")) for r in svg.iter("rect")]
    one = float(re.match(r"M([\d.]+)", next(p for p in svg.iter("path") if p.get("class") == "one").get("d"))[1])
    (_, none, _), (start, ten, more), (_, hundred, _), (left, tenth, less) = bars
    assert none == pytest.approx(0, abs=0.2) and start == pytest.approx(one, abs=0.2) and left + tenth == pytest.approx(one, abs=0.2)
    assert hundred == pytest.approx(2 * ten, abs=0.4) and tenth == pytest.approx(ten, abs=0.4)
    assert (more, less) == ("bar more", "bar less")
    assert {"b <c>", "10", "100", "0.1"} <= {t.text for t in svg.iter("text")}


def test_bar_chart_stays_inside_and_its_ticks_do_not_touch(charts):
    figures = [figure("a", 1.0), figure("the longest name that a row of the table has", 3210.0, low=0.04, high=4000)]
    svg = parse(charts.draw_bar_chart(figures, "label"))
    ticks = [(float(t.get("x")), t.text) for t in svg.iter("text") if t.get("text-anchor") == "middle"]
    spans = [(x - 3.9 * len(text), x + 3.9 * len(text)) for x, text in ticks]
    assert len(ticks) >= 3 and spans[0][0] > 0 and spans[-1][1] < charts.WIDTH
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))
    assert all(float(r.get("x")) >= 0 and float(r.get("x")) + float(r.get("width")) <= charts.WIDTH for r in svg.iter("rect"))


def test_names_of_all_rows_fit_beside_their_ratio(speed, charts):
    """A letter is at most 0.6 em wide on average, and a ratio has at most 6 characters."""
    for part in speed.make_parts().values():
        assert all(0.6 * 12 * (len(row.name) + 8) < charts.WIDTH for row in part.rows)


def test_curves_have_both_logarithmic_axes(charts):
    svg = parse(charts.draw_curves({"a": [(10, 8.0), (100, 4.0), (1000, 2.0)]}, "clips", "CPU time"))
    points = [(float(c.get("cx")), float(c.get("cy"))) for c in svg.iter("circle")]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2) and y1 - y0 == pytest.approx(y2 - y1, abs=0.2) and y1 > y0
    assert {"clips", "CPU time", "1,000", "a"} <= {t.text for t in svg.iter("text")}


@pytest.mark.parametrize(("low", "high", "ticks"), [
    (0.5, 2, [0.5, 1, 2]), (0.5, 61, [1, 10]), (0.5, 20, [0.5, 1, 2, 5, 10, 20]), (0.01, 1e9, [0.01, 1, 100, 1e4, 1e6, 1e8]),
])  # fmt: skip
def test_ticks_are_round_and_few(charts, low, high, ticks):
    assert charts.choose_log_ticks(low, high) == pytest.approx(ticks)
