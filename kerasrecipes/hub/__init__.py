"""Released weights: the manifest, verified files, and downloads from the Hugging Face hub."""
