"""Data sets: what was said in which file, and batches of it that `model.fit` takes on every backend."""

import importlib
from typing import Any

_WHERE = {
    "Utterance": "utterances",
    "Utterances": "utterances",
    "from_pairs": "utterances",
    "librispeech": "utterances",
    "manifest": "utterances",
    "phones": "aligned",
    "aligned_pairs": "aligned",
    "PhoneDataset": "phone_batches",
    "timit": "timit_layout",
    "align_phones": "forced",
    "load_specs": "specs",
    "SpeechDataset": "batches",
    "TextDataset": "text",
    "WaveDataset": "waves",
    "load_texts": "text",
    "AudioCache": "cache",
    "Augment": "augment",
    "to_tf_dataset": "tfdata",
    "tfio_usable": "tfdata",
    "describe": "description",
    "shards": "sharding",
    "write_shards": "sharding",
    "synthesise": "synthesis",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"kerasrecipes.data has no {name!r}; there are: {', '.join(__all__)}")
    return getattr(importlib.import_module(f"kerasrecipes.data.{_WHERE[name]}"), name)
