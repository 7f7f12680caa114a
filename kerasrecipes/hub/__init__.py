"""Released weights: the manifest, the local store and downloads."""
