"""The export formats. One entry of `FORMATS` adds a format: the command line, `--help` and the documentation read it."""

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.onnx_metadata import METADATA_KEY, read_description
from kerasrecipes.errors import ExportError
from kerasrecipes.utils.files import first_line

MADE_NAME = re.compile(r"__\d+$")  # of what tf2onnx adds to a graph
RunFunction = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Format:
    """An export format.

    Args:
        help: One line for `--help` and the documentation.
        extensions: Extensions of the files it consists of. "" is a folder.
        packages: Packages that must be installed.
        write: Function (graph, metadata, stem, request) that writes the files `stem` + extension from a
            `kerasrecipes.export.tracing.ExportModel`. `request` has the options of `export`, and "weights": hashes of the
            trained weights, which may be stored in fewer bytes.
        run: Function (stem) that opens the written files and returns a function from inputs to outputs, both by name.
        recurrent: Whether the format can hold recurrent layers.
        options: The options of `export` that it supports.
    """

    help: str
    extensions: tuple[str, ...]
    packages: tuple[str, ...]
    write: Callable[[Any, dict[str, Any], Path, dict[str, Any]], None]
    run: Callable[[Path], RunFunction]
    recurrent: bool = True
    options: tuple[str, ...] = ("activations", "float16")


def write_onnx(graph: Any, metadata: dict[str, Any], stem: Path, request: dict[str, Any]) -> None:
    """Write STEM.onnx through tf2onnx, with native recurrent nodes and the metadata inside."""
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")  # otherwise it copies the graph before every optimization
    import onnx
    import tf2onnx

    from kerasrecipes.export import native_rnn
    from kerasrecipes.export.quantization import store_float16, store_int8

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    function = graph.tf_function()
    with native_rnn.replace_with_placeholders() as placeholders:
        model, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=request["opset"],
            custom_ops=dict.fromkeys(native_rnn.NUMPY_FUNCTION_OPS, native_rnn.PLACEHOLDER_DOMAIN),
        )  # fmt: skip
    native_rnn.insert_native_nodes(model, placeholders)
    number_constants(model.graph)
    if request["int8"]:
        store_int8(model, request["weights"])
    if request["float16"]:
        store_float16(model, request["weights"])
    model.graph.name = metadata["recipe"]
    try:  # tf2onnx only logs operations that it cannot convert
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{metadata['recipe']} does not fit into ONNX: {first_line(error)}") from error
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(metadata, ensure_ascii=False)
    path = Path(f"{stem}.onnx")
    path.write_bytes(model.SerializeToString())
    read_description(path)


def number_constants(graph: Any) -> None:
    """Name the constants that tf2onnx made by their first use, and sort all by it. Of equal ones it keeps any, in each run another."""
    made = {value.name for value in graph.initializer if MADE_NAME.search(value.name)}
    names: dict[str, str] = {}

    def rename(part: Any) -> None:
        for node in part.node:
            for index, name in enumerate(node.input):
                names.setdefault(name, f"constant__{len(names)}" if name in made else name)
                node.input[index] = names[name]
            for attribute in node.attribute:
                rename(attribute.g)

    rename(graph)
    for value in graph.initializer:
        value.name = names.get(value.name, value.name)
    order = {name: place for place, name in enumerate(names.values())}
    graph.initializer.sort(key=lambda value: order.get(value.name, len(order)))


