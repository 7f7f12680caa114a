"""What must hold for generators on every backend: called by test_waves.py in its own process and in those of other backends."""

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
    """A generator with random weights that are large enough for every input to matter; the same on all backends."""
    name, changes = NETS[key]
    model = kr.load(name, weights=None, compile=False, **{**kr.get_recipe(name).tiny_config, **changes})
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape) * (0.3 if "kernel" in variable.path else 0.5))
    return model


def conditions(model, batch, samples, seed=3):
    """Speakers (batch,) and spectrograms, a list with None for the last item."""
    rng = np.random.default_rng(seed)
    speakers = np.arange(batch, dtype="int32") % (len(model.speakers) + 1)
    if not model.n_mels:
        return speakers, [None] * batch
    frames = rng.normal(size=(batch, model.num_frames(samples), model.n_mels)).astype("float32") * 3
    return speakers, [*frames[:-1], None]


def forced(model, waves, speakers, spectrograms, piece):
    """Scores (batch, samples, codes) before each sample of `waves` (batch, samples) from the cached loop, in pieces."""
    batch, samples = waves.shape
    loop, codes = WaveNetSampler(model), model.encode(waves)
    total = -(-samples // piece) * piece
    tables = ConditioningTables(model, [samples] * batch, speakers, spectrograms, total)
    given = np.zeros((total, batch), "int32")
    given[:samples] = codes.T
    state, found = loop.initial_state(batch), []
    for begin in range(0, total, piece):
        scores, state = loop.run(state, tables.chunk(begin, piece), given[begin : begin + piece], mode="teacher_forced")
        found.append(scores)
    return np.concatenate(found)[:samples].transpose(1, 0, 2)


def preprocess(model, waves, speakers, spectrograms):
    """The plain network's inputs: everything one sample later, silence first."""
    batch, samples = waves.shape
    given = np.concatenate([np.zeros((batch, 1), "float32"), waves[:, :-1]], axis=1)
    inputs = {"audio": given, "length": np.full(batch, samples, "int32"), "speaker": speakers}
    if model.n_mels:
        frames = [np.zeros((model.num_frames(samples), model.n_mels), "float32") if s is None else s for s in spectrograms]
        inputs |= {
            "spectrogram": np.stack(frames),
            "conditioned": np.array([s is not None for s in spectrograms], "int32"),
        }
    return inputs


def check_forced_is_forward(key):
    """The cached loop's scores are the network's, for more than two receptive fields, beginning included."""
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
    """Equal random numbers, equal codes: up to the first choice that rounding could turn."""
    model = tiny(key)
    speakers, spectrograms = conditions(model, 2, samples)
    stacked = None
    if model.n_mels:  # the naive way conditions all or none
        spectrograms = [spectrograms[0], spectrograms[0] + 1]
        stacked = np.stack(spectrograms)
    for temperature in temperatures:
        piece = chunk_samples(model)
        chance = [np.random.default_rng(s) for s in (5, 6)]
        uniform = np.stack([c.random(piece) for c in chance], axis=1).astype("float32")
        slow, margin = naive_wavenet.generate_codes(model, samples, uniform, temperature, speakers, stacked)
        names = [None if s == 0 else model.speakers[s - 1] for s in speakers] if model.speakers else [None, None]
        sounds = model.generate(
            [samples / model.sample_rate] * 2, seed=5, temperature=temperature, speaker=names, mel=spectrograms
        )
        for i, sound in enumerate(sounds):
            other = np.flatnonzero(model.encode(sound.samples) != slow[:, i])
            assert not len(other) or (other[0] > 20 and margin[other[0], i] < 1e-5), (other[0], margin[other[0], i])
            assert len(np.unique(slow[:, i])) > 1 or not temperature


# what the other backends are asked; JAX runs the same loop as TensorFlow, torch one of its own
EVERYWHERE = {"jax": ("small",), "torch": ("small", "kernel3")}


def main(out):
    """Checks on the running backend; scores go into a file, to be compared with another backend's."""
    found = {key: check_forced_is_forward(key) for key in EVERYWHERE[keras.config.backend()]}
    check_same_samples_as_naive("small", 40, (1.0,))
    np.savez(out, **found)


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
