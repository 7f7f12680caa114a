"""WaveNet: the page's loop draws Python's samples with the same random numbers; the page generates, pauses and steps."""

import sys
from pathlib import Path

import numpy as np
import pytest
from look_pages import PACK, close, fits, numbers, serve, start, until

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "build"))
SMALL = {
    "num_stacks": 2,
    "layers_per_stack": 4,
    "residual_channels": 32,
    "dilation_channels": 16,
    "skip_channels": 48,
    "conditioning_channels": 8,
}
ODD = SMALL | {"kernel_size": 3, "residual_channels": 20, "skip_channels": 36}  # no multiples of 16: plain JavaScript
SAMPLES = 500


@pytest.fixture(scope="module", params=[SMALL, ODD], ids=["simd", "plain"])
def network(request, tmp_path_factory):
    """(model, the page's file of it)."""
    return made(request.param, tmp_path_factory)


def made(config, tmp_path_factory):
    import keras
    from live_wavenet import CLIPS, pack_network
    from live_wavenet import SAMPLES as FOLDER

    from kerasrecipes.tasks.wave_generator import WaveNetGenerator

    keras.utils.set_random_seed(3)
    model = WaveNetGenerator("wavenet_small", config=config)
    rng = np.random.default_rng(0)
    for v in model.trainable_variables:
        v.assign(1.5 * np.asarray(v) + rng.normal(0, 0.05, v.shape))
    path = tmp_path_factory.mktemp("wave") / "wavenet_small.net"
    pack_network(model, path, {name: FOLDER / f"{name}.mp3" for name in CLIPS})
    return model, path.read_bytes()


@pytest.fixture
def page(browser, network):
    page = browser.new_page()
    serve(page, {"wavenet_small.net": (network[1], {})})
    yield page
    page.close()


@pytest.mark.parametrize("said", [False, True], ids=["free", "spectrogram"])
def test_samples_are_pythons(page, site_url, network, said):
    from live_wavenet import SAMPLES as FOLDER

    from kerasrecipes.layers import mu_law

    model, _ = network
    speaker = "lj" if said else None
    spectrum = model.spectrogram(FOLDER / "lj.mp3").astype("float16").astype("float32") if said else None
    frames = -(-SAMPLES // model.hop_length)
    given = None if spectrum is None else spectrum[40 : 40 + frames]
    sound = model.generate(SAMPLES / model.sample_rate, seed=5, speaker=speaker, mel=given)
    codes = mu_law.mu_law_encode(np.asarray(sound.samples), model.quantization_levels)
    uniform = np.random.default_rng(5).random(SAMPLES).astype("float32")  # the generator's own numbers
    page.goto(f"{site_url}live/wavenet/")
    found = page.evaluate(
        f"""async ([uniform, speaker, count, said, frames]) => {{
        const at = (name) => import(new URL('../' + name, location));
        const [common, back, wave] = [await at('common.js'), await at('back.js'), await at('wave_sampler.js')];
        const net = back.unpack(await common.fetchFile('wavenet_small.net')), pack = {PACK}, found = [];
        const spectrum = said ? net.arrays.clip_lj.slice(40 * net.mels, (40 + frames) * net.mels) : null;
        for (const isPlain of [false, true]) {{
            const sampler = new wave.Sampler(net, isPlain), codes = [], scores = [];
            sampler.begin(speaker, spectrum, count);
            for (let i = 0; i < count; i++) {{
                const s = sampler.step();
                if (i % 50 === 0) scores.push(...s);
                codes.push(wave.sampleCode(s, uniform[i], 1));
                sampler.push(codes.at(-1));
            }}
            found.push({{ codes, scores: pack(scores), amplitudes: pack(codes.map((c) => wave.toAmplitude(c, net.levels))) }});
        }}
        return found; }}""",
        [uniform.tolist(), model.speaker_number(speaker), SAMPLES, said, frames],
    )
    heard = np.concatenate([[0.0], mu_law.mu_law_decode(codes[:-1], model.quantization_levels)]).astype("float32")
    inputs = {
        "audio": heard[None],
        "length": np.array([SAMPLES], "int32"),
        "speaker": np.array([model.speaker_number(speaker)], "int32"),
    }
    if said:
        inputs |= {"conditioned": np.ones(1, "int32"), "spectrogram": given[None]}
    scores = model.predict_logits(inputs)[0, ::50]
    assert len(np.unique(codes)) > 20
    for one in found:
        assert one["codes"] == codes.tolist()
        close(numbers(one["scores"]), scores)
        close(numbers(one["amplitudes"]), np.asarray(sound.samples))


def test_the_product_is_a_product_with_and_without_simd(page, site_url):
    page.goto(f"{site_url}live/wavenet/")
    worst = page.evaluate(
        """async () => { const { makeProduct, simd } = await import(new URL('../product.js', location));
        if (!simd) return 'no SIMD in this Chromium';
        let worst = 0;
        for (const [n, m] of [[1, 16], [5, 48], [64, 128]]) {
            const memory = new WebAssembly.Memory({ initial: 2 }), f = new Float32Array(memory.buffer);
            const w = 8, x = w + n * m + 1, y = x + n + 3, z = y + m;
            for (let i = 0; i < z; i++) f[i] = Math.sin(i * i);
            f.copyWithin(z, y, y + m);
            makeProduct(memory)(w, x, y, n, m);
            makeProduct(memory, true)(w, x, z, n, m);
            for (let j = 0; j < m; j++) worst = Math.max(worst, Math.abs(f[y + j] - f[z + j]));
        }
        return worst; }"""
    )
    assert worst < 1e-4


def test_the_page_generates_pauses_and_steps(page, site_url):
    start(page, f"{site_url}live/wavenet/")
    page.get_by_label("audio to generate").select_option("")
    page.get_by_label("seconds").fill("0.1")
    page.get_by_role("button", name="Generate").focus()
    page.keyboard.press("Enter")
    assert until(page, "finished", "1600")
    sound = "await fetch(document.querySelector('.wave-buttons audio').src)"
    length = page.evaluate(f"(async () => (await ({sound}).arrayBuffer()).byteLength)()")
    assert length == 44 + 2 * 1600
    page.get_by_label("speed").select_option("sample by sample")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Generate").click()  # in the place of the first, whose end says nothing
    page.wait_for_function("(({ count }) => count >= 3 && count < 1600)(document.querySelector('.live-demo').dataset)")
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Continue").count() == 1  # at once
    page.wait_for_timeout(300)
    count = int(page.locator(".live-demo").get_attribute("data-count"))
    page.evaluate(  # what it says stands for a moment only
        """() => { window.said = []; const demo = document.querySelector('.live-demo');
        const kinds = { childList: true, characterData: true, subtree: true };
        new MutationObserver(() => window.said.push(demo.textContent)).observe(demo, kinds); }"""
    )
    page.get_by_role("button", name="One step").click()
    for words in ("layer 2 of", "all layers"):
        page.wait_for_function("(words) => window.said.some((text) => text.includes(words))", arg=words)
    assert until(page, "count", str(count + 1))
    page.get_by_label("columns").select_option("32")
    drawn = page.evaluate(
        """(() => { const c = document.querySelector('.wave-stack');
        return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size; })()"""
    )
    assert drawn > 20
    fits(page)
    assert not page.problems


def test_without_weights_it_says_so(browser, site_url):
    page = browser.new_page()
    serve(page, {"wavenet_small.net": (None, {})})
    page.goto(f"{site_url}live/wavenet/")
    page.locator(".live-start").click()
    page.wait_for_selector(".live-error:has-text('no released weights yet')")
    page.close()