def run_onnx(stem: Path) -> RunFunction:
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{stem}.onnx", providers=["CPUExecutionProvider"])
    # the graph lacks an input that does not change its outputs, for instance a length
    inputs, outputs = {i.name for i in session.get_inputs()}, [o.name for o in session.get_outputs()]

    def run(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = session.run(outputs, {k: v for k, v in values.items() if k in inputs})
        return dict(zip(outputs, results, strict=True))

    return run


def write_tf_saved_model(graph: Any, metadata: dict[str, Any], stem: Path, request: dict[str, Any]) -> None:
    """Write the folder STEM with the signature `serving_default` and the metadata as an asset file."""
    graph.export(str(stem), format="tf_saved_model", verbose=False, input_signature=[graph.specs])
    (stem / "assets.extra").mkdir(exist_ok=True)
    (stem / "assets.extra" / f"{METADATA_KEY}.json").write_text(json.dumps(metadata, ensure_ascii=False), "utf-8")


def run_tf_saved_model(stem: Path) -> RunFunction:
    import tensorflow as tf

    model = tf.saved_model.load(str(stem))
    call = model.signatures["serving_default"]

    def run(values: dict[str, np.ndarray], keep_alive: Any = model) -> dict[str, np.ndarray]:
        return {k: v.numpy() for k, v in call(**{k: tf.constant(v) for k, v in values.items()}).items()}

    return run


def write_openvino(graph: Any, metadata: dict[str, Any], stem: Path, request: dict[str, Any]) -> None:
    """Write STEM.xml and STEM.bin from the ONNX file, with the metadata in `rt_info`.

    `keras.Model.export` writes this format too, but recurrent layers become loops over steps (2.7 times slower for
    deepspeech2_small) and weights are always float32.
    """
    import openvino

    write_onnx(graph, metadata, stem, request)
    # reading keeps the file's float16 casts, which a conversion would fold
    model = openvino.Core().read_model(f"{stem}.onnx")
    model.set_rt_info(json.dumps(metadata, ensure_ascii=False), [METADATA_KEY])
    openvino.serialize(model, f"{stem}.xml")
    Path(f"{stem}.onnx").unlink()


def run_openvino(stem: Path) -> RunFunction:
    import openvino

    model = openvino.Core().compile_model(f"{stem}.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs = {name for i in model.inputs for name in i.names}

    def run(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = model({k: v for k, v in values.items() if k in inputs})
        return {name: np.array(results[o]) for o in model.outputs for name in o.names}

    return run


def write_litert(graph: Any, metadata: dict[str, Any], stem: Path, request: dict[str, Any]) -> None:
    """Write STEM.tflite in LiteRT's built-in operations, and the metadata as STEM.json."""
    import tensorflow as tf

    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    options: dict[str, Any] = {"target_spec": target}
    if request["float16"]:
        target["supported_types"], options["optimizations"] = [tf.float16], [tf.lite.Optimize.DEFAULT]
    try:
        graph.export(f"{stem}.tflite", format="litert", verbose=False, input_signature=[graph.specs], **options)
    except Exception as error:  # the converter raises classes of its own, with the whole graph in the message
        raise ExportError(f"{metadata['recipe']} does not fit into LiteRT: {first_line(error)[:200]}") from error
    Path(f"{stem}.json").write_text(json.dumps(metadata, ensure_ascii=False), "utf-8")


def run_litert(stem: Path) -> RunFunction:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(f"{stem}.tflite")
    return lambda values: interpreter.get_signature_runner("serving_default")(**values)


ONNX_PACKAGES = ("tensorflow", "tf2onnx", "onnx", "onnxruntime")
FORMATS = {
    "onnx": Format(
        "NAME.onnx for onnxruntime, OpenVINO and browsers; all recipes; float32, float16, int8",
        (".onnx",), ONNX_PACKAGES, write_onnx, run_onnx, options=("activations", "float16", "int8"),
    ),
    "tf_saved_model": Format(
        "folder NAME with the signature serving_default; all recipes; float32",
        ("",), ("tensorflow",), write_tf_saved_model, run_tf_saved_model, options=("activations",),
    ),
    "litert": Format(
        "NAME.tflite and NAME.json; recipes without recurrent layers; float32, float16",
        (".tflite", ".json"), ("tensorflow",), write_litert, run_litert, recurrent=False,
    ),
    "openvino": Format(
        "NAME.xml and NAME.bin; all recipes; float32, float16, int8",
        (".xml", ".bin"), (*ONNX_PACKAGES, "openvino"), write_openvino, run_openvino,
        options=("activations", "float16", "int8"),
    ),
}  # fmt: skip
