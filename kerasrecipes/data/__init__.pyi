# Written by tools/write_stubs.py. Do not edit.
# ruff: noqa: I001, RUF100
from kerasrecipes.data.audio_augmentation import AudioAugmentation as AudioAugmentation
from kerasrecipes.data.audio_cache import AudioCache as AudioCache
from kerasrecipes.data.clip_lists import from_lists as from_lists
from kerasrecipes.data.phone_alignments import alignments_from_lists as alignments_from_lists
from kerasrecipes.data.phone_alignments import load_phone_alignments as load_phone_alignments
from kerasrecipes.data.phone_dataset import PhonemeDataset as PhonemeDataset
from kerasrecipes.data.shards import load_shards as load_shards
from kerasrecipes.data.shards import write_shards as write_shards
from kerasrecipes.data.specs import load_datasets as load_datasets
from kerasrecipes.data.speech_dataset import SpeechDataset as SpeechDataset
from kerasrecipes.data.text import TextDataset as TextDataset
from kerasrecipes.data.text import load_text_datasets as load_text_datasets
from kerasrecipes.data.tf_dataset import tfio_usable as tfio_usable
from kerasrecipes.data.tf_dataset import to_tf_dataset as to_tf_dataset
from kerasrecipes.data.timit_corpus import timit as timit
from kerasrecipes.data.utterances import Utterance as Utterance
from kerasrecipes.data.utterances import Utterances as Utterances
from kerasrecipes.data.utterances import from_table as from_table
from kerasrecipes.data.utterances import librispeech as librispeech
from kerasrecipes.data.wave_dataset import WaveDataset as WaveDataset
