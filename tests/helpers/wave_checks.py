"""Checks of generators that hold on every backend; test_wave_generator.py runs them in its process and in others."""

import keras
import naive_wavenet
import numpy as np

import kerasrecipes as kr
from kerasrecipes.inference.vocoder import ConditioningTables, chunk_samples
from kerasrecipes.inference.wavenet_sampler import WaveNetSampler
from kerasrecipes.layers import mu_law

# name -> changes: kernels 2 and 3, with and without each conditioning, with and without biases
NETS = {
    "plain": ("wavenet", {}),
    "kernel3": ("wavenet", {"kernel_size": 3, "initial_kernel_size": 3, "layers_per_stack": 3, "use_bias": False}),
    "small": ("wavenet_small", {}),
    "small3": ("wavenet_small", {"kernel_size": 3, "layers_per_stack": 3, "upsampling": "transposed"}),
}


def tiny(key, seed=1):
    """Return a generator with random weights large enough for every input to matter, the same on all backends."""
    name, changes = NETS[key]
    model = kr.load(name, weights=None, compile=False, **{**kr.get_recipe(name).tiny_config, **changes})
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape) * (0.3 if "kernel" in variable.path else 0.5))
    return model


def conditions(model, batch, samples, seed=3):
    """Return speakers (batch,) and spectrograms, a list with None for the last item."""
    rng = np.random.default_rng(seed)
    speakers = np.arange(batch, dtype="int32") % (len(model.speakers) + 1)
    if not model.n_mels:
        return speakers, [None] * batch
    frames = rng.normal(size=(batch, model.num_frames(samples), model.n_mels)).astype("float32") * 3
    return speakers, [*frames[:-1], None]


def forced(model, waves, speakers, spectrograms, chunk):
    """Return logits (batch, samples, codes) before each sample of `waves` (batch, samples) from the cached loop, in chunks."""
    batch, samples = waves.shape
    loop, codes = WaveNetSampler(model), model.encode(waves)
    total = -(-samples // chunk) * chunk
    tables = ConditioningTables(model, [samples] * batch, speakers, spectrograms, total)
    forced_codes = np.zeros((total, batch), "int32")
    forced_codes[:samples] = codes.T
    state, logits = loop.initial_state(batch), []
    for start in range(0, total, chunk):
        table, inputs = tables.chunk(start, chunk), forced_codes[start : start + chunk]
        chunk_logits, state = loop.run(state, table, inputs, mode="teacher_forced")
        logits.append(chunk_logits)
    return np.concatenate(logits)[:samples].transpose(1, 0, 2)


def preprocess(model, waves, speakers, spectrograms):
    """Return the plain model's inputs: the audio one sample later, after a silent sample."""
    batch, samples = waves.shape
    shifted = np.concatenate([np.zeros((batch, 1), "float32"), waves[:, :-1]], axis=1)
    inputs = {"audio": shifted, "length": np.full(batch, samples, "int32"), "speaker": speakers}
    if model.n_mels:
        frames = [
            np.zeros((model.num_frames(samples), model.n_mels), "float32") if s is None else s for s in spectrograms
        ]
        inputs |= {
            "spectrogram": np.stack(frames),
            "conditioned": np.array([s is not None for s in spectrograms], "int32"),
        }
    return inputs


def check_forced_is_forward(key):
    """Check that the cached loop gives the model's logits over more than two receptive fields, from the first sample on."""
    model = tiny(key)
    batch, samples = 2, max(2 * model.receptive_field + 7, 330)
    rng = np.random.default_rng(4)
    waves = mu_law.mu_law_decode(rng.integers(0, 256, (batch, samples))).astype("float32")
    speakers, spectrograms = conditions(model, batch, samples)
    plain = model.predict_logits(preprocess(model, waves, speakers, spectrograms))
    cached = forced(model, waves, speakers, spectrograms, 2 * model.hop_length)
    assert np.ptp(plain) > 1
    np.testing.assert_allclose(cached, plain, atol=1e-5 * max(1.0, np.abs(plain).max()))
    return plain


def check_same_samples_as_naive(key, samples=200, temperatures=(0.7, 0.0)):
    """Check that equal random numbers give equal codes, up to the first one that rounding could change."""
    model = tiny(key)
    speakers, spectrograms = conditions(model, 2, samples)
    stacked = None
    if model.n_mels:  # naive generation conditions all items or none
        spectrograms = [spectrograms[0], spectrograms[0] + 1]
        stacked = np.stack(spectrograms)
    for temperature in temperatures:
        chunk = chunk_samples(model)
        generators = [np.random.default_rng(s) for s in (5, 6)]
        uniform = np.stack([g.random(chunk) for g in generators], axis=1).astype("float32")
        slow, margin = naive_wavenet.generate_codes(model, samples, uniform, temperature, speakers, stacked)
        names = [None if s == 0 else model.speakers[s - 1] for s in speakers] if model.speakers else [None, None]
        clips = model.generate(
            [samples / model.sample_rate] * 2, seed=5, temperature=temperature, speaker=names, mel=spectrograms
        )
        for i, clip in enumerate(clips):
            other = np.flatnonzero(model.encode(clip.samples) != slow[:, i])
            assert not len(other) or (other[0] > 20 and margin[other[0], i] < 1e-5), (other[0], margin[other[0], i])
            assert len(np.unique(slow[:, i])) > 1 or not temperature


# checks on other backends; JAX runs the same loop as TensorFlow, torch its own
EVERYWHERE = {"jax": ("small",), "torch": ("small", "kernel3")}


def main(out):
    """Run the checks on this backend and save the logits, to be compared with another backend's."""
    logits = {key: check_forced_is_forward(key) for key in EVERYWHERE[keras.config.backend()]}
    check_same_samples_as_naive("small", 40, (1.0,))
    np.savez(out, **logits)


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
