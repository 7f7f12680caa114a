"""Section "Use": load a recipe, run its task, fine-tune and export."""

from kerasrecipes import registry
from kerasrecipes.release import model_card
from pages.text import make_shell_block

VERBS = {
    "speech-recognition": [
        'result = model.transcribe("talk.flac")        # any file, any rate, any length; or an array with sample_rate=',
        "print(result.text, result.confidence)",
        "for word in result.words:",
        "    print(word.start, word.end, word.text)",
    ],
    "phoneme-recognition": [
        'result = model.transcribe("talk.flac")        # phonemes with times; ipa=True writes IPA',
        'model.posteriors("talk.flac")                 # (frames, phones)',
    ],
    "image-classification": [
        'result = model.classify("image.jpg")          # a path, bytes, an array, a list or a folder',
        "print(result.name, result.top(3))",
    ],
    "segmentation": [
        'result = model.segment("street.jpg")',
        'result.save("mask.png")                        # result.class_areas(), result.overlay("street.jpg")',
    ],
    "language-model": [
        'print(model.generate("once upon a time", max_length=200, temperature=0.7, seed=1))',
        'model.bits_per_character(["a text to measure"])',
    ],
    "waveform-generation": [
        'model.generate(3.0, seed=1).save("free.wav")',
        'model.bits_per_sample("talk.flac")            # 8 bits: no knowledge',
    ],
}
TUNE = {
    "speech-recognition": [
        'mine = kr.data.from_table("my_clips.tsv")',
        "model.fit(mine, epochs=3)                     # loss, metric and optimizer are already set",
    ],
    "phoneme-recognition": ['mine = kr.data.load_phone_alignments("labels.tsv.xz", "clips/")', "model.fit(mine, epochs=3)"],
    "image-classification": [
        'model = kr.load("{name}", classes=["kea", "kaka"]{random})   # keeps the trunk, starts a new output layer',
        'model.fit("birds/", epochs=5, augment=True)   # one folder of images for each class',
    ],
    "segmentation": ["model.fit(images, masks, epochs=5)            # all of one size; 255 marks ignored pixels"],
    "language-model": ['model.fit(open("lines.txt").read().splitlines(), epochs=3)'],
    "waveform-generation": ['model.fit("clips/", epochs=1)'],
}  # fmt: skip
OWN = {
    "speech-recognition": ['digits = kr.load("{name}", alphabet="0123456789"{random})      # other symbols: keeps the trunk'],
    "waveform-generation": [],
}  # fmt: skip


def make_section(recipe: registry.Recipe, released: bool) -> list[str]:
    """Return the section as Markdown lines."""
    name, random = recipe.name, "" if released else ", weights=None"
    begin = (
        "                    # a keras.Model with verified weights"
        if released
        else "       # random weights: train it first"
    )

    def python(lines: list[str]) -> list[str]:
        return [
            "```python",
            *(line.format(name=name, random=random) if "{name}" in line else line for line in lines),
            "```",
            "",
        ]

    verb = list(VERBS[recipe.task])
    if recipe.config.get("n_mels"):
        verb.append('model.vocode("talk.flac", seed=1).save("copy.wav")            # from its mel spectrogram alone')
    if "streaming" in recipe.tags:
        verb.append("stream = model.stream(sample_rate=48000)      # stream.feed(samples), stream.finish()")
    lines = ["## Use", ""]
    lines += python(["import kerasrecipes as kr", "", f'model = kr.load("{name}"{random}){begin}', *verb])
    lines += [
        "On the command line:",
        "",
        *make_shell_block([*model_card.example_commands(name, released), f"kerasrecipes show {name}"]),
        "",
    ]
    lines += ["### Fine-tune", "", *python([*TUNE[recipe.task], *OWN.get(recipe.task, []), 'model.save("mine.keras")'])]
    export = [f"kerasrecipes export {name} --format onnx --output exported    # or openvino, tf_saved_model"]
    lines += [
        "### Export",
        "",
        *make_shell_block(export if released else ["kerasrecipes export mine.keras --format onnx --output exported"]),
        "",
    ]
    return [*lines, "[Formats, engines and the comparison with Keras](../guides/export.md).", ""]
