"""The command line: `kerasrecipes VERB ...`. Keras is imported only by the verbs that need it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasrecipes import _lazy
from kerasrecipes.cli import batch as many
from kerasrecipes.cli import commands, data, export, generate, images, phonemes, train
from kerasrecipes.cli.visualize import add_commands
from kerasrecipes.errors import KerasRecipesError

DEFAULT_SPEECH_RECIPE = "deepspeech2_small"
DEFAULT_IMAGE_RECIPE = "squeezenet"
DEFAULT_STREAMING_RECIPE = "deepspeech2_streaming_small"


def build_parser() -> argparse.ArgumentParser:
    """The verbs and their options."""
    top = argparse.ArgumentParser(
        "kerasrecipes", description="Classic speech and image recipes in Keras 3, with weights."
    )
    top.add_argument("--version", action="version", version=version())
    names = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, function: Any, help: str) -> argparse.ArgumentParser:
        sub = names.add_parser(name, help=help, description=help)
        sub.set_defaults(run=function)
        return sub

    p = verb("list", commands.run_list, "names of the recipes")
    p.add_argument("pattern", nargs="?", default="*", help='with wildcards, for instance "deepspeech*"')
    p.add_argument("--task")
    p.add_argument("--licence", help="of the weights, with wildcards")
    p.add_argument("--pretrained", action="store_true", default=None, help="only recipes with released weights")

    p = verb("show", commands.run_show, "a recipe's card: paper, size, data, licence, measured error rates, commands")
    p.add_argument("name")

    for name, help in (("transcribe", "speech to text"), ("predict", "run the verb of any recipe's task")):
        p = verb(name, commands.run_transcribe, help)
        if name == "predict":
            p.add_argument("recipe")
            p.add_argument("--length", type=int, help="most characters that a language model writes")
            _add_sampling_options(p)
        else:
            p.add_argument(
                "--recipe",
                default=DEFAULT_SPEECH_RECIPE,
                help="a recipe, a .keras or .onnx file, a training's folder or hf://org/name@revision",
            )
        p.add_argument(
            "files", nargs="+", help="audio files, pictures, folders, patterns; prompts of a language model; seconds"
        )
        _add_engine_options(p)
        p.add_argument(
            "--format", choices=("text", "json", "srt", "vtt", "words"),
            help='words: with their times; default: "text", of phones printed on the screen "words"',
        )  # fmt: skip
        p.add_argument(
            "--out",
            help="write a file for every input into this folder (below it as below a folder given), print nothing",
        )
        p.add_argument("--ipa", action="store_true", help="phones in the International Phonetic Alphabet")
        _add_decoding_options(p)
        if name == "transcribe":
            many.add_options(p)

    p = verb("classify", images.run_classify, "what is on pictures")
    p.add_argument(
        "--recipe",
        default=DEFAULT_IMAGE_RECIPE,
        help="a recipe, a .keras or .onnx file, a training's folder or hf://org/name@revision",
    )
    p.add_argument("files", nargs="+", help="pictures, folders")
    _add_engine_options(p)
    p.add_argument("--top", type=int, default=5, help="classes to name")
    p.add_argument("--views", type=int, default=1, help="average over so many cut-outs")
    p.add_argument("--format", choices=("text", "json"), default="text")
    p.add_argument("--out", help="rows of many files, in this folder, in place of printing")
    many.add_options(p)

    p = verb("segment", images.run_segment, "a class for every pixel of pictures")
    p.add_argument(
        "--recipe",
        required=True,
        help="a recipe, a .keras or .onnx file, a training's folder or hf://org/name@revision",
    )
    p.add_argument("files", nargs="+", help="pictures, folders")
    _add_engine_options(p)
    p.add_argument(
        "--out",
        help="write NAME.png (class numbers) and NAME_overlay.png into this folder (below it as below a folder given)",
    )
    p.add_argument("--format", choices=("text", "json"), default="text")
    many.add_options(p)

    p = verb("generate", commands.run_generate, "text by a language model, or sound by a generator")
    p.add_argument("recipe", help="a recipe, a .keras or .onnx file, a training's folder or hf://org/name@revision")
    p.add_argument("prompts", nargs="*", help="what a language model's texts begin with")
    _add_engine_options(p)
    p.add_argument("--length", type=int, help="most characters of a text")
    p.add_argument("--seconds", type=float, help="of sound")
    p.add_argument("--speaker", help="one of the generator's speakers; default: nobody in particular")
    p.add_argument("--format", choices=("text", "json"), default="text")
    _add_sampling_options(p)
    p.add_argument("--out", type=Path, help="the sound's file: .wav, .flac, .ogg or .mp3")

    p = verb("vocode", generate.run_vocode, "copy synthesis: a recording made again from its mel spectrogram alone")
    p.add_argument("recipe", help="a generator with local conditioning, or a .keras file")
    p.add_argument("audio")
    p.add_argument("--speaker", help="one of the generator's speakers; default: nobody in particular")
    _add_sampling_options(p)
    p.add_argument("--out", type=Path, required=True, help="the sound's file: .wav, .flac, .ogg or .mp3")

    p = verb("align", commands.run_align, "times of a known text's words in a recording, and the words that do not fit")
    p.add_argument("audio")
    p.add_argument("text", type=Path, help="a text file with what is said")
    p.add_argument(
        "--recipe", default=DEFAULT_SPEECH_RECIPE, help="a recipe, a .keras or .onnx file, or a training's folder"
    )
    _add_engine_options(p)
    p.add_argument("--format", choices=("words", "json", "srt", "vtt"), default="words")

    p = verb(
        "listen",
        commands.run_listen,
        "text while somebody speaks: the microphone, or a file at the pace of its playing",
    )
    p.add_argument("file", nargs="?", help="an audio file instead of the microphone")
    p.add_argument(
        "--recipe",
        default=DEFAULT_STREAMING_RECIPE,
        help="a forward-only recipe, a .keras or .onnx file, or a training's folder",
    )
    _add_engine_options(p)
    p.add_argument("--pace", type=float, default=1.0, help="of a file; 0 does not wait")

    p = verb(
        "evaluate", commands.run_evaluate, "what a recipe scores on a data set, with 95 %% intervals over speakers (clips, pictures)"
    )  # fmt: skip
    p.add_argument("name")
    _add_data_option(p)
    p.add_argument("--speakers", default="", help="only these, separated by commas")
    p.add_argument("--weights", help="another weights file than the released one")
    p.add_argument("--json", action="store_true")
    p.add_argument("--noise", type=float, metavar="DECIBELS", help="add pink noise so far below the speech")
    p.add_argument("--views", type=int, help="classifiers: average over so many cut-outs")
    p.add_argument(
        "--copies", type=Path, metavar="FOLDER",
        help="generators: also make each text's first clip again from its spectrogram, and count PocketSphinx's word errors",
    )  # fmt: skip
    p.add_argument(
        "--listener", metavar="RECIPE", help="--copies: count the word errors of this recogniser too, with the decoder's options"
    )  # fmt: skip
    p.add_argument("--write", metavar="DATASET", help="record the result in the manifest under this name")
    _add_decoding_options(p)

    p = verb("tune-decoder", train.run_tune_decoder, "the weights of a language model that give the fewest word errors")
    p.add_argument("name")
    _add_data_option(p)
    p.add_argument("--speakers", default="", help="only these, separated by commas")
    p.add_argument("--language-model", default="librispeech_small")
    p.add_argument("--beam-size", type=int, default=50)
    p.add_argument("--write", action="store_true", help="record them in the manifest as the recipe's defaults")

    p = verb("train", train.run_train, "train a recipe; interrupt it at any time and go on with --resume")
    p.add_argument("name")
    _add_data_option(p, required=False)
    p.add_argument("--validation", action="append", help="a data set scored every few minutes; repeatable")
    p.add_argument("--out", type=Path, help="the run's folder (default: runs/NAME)")
    p.add_argument("--resume", action="store_true", help="go on with the run that lies there, or begin one")
    p.add_argument("--minutes", type=float, help="stop after so long")
    p.add_argument("--steps", type=int, help="optimiser steps in all")
    p.add_argument("--decay", type=int, help="steps at the end in which the learning rate falls to zero")
    p.add_argument("--config", type=Path, help="a YAML file in place of the recipe's own configuration")
    p.add_argument("--peak", type=float, help="highest learning rate")
    p.add_argument("--precision", help="a Keras dtype policy, for instance mixed_bfloat16")
    p.add_argument("--start", help="weights to begin from: a .weights.h5 file, the folder of a run, or 'released'")
    p.add_argument("--seed", type=int)
    p.add_argument(
        "--devices", metavar="N", help="divide batches among so many devices, or 'all'; needs KERAS_BACKEND=jax"
    )

    p = verb("study", train.run_study, "answer a paper's question by small trainings that differ in one choice")
    p.add_argument("name", nargs="?", help="without one, the names of all studies; or a YAML file")
    p.add_argument("--arm", action="append", default=[], help="only this one; repeatable")
    p.add_argument(
        "--out", type=Path, default=Path("runs/studies"), help="the trainings' folder; what is there is gone on with"
    )
    p.add_argument("--minutes", type=float, help="of each training, at most")
    p.add_argument("--write", type=Path, metavar="FOLDER", help="also write NAME.json for the documentation")
    p.add_argument("--picture", type=Path, metavar="FILE", help="also draw what the arms score, a PNG")

    p = verb("filters", phonemes.run_filters, "draw the frequency responses of a recogniser's filters on the waveform")
    p.add_argument("name", help="a recipe, a .keras file or a training's folder")
    p.add_argument("--weights", help="another weights file than the released one")
    p.add_argument("--out", type=Path, help="the picture (default: NAME_filters.png)")

    p = verb("release", train.run_release, "turn a run into the recipe's weight file and manifest row")
    p.add_argument("name")
    p.add_argument("--run", dest="folder", type=Path, required=True, help="the run's folder")
    p.add_argument(
        "--after", type=Path, nargs="*", default=[], help="folders of the runs it started from, first to last"
    )
    p.add_argument("--bundled", action="store_true", help="the file shall come with the package")
    p.add_argument("--tag", required=True, help="name of the release, for instance 2026-11")

    p = verb("export", export.run_export, "a recipe in another format, compared with Keras before it is done")
    p.add_argument("name", help="a recipe, a .keras file or a training's folder")
    p.add_argument("--format", choices=("onnx", "tf_saved_model", "litert", "openvino"), default="onnx")
    p.add_argument("--out", type=Path, help="the folder (default: exported)")
    p.add_argument("--activations", action="store_true", help="also give the output of every layer")
    p.add_argument("--float16", action="store_true", help="store weights in half precision")
    p.add_argument("--int8", action="store_true", help="store weights in eight bits; the difference is measured")
    p.add_argument("--opset", type=int, default=17, help="of ONNX, 15 to 18")
    p.add_argument(
        "--release", action="store_true", help="write weights/NAME.onnx and its entry in the recipe's manifest row"
    )
    add_commands(verb)

    verb("verify", commands.run_verify, "check every manifest row against its file")
    verb("doctor", commands.run_doctor, "what works here and why not: backend, devices, audio, cache, hub")

    p = verb("publish", commands.run_publish, "upload a recipe's weights and card to the hub")
    p.add_argument("name")
    p.add_argument("--repo", required=True, metavar="ORG/NAME")
    p.add_argument("--yes", action="store_true", help="really upload; without it, only say what would be done")

    p = verb("data", data.run_data, "get to know a data set, have one spoken, time its phones, or write it as shards")
    p.add_argument("action", choices=("describe", "synthesise", "align-phones", "shard"))
    p.add_argument("data", nargs="+", metavar="DATA", help="librispeech:FOLDER, manifest:TABLE?split=train; text:FILE")
    p.add_argument("--out", help="synthesise, shard: the folder of the new set; align-phones: the file of labels")
    p.add_argument("--megabytes", type=float, default=200.0, help="shard: of audio in each")
    p.add_argument("--audio", type=Path, help="align-phones: the folder that the labels' paths are relative to")
    p.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="align-phones: at work at once")
    p.add_argument(
        "--hours", type=float, default=1.0, help="synthesise: of speech in all; an earlier set is gone on with"
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--against", action="append", default=[], help="count words that this set does not have")
    p.add_argument("--pictures", type=Path, help="draw them into this folder")
    return top


def _add_data_option(p: argparse.ArgumentParser, required: bool = True) -> None:
    p.add_argument(
        "--data", action="append", required=required, metavar="DATA",
        help="librispeech:FOLDER, manifest:TABLE?split=train&exclude=LIST, phones:LABELS?audio=FOLDER, timit:FOLDER, "
        "shards:FOLDER; repeatable, sets are mixed",
    )  # fmt: skip


def _add_engine_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--engine", choices=("auto", "keras", "onnxruntime", "openvino"), default="auto",
        help="default: auto, the fastest that is installed and has a file (kerasrecipes doctor says which)",
    )  # fmt: skip
    p.add_argument("--precision", choices=("float32", "bf16"), help="of OpenVINO's arithmetic")


def _add_sampling_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--temperature", type=float, help="of what is drawn; 0 always takes the likeliest")
    p.add_argument("--seed", type=int, help="the same one gives the same text or sound")


def _add_decoding_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--decoder",
        choices=("greedy", "beam", "crf"),
        help="default: beam with a language model, else greedy; of phones the recipe's criterion",
    )
    p.add_argument("--language-model", metavar="NAME", help="librispeech_small, or the path of an ARPA or KenLM file")
    p.add_argument("--beam-size", type=int, help="texts followed at once")
    p.add_argument("--lm-weight", type=float, help="of the language model beside the recogniser")
    p.add_argument("--word-score", type=float, help="nats for every word")
    p.add_argument(
        "--jitter", type=float, metavar="SECONDS", help="average over the audio shifted by so much both ways"
    )
    p.add_argument("--rescore", metavar="NAME", help="a character language model that ranks the best readings again")
    p.add_argument("--rescore-weight", type=float, help="of its log probability")
    p.add_argument("--n-best", type=int, help="readings to find; --format json shows all")
    p.add_argument(
        "--hotword", action="append", dest="hotwords", metavar="WORD[=NATS]", help="a word that is expected; repeatable"
    )


def version() -> str:
    from kerasrecipes import __version__

    return __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when all went well, 1 after an error of ours, 130 when interrupted."""
    options = build_parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _lazy.quiet_backend = os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    try:
        return options.run(options) or 0
    except KerasRecipesError as error:
        print(f"kerasrecipes: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
