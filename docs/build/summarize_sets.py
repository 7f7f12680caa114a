"""Write docs/guides/sets.md and its plots: summaries of the data sets of the released weights.

KERASRECIPES_DATA=PATH python docs/build/summarize_sets.py
"""

from pathlib import Path

from kerasrecipes import data, data_prep

SETS = {
    "LibriSpeech train-mini": "librispeech:{data}/LibriSpeech/train-mini",
    "LibriSpeech dev-mini": "librispeech:{data}/LibriSpeech/dev-mini",
    "Common Voice train": "manifest:{data}/common-voice/manifest.tsv?split=train",
    "Common Voice dev": "manifest:{data}/common-voice/manifest.tsv?split=dev",
    "CMU Arctic, Kathleen": "manifest:{data}/arctic-kathleen/manifest.tsv?exclude=arctic_heldout",
    "LJ Speech, first two books": "manifest:{data}/ljspeech/manifest.tsv",
}
TRAINING = [spec for name, spec in SETS.items() if "dev" not in name]


def main() -> None:
    guides = Path(__file__).parents[1] / "guides"
    train = data.load_datasets(TRAINING)
    lines = [
        "# Data sets of the released weights",
        "",
        "Made by `python docs/build/summarize_sets.py`. The words of the other sets are compared with the whole training mix.",
        "",
        "To use them, see [data sets](data.md). LibriSpeech, LJ Speech and other public sets come with "
        "`kerasrecipes data download`. `train-mini` and `dev-mini` are parts of LibriSpeech's `train-clean-100` and `dev-clean`.",
        "",
    ]
    for name, spec in SETS.items():
        folder = guides / "sets" / name.lower().replace(" ", "-").replace(",", "")
        summary = data_prep.summarize(data.load_datasets([spec]), train if spec not in TRAINING else None, folder)
        plots = [f"![{p.stem} of {name}](sets/{folder.name}/{p.name})" for p in sorted(folder.glob("*.png"))]
        lines += [f"## {name}", "", f"`{spec}`", "", summary.to_markdown(), "", " ".join(plots), ""]
        clips = [f"{clip} ({reason})" for clip, reason in summary.suspicious[:5]]
        lines += [
            f"Suspicious clips: {len(summary.suspicious)}" + (f", for instance {'; '.join(clips)}." if clips else "."),
            "",
        ]
    (guides / "sets.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
