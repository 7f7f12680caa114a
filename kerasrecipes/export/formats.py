"""One function per format: write the network into a folder, reopen the file, and give a function that runs it."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.wire import KEY, read_description
from kerasrecipes.errors import ExportError

Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def traced(network: Any, model: Any) -> Any:
    """The network as a `tf.function` of named inputs with dynamic batch and time; its outputs are named too."""
    import keras
    import tensorflow as tf

    from kerasrecipes.export.groups import parted

    single = not isinstance(network.input, dict)
    inputs = {"picture": network.input} if single else network.input
    signature = [tf.TensorSpec(t.shape, t.dtype, name=name) for name, t in inputs.items()]

    def call(*values: Any) -> dict[str, Any]:
        given = dict(zip(inputs, values, strict=True))
        with parted():
            found = network(values[0] if single else given, training=False)
        outputs = found if isinstance(found, dict) else {"scores": found}
        if hasattr(model, "geometries"):
            outputs["frames"] = keras.ops.cast(model.output_length(given["length"]), "int32")
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    return tf.function(call, input_signature=signature, autograph=False)


def write_onnx(network: Any, model: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]) -> Run:
    """NAME.onnx, through tf2onnx, with native recurrent nodes and the description in its metadata."""
    import onnx
    import onnxruntime
    import tf2onnx

    from kerasrecipes.export import recurrences
    from kerasrecipes.export.half import halve

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    function = traced(network, model)
    with recurrences.marked() as layers:
        made, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=request["opset"],
            custom_ops=dict.fromkeys(recurrences.OPERATIONS, recurrences.DOMAIN),
        )  # fmt: skip
    recurrences.stitch(made, layers)
    if request["float16"]:
        halve(made)
    made.graph.name = model.recipe.name
    try:  # tf2onnx only logs operations that it cannot convert
        onnx.checker.check_model(made)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{model.name} does not fit into ONNX: {str(error).splitlines()[0]}") from error
    # a graph's bytes stay the same inside the file
    told = {
        **told,
        "float16": bool(request["float16"]),
        "graph": hashlib.sha256(made.graph.SerializeToString()).hexdigest(),
    }
    helper_entry = made.metadata_props.add()
    helper_entry.key, helper_entry.value = KEY, json.dumps(told, ensure_ascii=False)
    path = folder / f"{name}.onnx"
    path.write_bytes(made.SerializeToString())
    read_description(path)
    return session(onnxruntime, path)


def session(onnxruntime: Any, path: Path) -> Run:
    """The file in onnxruntime; of inputs that the graph does not have (a length that changes nothing) none is fed."""
    opened = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    known = {i.name for i in opened.get_inputs()}
    return lambda inputs: opened.run(["scores"], {k: v for k, v in inputs.items() if k in known})[0]


def write_tf_saved_model(
    network: Any, model: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]
) -> Run:  # fmt: skip
    """A folder NAME with TensorFlow's SavedModel, the signature `serving_default`, and the description as an asset file."""
    import tensorflow as tf

    function, place = traced(network, model), folder / name
    module = tf.Module()
    module.network, module.call = network, function
    tf.saved_model.save(module, str(place), signatures={"serving_default": function.get_concrete_function()})
    (place / "assets.extra").mkdir(exist_ok=True)
    (place / "assets.extra" / f"{KEY}.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    opened = tf.saved_model.load(str(place))
    call = opened.signatures["serving_default"]
    return lambda inputs: call(**{k: tf.constant(v) for k, v in inputs.items()})["scores"].numpy()


def write_openvino(
    network: Any, model: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]
) -> Run:
    """NAME.xml and NAME.bin, OpenVINO's own format, made from the ONNX file; the description is in its `rt_info`."""
    import openvino

    write_onnx(network, model, told, folder, name, request)
    converted = openvino.convert_model(str(folder / f"{name}.onnx"))
    converted.set_rt_info(json.dumps(told, ensure_ascii=False), [KEY])
    openvino.save_model(converted, str(folder / f"{name}.xml"), compress_to_fp16=bool(request["float16"]))
    (folder / f"{name}.onnx").unlink()
    core = openvino.Core()
    opened = core.compile_model(str(folder / f"{name}.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    known = {n for i in opened.inputs for n in i.names}
    return lambda inputs: opened({k: v for k, v in inputs.items() if k in known})["scores"]


def write_litert(
    network: Any, model: Any, told: dict[str, Any], folder: Path, name: str, request: dict[str, Any]
) -> Run:
    """NAME.tflite for LiteRT, its built-in operations only; the description lies beside it as NAME.json."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = traced(network, model)
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
        raise ExportError(f"{model.name} does not fit into LiteRT: {str(error).splitlines()[0][:200]}") from error
    (folder / f"{name}.tflite").write_bytes(written)
    (folder / f"{name}.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    opened = tf.lite.Interpreter(model_content=written)
    return lambda inputs: opened.get_signature_runner()(**inputs)["scores"]  # a runner alone loses the file's memory
