"""Parts of the page Teach a machine: ONNX files, archives and utterances; its probabilities are those of Python."""

import base64
import io
import json
import zipfile

import live_pages
import numpy as np
import pytest
from look_pages import PACK, numbers
from teach_pages import ENCODE, LIVE, RATE, TRAINING, say


@pytest.fixture(scope="module")
def page(browser, site_url):
    yield from live_pages.open_demo(browser, site_url, "teach")


def test_a_graph_is_cut_and_continued(page) -> None:
    """A network of two branches: the cut leaves out what only the other output needs."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    kernel, other = rng.normal(size=(3, 4)).astype("float32"), rng.normal(size=(4, 5)).astype("float32")
    nodes = [
        helper.make_node("MatMul", ["x", "kernel"], ["hidden"]), helper.make_node("Relu", ["hidden"], ["net/relu:0"]),
        helper.make_node("MatMul", ["net/relu:0", "other"], ["logits"]),
    ]  # fmt: skip
    weights = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(other, "other")]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, s]) for n, s in (("x", 3), ("logits", 5)))
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"kerasrecipes": '{"recipe": "é"}', "old": "1"})
    answer = live_pages.call(
        page, ["onnx_graph"],
        """const { findTensor, replaceHead, readMetadata, writeNode, writeOutput, writeWeights } = onnx_graph;
        const model = Uint8Array.from(given[0]), tensor = findTensor(model, 'relu:0');
        const bytes = replaceHead(model, tensor, [
            writeWeights('w', [1, 2, 3, 4, 5, 6, 7, -8.5], [4, 2]), writeNode('MatMul', [tensor, 'w'], ['z']),
            writeNode('ReduceMax', ['z'], ['logits'], { axes: [1], keepdims: 0 }), writeOutput('logits', ['batch'])],
            { kerasrecipes: '{"recipe": "ü"}' });
        return { bytes: [...bytes], old: readMetadata(model) }""",
        list(model.SerializeToString()),
    )  # fmt: skip
    content = bytes(answer["bytes"])
    cut = onnx.load_from_string(content)
    onnx.checker.check_model(cut, full_check=True)
    assert [n.op_type for n in cut.graph.node] == ["MatMul", "Relu", "MatMul", "ReduceMax"]
    assert {i.name for i in cut.graph.initializer} == {"kernel", "w"}
    assert {p.key: p.value for p in cut.metadata_props} == {"kerasrecipes": '{"recipe": "ü"}'}
    assert answer["old"] == {"kerasrecipes": '{"recipe": "é"}', "old": "1"}
    values = rng.normal(size=(6, 3)).astype("float32")
    right = (np.maximum(values @ kernel, 0) @ np.array([1, 2, 3, 4, 5, 6, 7, -8.5]).reshape(4, 2)).max(1)
    np.testing.assert_allclose(onnxruntime.InferenceSession(content).run(None, {"x": values})[0], right, atol=1e-4)


def test_an_archive_is_read_by_zipfile(page) -> None:
    content = live_pages.call(
        page, ["zip"],
        """const files = { 'a/ü.txt': new TextEncoder().encode('hallo'), 'b.bin': new Uint8Array(70000), 'c': new Uint8Array(0) };
        return [...zip.writeZip(files)]""",
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        assert archive.testzip() is None and archive.namelist() == ["a/ü.txt", "b.bin", "c"]
        assert archive.read("a/ü.txt") == b"hallo" and archive.read("b.bin") == bytes(70000)


def test_utterances_are_found_at_once_and_in_a_stream(page) -> None:
    """Bursts of a tone in noise; a gap of 0.2 s lies inside an utterance, a click is none."""
    rng = np.random.default_rng(1)
    wave = rng.normal(0, 0.001, 10 * RATE)
    tone = 0.3 * np.sin(np.arange(10 * RATE) * 0.3)
    for begin, end in ((1, 1.5), (3, 3.4), (3.6, 4.1), (6, 6.03), (7.5, 8.5)):
        wave[int(begin * RATE) : int(end * RATE)] += tone[int(begin * RATE) : int(end * RATE)]
    found = live_pages.call(
        page, ["utterances"],
        """const wave = Float32Array.from(given[0]), lengths = [];
        const detector = new utterances.UtteranceDetector((clip) => lengths.push(clip.length));
        for (let at = 0; at < wave.length; at += 800) detector.feed(wave.subarray(at, at + 800));
        return { at: utterances.findUtterances(wave), lengths, none: utterances.findUtterances(Float32Array.from(given[1])) }""",
        wave.tolist(), rng.normal(0, 0.01, 5 * RATE).tolist(),
    )  # fmt: skip
    right = [(0.9, 1.6), (2.9, 4.2), (7.4, 8.6)]
    np.testing.assert_allclose(np.array(found["at"]) / RATE, right, atol=0.011)
    np.testing.assert_allclose(np.array(found["lengths"]) / RATE, [end - begin for begin, end in right], atol=0.021)
    assert found["none"] == []


def test_the_model_of_the_page_is_that_of_onnxruntime(page) -> None:
    """Probabilities in the page and of its file agree to 1e-4, for sounds of any length."""
    import onnxruntime

    waves = [say(voice, c)[4000 : 16000 - 999 * i] for i, voice in enumerate(TRAINING) for c in range(2)]
    answer = live_pages.call(
        page, ["teach_trunk", "teach_head"],
        f"""const pack = {PACK}, encode = {ENCODE}, trunk = await teach_trunk.openTrunk('sound'), examples = [];
        for (const [i, wave] of given[0].map((w) => Float32Array.from(w)).entries()) {{
            const features = await trunk.compute({{ audio: [wave, [1, wave.length]], length: [Int32Array.of(wave.length), [1]] }});
            examples.push({{ features, label: i % 3 }}); }}
        const head = await teach_head.trainHead(examples, 3), taught = {{ classes: ['a', 'b', 'ü'] }};
        const model = encode(trunk.makeModel(head, () => ({{ taught }})));
        return {{ model, features: examples.map((e) => pack(e.features)), found: examples.map((e) => head.predict(e.features)) }}""",
        [w.tolist() for w in waves],
    )  # fmt: skip
    session = onnxruntime.InferenceSession(base64.b64decode(answer["model"]))
    assert json.loads(session.get_modelmeta().custom_metadata_map["taught"])["classes"] == ["a", "b", "ü"]
    for i, (wave, found) in enumerate(zip(waves, answer["found"], strict=True)):
        [right] = session.run(["probabilities"], {"audio": wave[None], "length": np.array([len(wave)], "int32")})
        np.testing.assert_allclose(found, right[0], atol=1e-4)
        assert np.argmax(found) == i % 3
    assert not np.allclose(numbers(answer["features"][0]), numbers(answer["features"][1]), atol=0.01)


def test_images_and_probabilities_are_those_of_python(page, tmp_path) -> None:
    import kerasrecipes as kr

    samples = ("coffee", "rocket", "chelsea", "astronaut")
    answer = live_pages.call(
        page, ["teach_trunk", "teach_head", "teach_images", "pixels"],
        """const trunk = await teach_trunk.openTrunk('image'), examples = [];
        for (const [i, name] of given[0].entries()) {
            const square = teach_images.makeSquare(await pixels.readImage(new URL(`samples/${name}.png`, base).href));
            const picture = [Float32Array.from(pixels.cropCenter(square, 256, 227, 3)), [1, 227, 227, 3]];
            examples.push({ features: await trunk.compute({ picture }), label: i }); }
        const head = await teach_head.trainHead(examples, given[0].length), source = teach_images.makeImageSource(document.body);
        const encode = ENCODE, model = encode(trunk.makeModel(head, source.describe(given[0], 0.5)));
        return { model, found: examples.map((e) => head.predict(e.features)) }""".replace("ENCODE", ENCODE),
        list(samples),
    )  # fmt: skip
    path = tmp_path / "classes.onnx"
    path.write_bytes(base64.b64decode(answer["model"]))
    model = kr.load(path)
    assert model.classes == samples
    for sample, found in zip(samples, answer["found"], strict=True):
        right = model.classify(LIVE / "samples" / f"{sample}.png")
        np.testing.assert_allclose(found, right.probabilities, atol=1e-4)
        assert str(right) == sample
