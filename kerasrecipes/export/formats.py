"""One function per format: write a graph into a folder, reopen the file, and give a function that runs it."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.onnx_metadata import METADATA_KEY, read_description
from kerasrecipes.errors import ExportError

RunFunction = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def write_onnx(function: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]) -> RunFunction:
    """NAME.onnx, through tf2onnx, with native recurrent nodes and the description in its metadata.

    Args:
        function: of `kerasrecipes.export.tracing`. told: the description. folder, name: of the file.
        request: with "opset", "float16", "int8", and "weights": hashes of those that may be stored in fewer bytes.
    """
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")  # else it copies the graph before every optimisation
    import onnx
    import onnxruntime
    import tf2onnx

    from kerasrecipes.export import native_rnn
    from kerasrecipes.export.quantization import store_float16, store_int8

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with native_rnn.replace_with_placeholders() as marks:
        made, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=request["opset"],
            custom_ops=dict.fromkeys(native_rnn.NUMPY_FUNCTION_OPS, native_rnn.PLACEHOLDER_DOMAIN),
        )  # fmt: skip
    native_rnn.insert_native_nodes(made, marks)
    if request["int8"]:
        store_int8(made, request["weights"])
    if request["float16"]:
        store_float16(made, request["weights"])
    made.graph.name = told["recipe"]
    try:  # tf2onnx only logs operations that it cannot convert
        onnx.checker.check_model(made)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{told['recipe']} does not fit into ONNX: {str(error).splitlines()[0]}") from error
    # a graph's bytes stay the same inside the file
    told = {**told, "graph": hashlib.sha256(made.graph.SerializeToString()).hexdigest()}
    entry = made.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(told, ensure_ascii=False)
    path = folder / f"{name}.onnx"
    path.write_bytes(made.SerializeToString())
    read_description(path)
    opened = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    known, outputs = {i.name for i in opened.get_inputs()}, [o.name for o in opened.get_outputs()]
    # of inputs that the graph does not have (a length that changes nothing) none is fed
    return lambda inputs: dict(
        zip(outputs, opened.run(outputs, {k: v for k, v in inputs.items() if k in known}), strict=True)
    )


def write_tf_saved_model(
    function: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]
) -> RunFunction:
    """A folder NAME with TensorFlow's SavedModel, the signature `serving_default`, and the description as an asset file."""
    import tensorflow as tf

    place = folder / name
    module = tf.Module()
    module.network, module.call = request["network"], function
    tf.saved_model.save(module, str(place), signatures={"serving_default": function.get_concrete_function()})
    (place / "assets.extra").mkdir(exist_ok=True)
    (place / "assets.extra" / f"{METADATA_KEY}.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    opened = tf.saved_model.load(str(place))
    call = opened.signatures["serving_default"]

    def run(inputs: dict[str, np.ndarray], keep: Any = opened) -> dict[str, np.ndarray]:
        return {k: v.numpy() for k, v in call(**{k: tf.constant(v) for k, v in inputs.items()}).items()}

    return run


def write_openvino(
    function: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]
) -> RunFunction:
    """NAME.xml and NAME.bin, OpenVINO's own format, made from the ONNX file; the description is in its `rt_info`."""
    import openvino

    write_onnx(function, told, folder, name, request)
    core = openvino.Core()
    converted = core.read_model(str(folder / f"{name}.onnx"))  # as it is: a conversion would fold the casts of float16
    converted.set_rt_info(json.dumps(told, ensure_ascii=False), [METADATA_KEY])
    openvino.serialize(converted, str(folder / f"{name}.xml"))
    (folder / f"{name}.onnx").unlink()
    opened = core.compile_model(str(folder / f"{name}.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    known = {n for i in opened.inputs for n in i.names}

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = opened({k: v for k, v in inputs.items() if k in known})
        return {n: np.array(found[o]) for o in opened.outputs for n in o.names}

    return run


def write_litert(function: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]) -> RunFunction:
    """NAME.tflite for LiteRT, its built-in operations only; the description lies beside it as NAME.json."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # weights as constants: as variables the file would hold their names alone, and give NaN
    concrete = function.get_concrete_function()
    frozen, names = convert_variables_to_constants_v2(concrete), sorted(concrete.structured_outputs)
    named = tf.function(
        lambda *values: dict(zip(names, frozen(*values), strict=True)), input_signature=function.input_signature
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([named.get_concrete_function()], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if request["float16"]:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        written = converter.convert()
    except Exception as error:  # the converter raises its own kinds, with the whole graph in the message
        raise ExportError(f"{told['recipe']} does not fit into LiteRT: {str(error).splitlines()[0][:200]}") from error
    (folder / f"{name}.tflite").write_bytes(written)
    (folder / f"{name}.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    opened = tf.lite.Interpreter(model_content=written)
    return lambda inputs: opened.get_signature_runner()(**inputs)  # a runner alone loses the file's memory
