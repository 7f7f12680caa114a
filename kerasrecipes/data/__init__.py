"""Data sets: transcripts and labels of files, and batches of them that `model.fit` takes on every backend."""

from kerasrecipes._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "utterances": "Utterance Utterances librispeech from_table",
        "clip_lists": "from_lists",
        "phone_alignments": "load_phone_alignments alignments_from_lists",
        "phone_dataset": "PhonemeDataset",
        "timit_corpus": "timit",
        "specs": "load_datasets",
        "speech_dataset": "SpeechDataset",
        "wave_dataset": "WaveDataset",
        "text": "TextDataset load_text_datasets",
        "audio_cache": "AudioCache",
        "audio_augmentation": "AudioAugmentation",
        "tf_dataset": "to_tf_dataset tfio_usable",
        "shards": "load_shards write_shards",
    },
)
