"""Our models against torchaudio's, and golden arrays for everyday tests; run by `make test-oracles`."""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import test_deepspeech1
from test_wav2letter import log_softmax, torchaudio_net
from torchaudio_weights import DEEPSPEECH, GOLDEN, INPUTS, LABELS, sample_deepspeech_weights, sample_weights

torch = pytest.importorskip("torch")
SPEC = importlib.util.find_spec("torchaudio")
if SPEC is None:
    pytest.skip("torchaudio is not installed; make test-oracles does that", allow_module_level=True)


def torchaudio_model(name: str, **keywords):
    """Return a model of `torchaudio.models` from its file alone, because the package loads CUDA libraries at import."""
    path = Path(SPEC.origin).parent / "models" / f"{name.lower()}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)(**keywords)


@pytest.mark.parametrize("kind", INPUTS)
def test_wav2letter(kind):
    net = torchaudio_model("Wav2Letter", num_classes=LABELS, input_type=kind, num_features=INPUTS[kind][0])
    weights, x = sample_weights(kind)
    parameters = list(net.parameters())
    assert sum(p.numel() for p in parameters) == sum(k.size + b.size for k, b in weights)
    with torch.no_grad():
        for parameter, values in zip(parameters, [v for pair in weights for v in pair], strict=True):
            parameter.copy_(torch.from_numpy(values))
        expected = {
            n: net(torch.from_numpy(x[None, :, :n])).numpy()[0].T for n in (x.shape[1], x.shape[1] * 3 // 4 - 1)
        }
    ours = torchaudio_net(kind)
    for steps, values in expected.items():  # the whole input, and a part of odd length
        logits = ours([x.T[None, :steps] if kind != "waveform" else x[:, :steps], np.array([steps], "int32")])
        logits = keras.ops.convert_to_numpy(logits)[0]
        assert logits.shape == values.shape
        np.testing.assert_allclose(log_softmax(logits), values, rtol=1e-5, atol=1e-5)
    write_golden(f"torchaudio_wav2letter_{kind}", expected[x.shape[1]])


def write_golden(name, values):
    """Write the golden array if there is none yet, or if torchaudio gives another one."""
    file = GOLDEN / f"{name}.npz"
    if not file.exists() or not np.allclose(np.load(file)["log_probabilities"], values, atol=1e-6):
        np.savez_compressed(file, log_probabilities=values)


def test_deepspeech():
    net = torchaudio_model("DeepSpeech", **DEEPSPEECH)
    values, x = sample_deepspeech_weights()
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(value))
        expected = net(torch.from_numpy(x[None, None])).numpy()[0]
        first = torch.nn.functional.linear(torch.from_numpy(x), net.fc1.fc.weight, net.fc1.fc.bias)
        assert (first > 20).any()  # the clip of the ReLU layers is reached
    logits = keras.ops.convert_to_numpy(test_deepspeech1.torchaudio_net()([x[None], np.array([len(x)], "int32")]))[0]
    np.testing.assert_allclose(log_softmax(logits), expected, rtol=1e-5, atol=1e-5)
    write_golden("torchaudio_deepspeech", expected)
