"""Examples in the help of each command, and how an interrupted command goes on."""

# command -> lines that can be typed, each with what it does
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "list": (
        ("list", "all recipes, and which weights are here"),
        ('list "deepspeech*" --pretrained', "the released ones whose names match"),
        ("list --task segmentation --names", "names alone, for scripts"),
    ),
    "show": (("show wav2letter_small", "paper, size, data, license and all measured numbers"),),
    "demo": (("demo", "each task on a clip and two images of the package"),),
    "doctor": (("doctor", "takes a second"), ("doctor --backend", "also starts the backend and lists its devices")),
    "transcribe": (
        ("transcribe talk.flac", "the text"),
        ("transcribe talk.flac --format srt", "subtitles; also words, json, vtt"),
        ("transcribe palaz_raw_small talk.flac --ipa", "phonemes, by another recipe"),
        ("transcribe talk.flac --decoder greedy", "what the network alone hears"),
        ("transcribe talk.flac --average-with wav2letter_raw_small", "two networks, which make fewer errors"),
        ("transcribe talk.flac --phrases commands.txt", "only the phrases of a file, one a line"),
        ("transcribe talks/ --output results --workers auto", "many files, one row for each"),
    ),
    "align": (("align talk.flac talk.txt --format srt", "subtitles of a known text"),),
    "listen": (
        ("listen", "the microphone, until Ctrl-C"),
        ("listen talk.flac --playback-speed 0", "a file, as fast as possible"),
    ),
    "serve": (
        ("serve", "http://127.0.0.1:8000/v1/audio/transcriptions, as OpenAI's clients call it"),
        ("serve deepspeech2_streaming_small --phrases commands.txt", "commands alone, in files and over a WebSocket"),
    ),
    "classify": (
        ("classify cat.jpg", "the five most likely of 1000 classes"),
        ("classify convnetjs_mnist digits/ --top 1", "a folder of digits, by another recipe"),
    ),
    "segment": (("segment street.jpg --output masks", "the class of every pixel, and the image with the classes over it"),),
    "generate": (
        ('generate char_rnn_small "once upon a time" --seed 1', "text that goes on"),
        ("generate wavenet_small --seconds 3 --output x.wav", "3 seconds of audio"),
    ),
    "vocode": (("vocode wavenet_small talk.flac --output copy.wav", "the recording, from its spectrogram"),),
    "predict": (("predict squeezenet cat.jpg --top 3", "the command of the recipe's task: here classify"),),
    "evaluate": (
        ("evaluate wav2letter_small --data librispeech:LibriSpeech/dev-clean", "word errors with intervals over speakers"),
        ("evaluate runs/mine --data manifest:test.tsv --decoder greedy", "your own training, without the language model"),
        ("evaluate squeezenet --data folder:photos", "classification errors; one folder for each class"),
    ),
    "copy-synthesis": (
        ("copy-synthesis wavenet_small --data manifest:clips.tsv --output copies", "word errors that the vocoder adds"),
    ),
    "look": (
        ("look squeezenet --images photos", "the camera, or the images of a folder"),
        ("look wav2letter_small", "the microphone: letters and channels over time"),
        ("look mine.keras --value-range 0 1", "any Keras model of one image"),
    ),
    "visualize": (
        ("visualize squeezenet cat.jpg --unit fire5:17", "what made a unit respond, by a deconvnet"),
        ("visualize wav2letter_small talk.flac --method posteriors", "the letters over time"),
        ("visualize squeezenet --method receptive-field", "a table of all layers"),
    ),
    "report": (("report squeezenet --images photos --units fire5:0-3", "HTML pages about four units"),),
    "filters": (("filters palaz_raw_small", "palaz_raw_small_filters.png"),),
    "study": (
        ("study", "the questions"),
        ("study combination --max-minutes 30", "each variant for half an hour; repeat it to go on"),
    ),
    "compare": (("compare runs/one runs/two", "best metrics, settings that differ, and comparison.png with the curves"),),
    "data": (("data summary librispeech:LibriSpeech/dev-clean", "hours, speakers and suspicious clips"),),
    "data summary": (
        ("data summary librispeech:LibriSpeech/dev-clean --plots plots", "hours, speakers, suspicious clips and histograms"),
        ("data summary folder:photos", "images of each class"),
    ),
    "data download": (("data download librispeech dev-clean --output sets", "337 MB, checked and unpacked"),),
    "data label": (("data label recordings --teacher whisper:base.en --output labels", "transcripts by Whisper"),),
    "data synthesize": (("data synthesize text:lines.txt --output spoken --hours 0.5", "speech by flite's voices"),),
    "data align-phones": (
        ("data align-phones librispeech:LibriSpeech/dev-clean --output labels.tsv.xz", "phonemes with times"),
    ),
    "data shard": (("data shard librispeech:LibriSpeech/train-clean-100 --output shards", "tar files of 200 MB"),),
    "train": (
        ("train wav2letter_small --data librispeech:LibriSpeech/train-clean-100", "into runs/wav2letter_small"),
        ("train wav2letter_small --data manifest:mine.tsv --init-from released", "fine-tune the released weights"),
        ("train wav2letter_small --data manifest:mine.tsv --resume", "go on after Ctrl-C"),
    ),
    "record": (
        ("record clips.tsv --phrases commands.txt --speaker anna", "prompts each phrase three times and records it"),
    ),
    "teach": (
        ("teach --data manifest:clips.tsv --output mine", "3 minutes; then measures and prints what to type next"),
        ("teach deepspeech2_streaming_small --data manifest:clips.tsv --output mine", "for the microphone: kerasrecipes listen"),
        ("teach --data manifest:clips.tsv --other-speech librispeech:LibriSpeech/dev-clean --output mine", "counts false phrases, too"),
    ),
    "average": (("average runs/first runs/second --output runs/mean", "one network, the mean of both"),),
    "tune-decoder": (
        ("tune-decoder wav2letter_small --data librispeech:LibriSpeech/dev-other", "the best language model weight"),
    ),
    "export": (
        ("export wav2letter_small --output exported", "an ONNX file, compared with Keras"),
        ("export squeezenet --format litert", "for phones"),
        ("export wav2letter_small --web page", "a web page that recognizes speech in the browser"),
        ("export mine --web page", "the same for a folder of kerasrecipes teach, with its phrases"),
    ),
    "import": (
        ("import wav2letter_arm_librispeech", "a public checkpoint, fetched and converted"),
        ("import mine.caffemodel --recipe caffenet", "a checkpoint of yours"),
    ),
    "release": (("release wav2letter_small --run runs/wav2letter_small --tag 2026-12", "weights and manifest entry"),),
    "verify": (("verify", "every released file against its hash"),),
    "publish": (("publish wav2letter_small --repo ORG/NAME", "says what it would upload; --yes uploads"),),
}

