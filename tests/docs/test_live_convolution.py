"""A convolution, step by step: sizes and numbers are those of onnxruntime, torch and Keras for every combination of the knobs."""

import itertools
import json
from functools import cache

import live_pages
import numpy as np
import onnxruntime
import pytest
from look_pages import PACK, fits, numbers
from onnx import TensorProto, helper

DEMO = '.live[data-demo="convolution"] .live-demo'
KNOBS = {
    "size": (4, 5, 6, 7, 8), "kernel": (1, 2, 3, 4, 5), "stride": (1, 2, 3), "dilation": (1, 2, 3), "padding": ("valid", "same", "full"),
    "transposed": (False, True), "widths": ((1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4)),
}  # fmt: skip
MINUS = "\N{MINUS SIGN}"
MOST = 4 * 4 * 5 * 5  # weights


def list_settings():
    """Return all combinations of the knobs."""
    combinations = [dict(zip(KNOBS, values, strict=True)) for values in itertools.product(*KNOBS.values())]
    return [s | dict(zip(("channels", "groups"), s.pop("widths"), strict=True)) | {"rectified": False} for s in combinations]


def make_arrays(settings):
    """Return the input (channels, size, size), the weights (output, input of its group, row, column) and the biases."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=n).astype("float32") for n in (4 * 8 * 8, MOST, 4))
    n, k, c, g = (settings[key] for key in ("size", "kernel", "channels", "groups"))
    return x[: c * n * n].reshape(c, n, n), w[: c * c // g * k * k].reshape(c, c // g, k, k), b[:c]


@pytest.fixture(scope="module")
def page(browser, site_url):
    page = live_pages.opened(browser, f"{site_url}live/convolution/")
    page.wait_for_selector('.live[data-demo="convolution"][data-ready]')
    yield page
    assert not page.failures
    page.close()


def find_knob(page, words):
    """Return the control under these words."""
    return page.locator(".live-field", has=page.get_by_text(words, exact=True)).locator("select, input")


@pytest.fixture(scope="module")
def outputs(page):
    """The page's outputs: settings as text -> (channels, outputs, outputs)."""
    settings = list_settings()
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=n).astype("float32").tolist() for n in (4 * 8 * 8, MOST, 4)]
    sizes, text = live_pages.call(
        page, ["convolve"],
        f"""const [all, x, w, b] = given, sizes = [], values = [];
        for (const settings of all) {{
            sizes.push(convolve.getGeometry(settings).outputs);
            for (const v of convolve.convolve(x, w, b, settings)) values.push(v);
        }}
        return [sizes, ({PACK})(values)]""",
        settings, *arrays,
    )  # fmt: skip
    values, results, at = numbers(text), {}, 0
    for one, side in zip(settings, sizes, strict=True):
        count = one["channels"] * side * side
        results[json.dumps(one)] = values[at : at + count].reshape(one["channels"], side, side)
        at += count
    assert at == len(values)
    return results


