"""A recurrent cell: gates, candidates and states of the page are those of keras.layers.GRU with the released weights."""

import json
import struct

import live_pages
import numpy as np
import pytest
from look_pages import PACK, fits, numbers

DEMO = '.live[data-demo="gru"] .live-demo'
FILE = live_pages.FILES / "gru.net"


@pytest.fixture(scope="module")
def page(browser, site_url):
    yield from live_pages.open_demo(browser, site_url, "gru")


@pytest.fixture(scope="module")
def net():
    """Return (header, arrays) of the page's file."""
    content = FILE.read_bytes()
    size = struct.unpack("<I", content[:4])[0]
    header, arrays = json.loads(content[4 : 4 + size]), {}
    for name, entry in header["arrays"].items():
        dtype, count = "<f2" if entry["half"] else "<f4", int(np.prod(entry["shape"]))
        arrays[name] = np.frombuffer(content, dtype, count, 4 + size + entry["offset"]).reshape(entry["shape"]).astype("float32")
    return header, arrays


def run_page(page, forced):
    """Return the page's {name: (steps, units)} for the gates that are forced."""
    text = live_pages.call(
        page, ["common", "back", "gru_cell"],
        f"""const cell = gru_cell.runCell(back.unpack(await common.fetchFile("gru.net")), given[0]), pack = {PACK};
        return Object.fromEntries(["update", "reset", "candidate", "state"].map((name) => [name, pack(cell[name])]))""",
        forced,
    )  # fmt: skip
    return {name: numbers(part).reshape(-1, 352) for name, part in text.items()}


def make_layer(arrays):
    import keras

    layer = keras.layers.GRU(352, return_sequences=True, reset_after=True)
    layer.build((None, None, arrays["inputs"].shape[-1]))
    layer.set_weights([arrays["kernel"], arrays["recurrent"], np.stack([arrays["bias"], arrays["recurrent_bias"]])])
    return layer


def test_states_are_those_of_keras(page, net):
    import keras

    states = run_page(page, {})["state"]
    right = keras.ops.convert_to_numpy(make_layer(net[1])(net[1]["inputs"][None]))[0]
    np.testing.assert_allclose(states, right, atol=1e-5)
    assert right.std() > 0.05


def test_gates_are_those_of_the_weights(page, net):
    """A GRU whose update gate is forced shows its candidate and its reset gate, which the layer itself does not return."""
    import keras

    arrays, result = net[1], run_page(page, {})
    before = np.concatenate([np.zeros((1, 352), "float32"), result["state"][:-1]])
    from_input, from_state = arrays["inputs"] @ arrays["kernel"] + arrays["bias"], before @ arrays["recurrent"] + arrays["recurrent_bias"]
    z, r = np.split(1 / (1 + np.exp(-(from_input + from_state)[:, :704])), 2, axis=1)
    np.testing.assert_allclose(result["update"], z, atol=1e-5)
    np.testing.assert_allclose(result["reset"], r, atol=1e-5)
    np.testing.assert_allclose(result["candidate"], np.tanh(from_input[:, 704:] + r * from_state[:, 704:]), atol=1e-5)
    bias = arrays["bias"].copy()
    bias[:352] = -1e4  # an update gate of 0: each state is the candidate
    forced = make_layer(arrays | {"bias": bias})
    right = keras.ops.convert_to_numpy(forced(arrays["inputs"][None]))[0]
    np.testing.assert_allclose(run_page(page, {"update": 0})["state"], right, atol=1e-5)


def test_the_file_is_the_released_layer(net):
    """Inputs and weights lead to the outputs of the recognizer's first recurrent layer, forward plus backward."""
    import keras

    import kerasrecipes
    from kerasrecipes import layers

    model = kerasrecipes.load("deepspeech2_small", compile=False)
    gru = next(layer for layer in model.layers if isinstance(layer, layers.SequenceRNN))
    header, arrays = net
    steps = np.array([len(arrays["inputs"])], "int32")
    whole = keras.ops.convert_to_numpy(gru(arrays["inputs"][None], steps)[0])[0]
    forward = keras.ops.convert_to_numpy(make_layer(arrays)(arrays["inputs"][None]))[0]
    weights = [gru.kernels[1], gru.loops[1].cell.recurrent_kernel, gru.biases[1], gru.loops[1].cell.recurrent_bias]
    names = ("kernel", "recurrent", "bias", "recurrent_bias")
    other = dict(zip(names, (keras.ops.convert_to_numpy(w) for w in weights), strict=True))
    backward = keras.ops.convert_to_numpy(make_layer(arrays | other)(arrays["inputs"][None, ::-1]))[0, ::-1]
    np.testing.assert_allclose(forward + backward, whole, atol=2e-5)
    assert [w["text"] for w in header["words"]][:4] == ["when", "it", "is", "sufficiently"]
    assert all(a["end"] <= b["start"] + 1e-6 for a, b in zip(header["words"], header["words"][1:], strict=False))


def test_formulas_add_up_and_keys_move(page):
    get = lambda name: page.locator(DEMO).get_attribute(f"data-{name}")  # noqa: E731
    page.locator(".gru-canvas").first.focus()
    step, unit = int(get("step")), int(get("unit"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert (int(get("step")), int(get("unit"))) == (step + 1, unit + 1)
    before = float(get("state"))
    page.keyboard.press("Enter")  # the first gate of the next step
    assert get("stage") == "reset" and int(get("step")) == step + 2
    z, c = float(get("update")), float(get("candidate"))
    assert float(get("state")) == pytest.approx(z * before + (1 - z) * c, abs=1e-9)
    assert page.locator(".gru-row.later").count() == 3
    page.get_by_label("update gate").select_option("always 0")
    assert get("state") == get("candidate")
    page.get_by_label("update gate").select_option("as computed")
    page.get_by_label("speed").select_option("step by step")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"document.querySelector('{DEMO}').dataset.step >= {step + 4}")
    page.get_by_role("button", name="Pause").click()
    fits(page)
    page.set_viewport_size({"width": 1280, "height": 720})