# command -> what to do after Ctrl-C. {line} is the command as it was typed
INTERRUPTS = {
    "train": "The checkpoint is saved. To go on: {line} --resume",
    "teach": "What was trained is saved. To go on: {line}",
    "record": "Recorded clips are saved. To go on: {line}",
    "study": "Finished trainings and checkpoints are saved. To go on: {line}",
    "copy-synthesis": "Finished clips are saved. To go on: {line}",
    "report": "Finished images are saved. To go on: {line}",
    "data download": "The downloaded part is saved. To go on: {line}",
    "data label": "Labeled clips are saved. To go on: {line}",
    "data synthesize": "Spoken clips are saved. To go on: {line}",
}
BATCH_INTERRUPT = "Finished rows are saved. To go on: {line}"  # transcribe, classify and segment with --workers
DEFAULT_INTERRUPT = "Nothing was saved. To start again: {line}"


def interrupt_hint(path: str, line: str) -> str:
    """Return what to do after Ctrl-C.

    Args:
        path: Name of the command, for instance "data label".
        line: The command as it was typed.
    """
    words = line.split()
    hint = INTERRUPTS.get(path, DEFAULT_INTERRUPT)
    if "--workers" in words or "--runner" in words:
        hint = BATCH_INTERRUPT
    if path == "train" and "--resume" in words:
        hint = hint.replace(" --resume", "")
    return hint.format(line=line) if "{line}" in hint else hint