def get_zeros(settings):
    """Return (zeros or cropped cells before, after, outputs) from Keras's rules for sizes, written from its documentation."""
    n, k, s, d = (settings[key] for key in ("size", "kernel", "stride", "dilation"))
    reach = (k - 1) * d + 1
    if settings["transposed"]:
        total = {"valid": 0, "same": max(reach - s, 0), "full": 2 * (reach - 1)}[settings["padding"]]
        natural = (n - 1) * s + reach
        outputs = {"valid": natural + max(s - reach, 0), "same": n * s, "full": natural - total}[settings["padding"]]
        return total // 2, total - total // 2, outputs
    total = {"valid": 0, "same": max((-(-n // s) - 1) * s + reach - n, 0), "full": 2 * (reach - 1)}[settings["padding"]]
    return total // 2, total - total // 2, (n + total - reach) // s + 1


@cache
def open_operator(kind, kernel, stride, dilation, groups, before, after, extra):
    """Return a session of onnxruntime that runs one operator."""
    pads = {"pads": [before, before, after, after]}
    pads |= {"output_padding": [extra, extra]} if kind == "ConvTranspose" else {}
    node = helper.make_node(
        kind, ["x", "w", "b"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2, dilations=[dilation] * 2, group=groups, **pads
    )
    ranks = {"x": 4, "w": 4, "b": 1, "y": 4}
    info = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in ranks.items()}
    graph = helper.make_graph([node], "one", [info["x"], info["w"], info["b"]], [info["y"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def transpose_weights(w, groups):
    """Turn weights (output, input of its group, ...) into those of a transposed convolution, (input, output of its group, ...)."""
    parts = np.split(w, groups)
    return np.ascontiguousarray(np.concatenate([p.swapaxes(0, 1) for p in parts]))


def test_every_combination_is_that_of_onnxruntime(outputs):
    empty = 0
    for settings in list_settings():
        mine = outputs[json.dumps(settings)]
        before, after, size = get_zeros(settings)
        empty += size < 1
        assert mine.shape[1] == max(size, 0), settings
        if size < 1:
            continue
        x, w, b = make_arrays(settings)
        k, s, d, g = (settings[key] for key in ("kernel", "stride", "dilation", "groups"))
        if settings["transposed"]:
            extra = max(size - ((settings["size"] - 1) * s + (k - 1) * d + 1 - before - after), 0)
            if extra and extra >= max(s, d):
                continue  # onnxruntime allows no such zeros at the end; the test with Keras covers them
            w = transpose_weights(w, g)
            session = open_operator("ConvTranspose", k, s, d, g, before, after, extra)
        else:
            session = open_operator("Conv", k, s, d, g, before, after, 0)
        right = session.run(None, {"x": x[None], "w": w, "b": b})[0][0]
        np.testing.assert_allclose(mine, right, atol=1e-5, rtol=1e-5, err_msg=str(settings))
    assert empty > 20  # kernels that reach over more than the input


def test_combinations_that_keras_has_are_keras(outputs):
    keras = pytest.importorskip("keras")
    compared = 0
    for settings in list_settings():
        k, s, d, g, n = (settings[key] for key in ("kernel", "stride", "dilation", "groups", "size"))
        is_dilated_stride = s > 1 and d > 1  # not on TensorFlow
        if settings["padding"] == "full" or is_dilated_stride or (settings["transposed"] and g > 1) or n != 7 or k in (1, 4):
            continue
        mine = outputs[json.dumps(settings)]
        if not mine.size:
            continue
        x, w, b = make_arrays(settings)
        options = {"strides": s, "padding": settings["padding"], "dilation_rate": d, "data_format": "channels_last"}
        if settings["transposed"]:
            y = keras.ops.conv_transpose(x.transpose(1, 2, 0)[None], w.transpose(2, 3, 0, 1), **options)
        else:
            y = keras.ops.conv(x.transpose(1, 2, 0)[None], w.transpose(2, 3, 1, 0), **options)
        right = keras.ops.convert_to_numpy(y)[0].transpose(2, 0, 1) + b[:, None, None]
        np.testing.assert_allclose(mine, right, atol=1e-5, rtol=1e-5, err_msg=str(settings))
        compared += 1
    assert compared > 100


def test_every_combination_is_torchs(outputs):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for settings in list_settings():
        mine = outputs[json.dumps(settings)]
        if not mine.size:
            continue
        before, after, size = get_zeros(settings)
        x, w, b = map(torch.tensor, make_arrays(settings))
        s, d, g = (settings[key] for key in ("stride", "dilation", "groups"))
        if settings["transposed"]:  # the whole output, cropped or followed by zeros
            w = torch.tensor(transpose_weights(w.numpy(), g))
            whole = functional.conv_transpose2d(x[None], w, None, s, groups=g, dilation=d)[0]
            whole = functional.pad(whole, (0, s, 0, s))[:, before : before + size, before : before + size] + b[:, None, None]
        else:
            whole = functional.conv2d(functional.pad(x[None], (before, after) * 2), w, b, s, 0, d, g)[0]
        np.testing.assert_allclose(mine, whole.numpy(), atol=1e-5, rtol=1e-5, err_msg=str(settings))


@pytest.mark.parametrize("knobs", [
    {"padding": "same", "stride s": "2"}, {"padding": "full", "dilation d": "2", "kernel": "random weights"},
    {"channels": "4", "groups": "2", "kernel": "sharpen"}, {"kind": "transposed", "stride s": "2", "channels": "2", "kernel": "mean"},
])  # fmt: skip
def test_what_the_page_shows_adds_up(page, knobs):
    """The lit terms, their products and the sums are consistent with each other and with the output."""
    page.reload()
    page.wait_for_selector('.live[data-demo="convolution"][data-ready]')
    for label, value in knobs.items():
        find_knob(page, label).select_option(value)
    find_knob(page, "bias").fill("1.5")
    page.get_by_role("button", name="Next output").click()
    page.get_by_role("button", name="Next term").click()
    demo = page.locator(DEMO)
    shown = [t.replace(MINUS, "-") for t in page.locator(".conv-term").all_inner_texts()]
    products = [t.replace(MINUS, "-") for t in page.locator(".conv-products .conv-number:not(.unused)").all_inner_texts()]
    total = 0.0
    for term, product in zip(shown, products, strict=True):
        weight, value = (float(part.strip("()")) for part in term.split("·"))
        assert weight * value == pytest.approx(float(product), abs=0.006)
        total += float(product)
    assert total == pytest.approx(float(demo.get_attribute("data-sum")), abs=0.1)
    assert float(demo.get_attribute("data-output")) == pytest.approx(max(0, float(demo.get_attribute("data-sum")) + 1.5))
    assert page.locator(".conv-term.lit").count() == 1
    assert page.locator(".conv-products .lit").count() == page.locator(".conv-kernel .lit").count() == 1


def test_it_plays_pauses_and_is_driven_by_keys(page):
    page.reload()
    page.wait_for_selector('.live[data-demo="convolution"][data-ready]')
    get = lambda name: page.locator(DEMO).get_attribute(f"data-{name}")  # noqa: E731
    output = page.locator(".conv-output canvas")
    output.focus()
    page.keyboard.press("Home")
    assert get("position") == "0,0,0"
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert get("position") == "0,1,2" and get("term") == "-1"
    for _ in range(10):  # nine terms, then the next output
        page.keyboard.press("Enter")
    assert get("position") == "0,1,3" and get("term") == "0"
    page.keyboard.press("End")
    assert get("position") == "0,5,5"
    find_knob(page, "speed").select_option("fast")
    output.focus()
    page.keyboard.press(" ")
    page.wait_for_function(f"document.querySelector('{DEMO}').dataset.position === '0,0,2'")
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Play").count() == 1

    page.keyboard.press("Home")
    page.locator(".conv-input canvas").focus()  # the cell in the first corner of the input and of the kernel
    page.keyboard.press("5")
    assert float(get("sum")) == -5 + 9  # the seven begins in the window
    page.locator(".conv-kernel input").first.fill("3")
    assert float(get("sum")) == 15 + 9
    fits(page)
    page.set_viewport_size({"width": 1280, "height": 720})


def test_an_input_without_outputs_is_explained(page):
    page.reload()
    page.wait_for_selector('.live[data-demo="convolution"][data-ready]')
    for label, value in {"input size n": "4", "kernel size k": "3", "dilation d": "3"}.items():
        find_knob(page, label).select_option(value)
    assert "The kernel reaches over 7 cells" in page.locator(".conv-sums").inner_text()
    assert page.get_by_role("button", name="Play").is_disabled()
