"""The part "use": load, the task's verb, fine-tune, export."""

from kerasrecipes import registry
from kerasrecipes.release import model_card
from pages.text import shell

VERBS = {
    "speech-recognition": [
        'result = model.transcribe("talk.flac")        # any file, any rate, any length; or an array with sample_rate=',
        "print(result.text, result.confidence)",
        "for word in result.words:",
        "    print(word.start, word.end, word.text)",
    ],
    "phoneme-recognition": [
        'result = model.transcribe("talk.flac")        # phones with times; ipa=True writes them in IPA',
        'model.posteriors("talk.flac")                 # (frames, phones)',
    ],
    "image-classification": [
        'found = model.classify("picture.jpg")         # path, bytes or array; or a list or folder of them',
        "print(found.name, found.top(3))",
    ],
    "segmentation": [
        'found = model.segment("street.jpg")',
        'found.save("mask.png")                        # found.areas(), found.overlay("street.jpg")',
    ],
    "language-model": [
        'print(model.generate("once upon a time", length=200, temperature=0.7, seed=1))',
        'model.bits_per_character(["what a text costs"])',
    ],
    "waveform-generation": [
        'model.generate(3.0, seed=1).save("free.wav")',
        'model.bits_per_sample("talk.flac")            # 8 is knowing nothing',
    ],
}
TUNE = {
    "speech-recognition": [
        'mine = kr.data.manifest("my_clips.tsv")',
        "model.fit(mine, epochs=3)                     # loss, metric and optimiser are the recipe's",
    ],
    "phoneme-recognition": ['mine = kr.data.phones("labels.tsv.xz", "clips/")', "model.fit(mine, epochs=3)"],
    "image-classification": [
        'model = kr.load("{name}", classes=["kea", "kaka"]{random})   # the trunk stays, the head starts anew',
        'model.fit("birds/", epochs=5, augment=True)   # a folder of pictures for each class',
    ],
    "segmentation": ["model.fit(pictures, masks, epochs=5)          # of one size; 255 is no class"],
    "language-model": ['model.fit(open("lines.txt").read().splitlines(), epochs=3)'],
    "waveform-generation": ['model.fit("clips/", epochs=1)'],
}  # fmt: skip
OWN = {
    "speech-recognition": ['digits = kr.load("{name}", alphabet="0123456789"{random})      # other letters: the trunk stays'],
    "waveform-generation": [],
}  # fmt: skip


def section(recipe: registry.Recipe, released: bool) -> list[str]:
    """All of it."""
    name, random = recipe.name, "" if released else ", weights=None"
    begin = (
        "                    # a keras.Model with verified weights"
        if released
        else "       # random numbers: train it first"
    )

    def python(lines: list[str]) -> list[str]:
        return [
            "```python",
            *(line.format(name=name, random=random) if "{name}" in line else line for line in lines),
            "```",
            "",
        ]

    verb = list(VERBS[recipe.task])
    if recipe.config.get("mels"):
        verb.append('model.vocode("talk.flac", seed=1).save("copy.wav")            # from its mel spectrogram alone')
    if "streaming" in recipe.tags:
        verb.append("stream = model.stream(sample_rate=48000)      # stream.feed(samples), stream.finish()")
    lines = ["## Use", ""]
    lines += python(["import kerasrecipes as kr", "", f'model = kr.load("{name}"{random}){begin}', *verb])
    lines += [
        "On the command line:",
        "",
        *shell([*model_card.example_commands(name, released), f"kerasrecipes show {name}"]),
        "",
    ]
    lines += ["### Fine-tune", "", *python([*TUNE[recipe.task], *OWN.get(recipe.task, []), 'model.save("mine.keras")'])]
    export = [f"kerasrecipes export {name} --format onnx --output exported    # or openvino, tf_saved_model"]
    lines += [
        "### Export",
        "",
        *shell(export if released else ["kerasrecipes export mine.keras --format onnx --output exported"]),
        "",
    ]
    return [*lines, "[Formats, engines and what is compared](../guides/export.md).", ""]
