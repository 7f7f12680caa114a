"""Write docs/guides/sets.md and its pictures: the data sets behind the released weights, described by one command.

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
    here = Path(__file__).parents[1] / "guides"
    train = data.load_datasets(TRAINING)
    lines = [
        "# The sets used here",
        "",
        "Made by `python docs/build/summarize_sets.py`; words are compared with the whole training mix.",
        "",
    ]
    for name, spec in SETS.items():
        folder = here / "sets" / name.lower().replace(" ", "-").replace(",", "")
        found = data_prep.summarize(data.load_datasets([spec]), train if spec not in TRAINING else None, folder)
        pictures = [f"![{p.stem} of {name}](sets/{folder.name}/{p.name})" for p in sorted(folder.glob("*.png"))]
        lines += [f"## {name}", "", f"`{spec}`", "", found.to_markdown(), "", " ".join(pictures), ""]
        wrong = [f"{clip} ({why})" for clip, why in found.suspicious[:5]]
        lines += [
            f"{len(found.suspicious)} clips look wrong" + (f", for instance {'; '.join(wrong)}." if wrong else "."),
            "",
        ]
    (here / "sets.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
