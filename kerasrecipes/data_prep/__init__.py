"""Make data sets: downloads, summaries, forced phoneme alignment, pronunciations, speech synthesis, and labels by a teacher."""

from kerasrecipes._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "summary": "summarize",
        "image_summary": "summarize_images summarize_masks",
        "set_download": "download_set",
        "phone_alignment": "align_phones",
        "synthesis": "synthesize_corpus",
        "labeling": "label_corpus LabelingReport",
    },
)
