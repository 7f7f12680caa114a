"""The table of methods: its functions exist and take the inputs and options that the table names."""

import importlib
import inspect
from pathlib import Path

import pytest

from kerasrecipes.visualize.methods import DEFAULT_METHOD, METHODS, OPTIONS, SALIENCY_METHODS, run_method


@pytest.mark.parametrize("name", METHODS)
def test_functions_take_their_inputs_and_options(name):
    method = METHODS[name]
    for reference in filter(None, (method.function, method.audio_function)):
        module, _, attribute = reference.partition(":")
        function = getattr(importlib.import_module(module), attribute)
        keywords = dict.fromkeys([*method.options, *method.arguments])
        if reference == method.audio_function:
            keywords = dict.fromkeys(method.arguments)
        if method.progress:
            keywords["progress"] = None
        if method.writes_files:
            keywords |= {"folder": None, "suffix": None, "prefix": None}
        inspect.signature(function).bind(None, *method.inputs, **keywords)  # raises for a missing or unknown argument


def test_options_are_known_and_used():
    used = {o for m in METHODS.values() for o in (*m.options, *m.plot_options, *m.inputs)}
    assert set(OPTIONS) <= used and used - set(OPTIONS) <= {"image", "audio", "unit", "units", "layer"}
    assert {DEFAULT_METHOD, *SALIENCY_METHODS} <= set(METHODS)
    assert all(o.help and "\n" not in o.help for o in (*OPTIONS.values(), *METHODS.values()))


def test_a_new_entry_runs_and_names_its_files(tmp_path, monkeypatch):
    class Result:
        def __init__(self, unit):
            self.unit = unit

        def save(self, path, **options):
            path.write_text(str(sorted(options.items())))
            return path

    class Unit:
        stem = "conv1_3"

    def new_method(model, image, unit, scale=1):
        assert (image, unit, scale) == ("a/cat.png", "conv1:3", 2)
        return Result(Unit)

    monkeypatch.setattr("kerasrecipes.visualize.filters.new_method", new_method, raising=False)
    entry = type(METHODS["deconv"])(
        "kerasrecipes.visualize.filters:new_method", "new", ("image", "unit"), ("scale",), plot_options=("render_mode",)
    )
    monkeypatch.setitem(METHODS, "new-method", entry)
    model = type("Model", (), {"name": "net"})()
    options = {"scale": 2, "render_mode": "norm", "stride": 7, "layers": ()}
    results = run_method("new-method", model, tmp_path, file="a/cat.png", units=["conv1:3"], **options)
    paths = [path for path, _ in results]
    assert paths == [Path(tmp_path) / "net_cat_conv1_3_new_method_norm.png"]
    assert paths[0].read_text() == "[('render_mode', 'norm')]"
