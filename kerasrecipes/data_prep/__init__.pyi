# Written by tools/write_stubs.py. Do not edit.
# ruff: noqa: I001, RUF100
from kerasrecipes.data_prep.image_summary import summarize_images as summarize_images
from kerasrecipes.data_prep.image_summary import summarize_masks as summarize_masks
from kerasrecipes.data_prep.labeling import LabelingReport as LabelingReport
from kerasrecipes.data_prep.labeling import label_corpus as label_corpus
from kerasrecipes.data_prep.phone_alignment import align_phones as align_phones
from kerasrecipes.data_prep.set_download import download_set as download_set
from kerasrecipes.data_prep.summary import summarize as summarize
from kerasrecipes.data_prep.synthesis import synthesize_corpus as synthesize_corpus
