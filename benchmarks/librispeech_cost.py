"""What LibriSpeech-960 would take: hours, devices and cost of deepspeech2 and wav2letter, from measured trainings and named assumptions.

python benchmarks/librispeech_cost.py [--page docs/guides/devices.md]
"""

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from kerasrecipes._lazy import choose_backend
from kerasrecipes.hub import manifest

HOURS = 960.9  # 100.6 + 363.6 + 496.7, as Panayotov et al. (ICASSP 2015, table 1) count them
# paper's net -> (its small one, whose training was measured; passes and where they come from)
PLANS = {
    "deepspeech2": ("deepspeech2_small", 20, "Deep Speech 2, section 3.7"),
    "wav2letter": ("wav2letter_small", 20, "assumed: the paper names none"),
}
FORWARD_AND_BACKWARD = 3  # a gradient takes two products for each of the forward direction
OPERATIONS = 2  # of one multiply-add, as peaks count
COUNTS = (1, 8)


@dataclass(frozen=True)
class Device:
    """An accelerator as this plan assumes it: dense bfloat16 peak (10^12 operations a second), price of an hour (US dollars)."""

    name: str
    peak: float
    price: float


# peaks from the makers' data sheets, without sparsity; prices are round assumptions, to be replaced by --price
DEVICES = (Device("NVIDIA L4", 121, 0.8), Device("NVIDIA A100", 312, 2.0), Device("NVIDIA H100", 989, 4.0))


@dataclass(frozen=True)
class Cost:
    """Of a network for one second of audio, forward: multiply-adds, and steps that must wait for one another."""

    parameters: int
    multiply_adds: int
    sequential: int


def cost(name: str) -> Cost:
    """From the layers of a recipe."""
    from kerasrecipes.layers import SequenceRNN
    from kerasrecipes.registry import get_recipe
    from kerasrecipes.visualize import layer_table

    seconds = 10
    model = get_recipe(name).build()
    table = layer_table(model, (16000 * seconds,))
    frames = {row.name: row.shape[0] for row in table.rows if row.shape}
    loops = [layer for layer in model.layers if isinstance(layer, SequenceRNN)]
    steps = (
        sum(frames[layer.name] * layer.directions for layer in loops) + frames["logits"]
    )  # and the criterion's recursion
    return Cost(model.count_params(), sum(row.multiply_adds for row in table.rows) // seconds, steps // seconds)


def decoding_rate() -> float:
    """Times real time of decoding FLAC on one core, measured now."""
    packed = io.BytesIO()
    wave = np.cumsum(np.random.default_rng(0).normal(size=16000 * 15))
    soundfile.write(packed, wave / np.abs(wave).max(), 16000, format="FLAC")
    rates = []
    for _ in range(20):
        begin = time.perf_counter()
        soundfile.read(io.BytesIO(packed.getvalue()), dtype="float32")
        rates.append(15 / (time.perf_counter() - begin))
    return max(rates)


def plan(options: argparse.Namespace) -> list[str]:
    """Lines of Markdown."""
    prices = dict(word.split("=") for word in options.price)
    lines = [
        "Assumptions, most of them options of `benchmarks/librispeech_cost.py`:", "",
        f"- An accelerator computes convolutions and dense layers at {options.utilisation:.0%} of its bfloat16 peak. A sequential step "
        "(of a recurrent layer in each direction, and of the criterion over its frames) takes "
        f"{options.step:g} microseconds forward and twice that backward.",
        f"- Several devices together reach {options.devices_efficiency:.0%} of the sum of their speeds. Each has {options.batch:g} s of "
        f"audio of a batch, in utterances of {options.utterance:g} s.",
        "- Peaks (10^12 operations a second) and prices (US dollars an hour): "
        + ", ".join(f"{d.name} {d.peak:g} and {float(prices.get(d.name, d.price)):g}" for d in DEVICES) + ".",
        f"- {HOURS} h of audio per epoch. Epochs: " + ", ".join(f"{n} {p} ({w})" for n, (_, p, w) in PLANS.items()) + ".", "",
        "| | parameters | multiply-adds, 1 s of audio | measured training | LibriSpeech-960 on the same machine |",
        "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    found = {}
    for name, (small, passes, _) in PLANS.items():
        whole, part = cost(name), cost(small)
        row = manifest.get_entry(small)
        speed = row.training["audio_hours"] / row.training["wall_hours"]
        done = part.multiply_adds * FORWARD_AND_BACKWARD * speed / 1e9
        days = HOURS * passes * whole.multiply_adds * FORWARD_AND_BACKWARD / (done * 1e9) / 24
        found[name] = whole, passes
        lines.append(
            f"| `{name}` | {whole.parameters / 1e6:.1f} M | {whole.multiply_adds / 1e9:.2f} 10^9 | `{small}` "
            f"({part.multiply_adds / 1e9:.3f} 10^9): {row.training['audio_hours']:.0f} h of audio in {row.training['wall_hours']:.1f} h, "
            f"{done:.0f} 10^9 multiply-adds a second ({row.training['hardware'].split(',')[0]}) | {days:.0f} days |"
        )
    lines += ["", "| | devices | times real time | hours | device-hours | US dollars | cores that decode FLAC |",
              "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    rate = decoding_rate()
    for name, (whole, passes) in found.items():
        for device in DEVICES:
            for count in COUNTS:
                products = OPERATIONS * FORWARD_AND_BACKWARD * whole.multiply_adds / (
                    device.peak * 1e12 * options.utilisation
                )  # fmt: skip
                # steps of a batch's utterances go side by side
                loops = (
                    FORWARD_AND_BACKWARD * whole.sequential * options.step * 1e-6 * options.utterance / options.batch
                )
                speed = count / (products + loops) * (options.devices_efficiency if count > 1 else 1)
                hours = HOURS * passes / speed
                price = float(prices.get(device.name, device.price)) * hours * count
                lines.append(
                    f"| `{name}` | {count} x {device.name} | {speed:,.0f} | {hours:.1f} | {hours * count:.1f} | {price:,.0f} | "
                    f"{speed / rate:.1f} |"
                )
    lines += ["", f"Decoding: {rate:,.0f} times real time per core, measured on the machine that made this table. The 2-core figures are "
              "measured trainings, scaled by multiply-adds. Those of accelerators are computed, not measured."]  # fmt: skip
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--utilisation", type=float, default=0.3, help="share of the peak that convolutions reach")
    options.add_argument("--step", type=float, default=20.0, help="microseconds of a step of a recursion")
    options.add_argument("--batch", type=float, default=400.0, help="seconds of audio for each device")
    options.add_argument("--utterance", type=float, default=15.0, help="seconds of the longest in a batch")
    options.add_argument("--devices-efficiency", type=float, default=0.9, help="of several devices")
    options.add_argument(
        "--price", action="append", default=[], metavar="DEVICE=DOLLARS", help="of an hour; repeatable"
    )
    options.add_argument("--page", type=Path, help="write the plan between the marks of this page")
    o = options.parse_args()
    choose_backend()
    lines = plan(o)
    print("\n".join(lines))
    if o.page:
        begin, end = "<!-- plan: written by benchmarks/librispeech_cost.py -->", "<!-- end of plan -->"
        before, rest = o.page.read_text().split(begin)
        o.page.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
