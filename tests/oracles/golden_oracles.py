"""Programs of others that compute the goldens: `ORACLES` maps a golden to a function of its inputs."""

import importlib.util
import sys
import types
from typing import Any
from unittest import mock

import numpy as np
import pytest

torch = pytest.importorskip("torch")


def import_functional() -> Any:
    """Return `torchaudio.functional`, or its Python part where the compiled part finds no CUDA libraries."""
    spec = importlib.util.find_spec("torchaudio")
    if spec is None:
        pytest.skip("torchaudio is not installed")
    try:
        import torchaudio.functional as functional
    except OSError:
        for name in [n for n in sys.modules if n.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        package, extension = types.ModuleType("torchaudio"), types.ModuleType("torchaudio._extension")
        package.__path__ = list(spec.submodule_search_locations)
        extension._IS_TORCHAUDIO_EXT_AVAILABLE, extension.fail_if_no_align = False, lambda function: function
        sys.modules["torchaudio"], sys.modules["torchaudio._extension"] = package, extension
        try:
            from torchaudio.functional import functional
        finally:  # other tests look for the whole package
            for name in [n for n in sys.modules if n.split(".")[0] == "torchaudio"]:
                del sys.modules[name]
    return functional


def tensors(inputs: dict, *names: str) -> list:
    return [torch.from_numpy(inputs[name]) for name in names]


def ctc(inputs):
    labels, logits, lengths = tensors(inputs, "labels", "logits", "lengths")
    logits.requires_grad_(True)
    log_probs = logits.log_softmax(-1).transpose(0, 1)
    loss = torch.nn.functional.ctc_loss(log_probs, labels, lengths, (labels > 0).sum(1), reduction="none")
    loss.sum().backward()
    return {"loss": loss.detach().numpy(), "d_logits": logits.grad.numpy()}


def ctc_feasible(inputs):
    labels, lengths = tensors(inputs, "labels", "lengths")
    log_probs = torch.zeros(int(lengths.max()), len(labels), 4).log_softmax(-1)
    loss = torch.nn.functional.ctc_loss(log_probs, labels, lengths, (labels > 0).sum(1), reduction="none")
    return {"feasible": torch.isfinite(loss).numpy()}


def recurrent(kind, **options):
    def compute(inputs):
        x = torch.from_numpy(inputs["x"]).requires_grad_(True)
        layer = kind(5, 4, bidirectional=True, batch_first=True, **options)
        values = [inputs[f"{direction}_{name}"] for direction in ("forward", "backward") for name in "wubc"]
        with torch.no_grad():
            for parameter, value in zip(layer.parameters(), values, strict=True):
                parameter.copy_(torch.from_numpy(value))
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, inputs["lengths"].tolist(), batch_first=True)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
        (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
        return {"y": y.detach().numpy(), "d_x": x.grad.numpy()}

    return compute


def batch_norm(inputs):
    valid = np.concatenate([x[:n] for x, n in zip(inputs["x"], inputs["lengths"], strict=True)])
    layer = torch.nn.BatchNorm1d(4, eps=1e-3, momentum=0.1)
    return {"y": layer(torch.from_numpy(valid)).detach().numpy(), "running_mean": layer.running_mean.numpy()}


def convolutions(inputs):
    x, image, kernel, bias, kernel2d = tensors(inputs, "x", "image", "kernel", "bias", "kernel2d")
    x, image = x.transpose(1, 2), image.permute(0, 3, 2, 1)  # (batch, channels, frequency, time)
    strided = torch.nn.functional.conv1d(x, kernel, bias, stride=2, padding=3)
    dilated = torch.nn.functional.conv1d(x, kernel, bias, padding=6, dilation=2)
    plane = torch.nn.functional.conv2d(image, kernel2d, stride=(2, 1), padding=(10, 5))
    return {
        "strided": strided.transpose(1, 2).numpy(), "dilated": dilated.transpose(1, 2).numpy(),
        "plane": plane.permute(0, 3, 2, 1).numpy(),
    }  # fmt: skip


def mu_law(inputs):
    functional = import_functional()
    audio, codes = tensors(inputs, "audio", "codes")
    encoded = functional.mu_law_encoding(audio.clamp(-1, 1), 256).numpy().astype("int16")
    return {"codes": encoded, "decoded": functional.mu_law_decoding(codes, 256).numpy()}


def forced_align(inputs):
    functional = import_functional()
    if not hasattr(torch.ops.torchaudio, "forced_align"):
        pytest.skip("torchaudio's compiled part cannot be loaded")
    log_probs, labels = tensors(inputs, "log_probs", "labels")
    path, _ = functional.forced_align(log_probs[None], labels[None], blank=0)
    return {"path": path[0].numpy().astype("int16")}


def ctc_decoder(inputs):
    """Search without a lexicon and a language model over sums of alignments. Those that end with a blank are hypotheses of their own."""
    try:
        from torchaudio.models.decoder import ctc_decoder
    except (ImportError, OSError, RuntimeError) as error:  # builds for graphics cards need CUDA's libraries
        pytest.skip(f"torchaudio's decoder cannot be loaded: {error}")
    options = {"nbest": 10000, "beam_size": 10000, "beam_threshold": 1e9, "log_add": True, "sil_score": 0.0}
    decoder = ctc_decoder(None, ["-", "a", "b", "c"], blank_token="-", sil_token="-", **options)
    scores: dict[tuple, float] = {}
    for hypothesis in decoder(torch.from_numpy(inputs["log_probs"])[None])[0]:
        labels = tuple(s for s in hypothesis.tokens.tolist() if s)
        scores[labels] = np.logaddexp(scores.get(labels, -np.inf), hypothesis.score)
    best = sorted(scores, key=scores.get, reverse=True)[:50]
    padded = [list(labels) + [0] * (7 - len(labels)) for labels in best]
    return {"labels": np.array(padded, "int8"), "scores": np.array([scores[labels] for labels in best])}


def deltas(inputs):
    x = torch.from_numpy(inputs["x"]).transpose(1, 2)
    first = import_functional().compute_deltas(x, 7, "replicate")
    second = import_functional().compute_deltas(first, 7, "replicate")
    return {"features": torch.cat([x, first, second], 1).transpose(1, 2).numpy()}


def linear_filterbank(inputs):
    functional = import_functional()
    return {f"bands{n}": functional.linear_fbanks(161, 0.0, 8000.0, n, 16000).numpy() for n in (20, 40, 79)}


def edit_distance(inputs):
    function = import_functional().edit_distance
    return {"distances": np.array([function(a[a > 0].tolist(), b[b > 0].tolist()) for a, b in inputs["pairs"]], "int16")}


def crf(inputs):
    model = pytest.importorskip("torchcrf").CRF(6, batch_first=True)
    labels, logits, lengths, transitions = tensors(inputs, "labels", "logits", "lengths", "transitions")
    mask = torch.arange(logits.shape[1])[None] < lengths[:, None]
    with torch.no_grad():
        model.start_transitions.zero_(), model.end_transitions.zero_(), model.transitions.copy_(transitions)
    logits.requires_grad_(True)
    loss = -model(logits, (labels - 1).clamp(min=0).long(), mask, reduction="none")
    loss.sum().backward()
    paths = model.decode(logits, mask)
    padded = np.array([[s + 1 for s in path] + [0] * (logits.shape[1] - len(path)) for path in paths], "int16")
    values = {"loss": loss.detach(), "d_logits": logits.grad, "d_transitions": model.transitions.grad}
    return {name: value.numpy() for name, value in values.items()} | {"path": padded}


def mean_iou(inputs):
    metrics = pytest.importorskip("sklearn.metrics")
    labels, predictions = inputs["labels"], inputs["predictions"]
    valid = labels != 255
    counts = [
        metrics.confusion_matrix(a[v], b[v], labels=range(5))
        for a, b, v in zip(labels, predictions, valid, strict=True)
    ]
    iou = metrics.jaccard_score(labels[valid], predictions[valid], average="macro")
    return {"confusions": np.array(counts, "int32"), "mean_iou": np.array(iou)}


def mel_filterbank(inputs):
    mel = pytest.importorskip("librosa").filters.mel
    return {f"bands{n}": mel(sr=16000, n_fft=512, n_mels=n, htk=True, norm=None).T for n in (20, 40)}


def log_spectrogram(inputs):
    spectrum = pytest.importorskip("librosa").stft(inputs["audio"], n_fft=320, hop_length=160, center=False)
    return {"features": np.log(np.abs(spectrum.T) ** 2 + 1e-2)}


def log_mel(inputs):
    """Pre-emphasis, a symmetric Hann window of 400 in a DFT of 512, whose middle librosa fills, and mel bands of magnitudes."""
    librosa = pytest.importorskip("librosa")
    signal = np.pad(librosa.effects.preemphasis(inputs["audio"], coef=0.97, zi=[0.0]), 56)
    options = {"n_fft": 512, "hop_length": 160, "win_length": 400, "window": np.hanning(400), "center": False}
    bands = librosa.feature.melspectrogram(
        S=np.abs(librosa.stft(signal, **options)), sr=16000, n_mels=40, htk=True, norm=None
    )
    return {"features": 2 * np.log(bands.T)}


def gaussian_blur(inputs):
    function = pytest.importorskip("scipy.ndimage").gaussian_filter
    return {f"sigma{i}": function(inputs["image"], sigma) for i, sigma in enumerate((0.5, 1.0, 3.0))}


class Fire(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.squeeze, self.expand1 = torch.nn.Conv2d(channels, 2, 1), torch.nn.Conv2d(2, 4, 1)
        self.expand3 = torch.nn.Conv2d(2, 4, 3, padding=1)
        self.rectify = torch.nn.ModuleList(torch.nn.ReLU() for _ in range(3))

    def forward(self, x):
        x = self.rectify[0](self.squeeze(x))
        return torch.cat([self.rectify[1](self.expand1(x)), self.rectify[2](self.expand3(x))], 1)


def squeezenet(inputs):
    """Return a small SqueezeNet v1.0 in plain torch, from blue, green, red minus their means."""
    fires, pools = (Fire(6), Fire(8)), (torch.nn.MaxPool2d(3, 2) for _ in range(2))
    first, last = torch.nn.Conv2d(3, 6, 7, 2), torch.nn.Conv2d(8, 7, 1, padding=1)
    layers = {"conv1": first, "logits": last}
    for number, fire in zip((2, 3), fires, strict=True):
        layers |= {f"fire{number}_{part}": getattr(fire, part) for part in ("squeeze", "expand1", "expand3")}
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(torch.from_numpy(inputs[name]))
            layer.bias.copy_(torch.from_numpy(inputs[f"{name}_bias"]))
    relu = torch.nn.ReLU
    return torch.nn.Sequential(
        first, relu(), next(pools), fires[0], next(pools), fires[1], last, relu(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )


def to_squeezenet_input(image):
    """Return blue, green, red minus their means, channels first."""
    x = image[..., ::-1] - np.array([104, 117, 123], "float32")
    return torch.from_numpy(np.moveaxis(x, -1, -3).copy())


def captum(method):
    def compute(inputs):
        attr = pytest.importorskip("captum.attr")
        kinds = {"gradient": attr.Saliency, "guided": attr.GuidedBackprop, "deconv": attr.Deconvolution}
        model = squeezenet(inputs)
        x = to_squeezenet_input(inputs["image"][None]).requires_grad_(True)
        options = {"abs": False} if method == "gradient" else {}
        maps = [kinds[method](model).attribute(x, target=k, **options) for k in (0, 4)]
        return {"saliency": rgb_maps(maps), "scores": model(x)[0, [0, 4]].detach().numpy()}

    return compute


def rgb_maps(maps):
    """Return every second pixel of maps (1, 3, height, width) as (maps, height, width, 3) in red, green, blue."""
    return np.stack([m[0].detach().numpy().transpose(1, 2, 0)[::2, ::2, ::-1] for m in maps])


def captum_integrated_gradients(inputs):
    method = pytest.importorskip("captum.attr").IntegratedGradients(squeezenet(inputs))
    x, black = (to_squeezenet_input(image[None]) for image in (inputs["image"], 0 * inputs["image"]))
    return {"values": rgb_maps([method.attribute(x, black, target=k, n_steps=50, method="riemann_middle") for k in (0, 4)])}


def captum_smoothgrad(inputs):
    attr = pytest.importorskip("captum.attr")
    x = to_squeezenet_input(inputs["image"][None])
    noise = to_squeezenet_input(inputs["noise"]) - to_squeezenet_input(0 * inputs["noise"])
    maps = []
    for k in (0, 4):
        with mock.patch.object(torch, "normal", lambda mean, deviation: mean + deviation * noise):  # the noise that it samples
            tunnel = attr.NoiseTunnel(attr.Saliency(squeezenet(inputs)))
            maps.append(tunnel.attribute(x, nt_samples=8, stdevs=30.0, target=k, abs=False))
    return {"values": rgb_maps(maps)}


def captum_grad_cam(inputs):
    attr = pytest.importorskip("captum.attr")
    model, x = squeezenet(inputs), to_squeezenet_input(inputs["image"][None])
    method = attr.LayerGradCam(model, model[5])  # the second fire module
    maps = [method.attribute(x, target=k, relu_attributions=True) for k in (0, 4)]
    return {"values": np.stack([attr.LayerAttribution.interpolate(m, (67, 67), "bilinear")[0, 0].detach().numpy()[::2, ::2] for m in maps])}


ORACLES = {
    "torch_ctc": ctc, "torch_ctc_feasible": ctc_feasible, "torch_rnn": recurrent(torch.nn.RNN), "torch_gru": recurrent(torch.nn.GRU),
    "torch_lstm": recurrent(torch.nn.LSTM), "torch_batch_norm": batch_norm, "torch_convolutions": convolutions,
    "torchaudio_mu_law": mu_law, "torchaudio_forced_align": forced_align, "torchaudio_ctc_decoder": ctc_decoder,
    "torchaudio_deltas": deltas, "torchaudio_linear_filterbank": linear_filterbank, "torchaudio_edit_distance": edit_distance,
    "torchcrf": crf, "sklearn_mean_iou": mean_iou, "librosa_mel_filterbank": mel_filterbank,
    "librosa_log_spectrogram": log_spectrogram, "librosa_log_mel": log_mel, "scipy_gaussian_blur": gaussian_blur,
} | {f"captum_{method}": captum(method) for method in ("gradient", "guided", "deconv")} | {
    "captum_integrated_gradients": captum_integrated_gradients, "captum_smoothgrad": captum_smoothgrad, "captum_grad_cam": captum_grad_cam,
}  # fmt: skip
