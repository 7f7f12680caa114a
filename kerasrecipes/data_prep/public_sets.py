"""The public data sets that `kerasrecipes data download` fetches from their official addresses.

Sizes and hashes are those of the tables of TensorFlow Datasets and torchaudio, and for Mini LibriSpeech those of OpenSLR.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OPENSLR = "https://www.openslr.org/resources"


@dataclass(frozen=True)
class Archive:
    """A tar file of a public data set.

    Args:
        address: Address of the file.
        size: Size of the file in bytes.
        hash: "sha256:" or "md5:" and the hexadecimal digits of the file's hash.
        folder: Folder that the archive becomes, below the one that the user names.
        data: Specification for `--data`, with {folder} for that folder.
        has_folder: True (default) if the members of the archive have that folder in their names, False if it must be created.
    """

    address: str
    size: int
    hash: str
    folder: str
    data: str
    has_folder: bool = True

    @property
    def file(self) -> str:
        """File name of the archive on this machine."""
        return f"{Path(self.folder).name}.tar.{self.address.rpartition('.')[2]}"

    @property
    def size_text(self) -> str:
        """Size of the archive in MB or GB."""
        return f"{self.size / 1e9:.1f} GB" if self.size >= 1e9 else f"{self.size / 1e6:.0f} MB"

    def spec(self, output: Path) -> str:
        """Return the specification for `--data` after a download into the folder `output`."""
        return self.data.format(folder=output / self.folder)


@dataclass(frozen=True)
class PublicSet:
    """A public data set.

    Args:
        title: Name and extent.
        license: License of the recordings.
        source: Page of its authors.
        archives: Archives by the names of their subsets. A single one has the name "".
    """

    title: str
    license: str
    source: str
    archives: Mapping[str, Archive]

    @property
    def help(self) -> str:
        """Line for the documentation."""
        sizes = [f"{name} {archive.size_text}".strip() for name, archive in self.archives.items()]
        return f"{self.title}, {self.license} ({', '.join(sizes)})"

    def help_rows(self, name: str) -> list[tuple[str, str]]:
        """Return what is typed for each archive of the set `name`, and what it is."""
        return [
            (f"{name} {subset}".strip(), f"{self.title}, {archive.size_text}, {self.license}")
            for subset, archive in self.archives.items()
        ]


def make_librispeech_archive(resource: int, name: str, size: int, hash: str) -> Archive:
    """Return the archive of a subset of LibriSpeech."""
    return Archive(f"{OPENSLR}/{resource}/{name}.tar.gz", size, hash, f"LibriSpeech/{name}", "librispeech:{folder}")


# name on the command line -> data set: a new one is an entry here
PUBLIC_SETS = {
    "librispeech": PublicSet("LibriSpeech, read English", "CC BY 4.0", "https://www.openslr.org/12", {
        "dev-clean": make_librispeech_archive(
            12, "dev-clean", 337926286, "sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"
        ),
        "dev-other": make_librispeech_archive(
            12, "dev-other", 314305928, "sha256:12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"
        ),
        "test-clean": make_librispeech_archive(
            12, "test-clean", 346663984, "sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"
        ),
        "test-other": make_librispeech_archive(
            12, "test-other", 328757843, "sha256:d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"
        ),
        "train-clean-100": make_librispeech_archive(
            12, "train-clean-100", 6387309499, "sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"
        ),
        "train-clean-360": make_librispeech_archive(
            12, "train-clean-360", 23049477885, "sha256:146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"
        ),
        "train-other-500": make_librispeech_archive(
            12, "train-other-500", 30593501606, "sha256:ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"
        ),
        "dev-clean-2": make_librispeech_archive(31, "dev-clean-2", 126046265, "md5:6d7ab67ac6a1d2c993d050e16d61080d"),
        "train-clean-5": make_librispeech_archive(31, "train-clean-5", 332954390, "md5:5df7d4e78065366204ca6845bb08f490"),
    }),
    "ljspeech": PublicSet("LJ Speech, 24 hours of one speaker", "public domain", "https://keithito.com/LJ-Speech-Dataset", {"": Archive(
        "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2", 2748572632,
        "sha256:be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5", "LJSpeech-1.1", "manifest:{folder}/metadata.csv",
    )}),
    "speech-commands": PublicSet("Speech Commands 0.02", "CC BY 4.0", "https://arxiv.org/abs/1804.03209", {"": Archive(
        "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz", 2428923189,
        "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", "speech_commands_v0.02", "speech-commands:{folder}",
        has_folder=False,
    )}),
    "fsdd": PublicSet(
        "Spoken digits (FSDD 1.0.9)", "CC BY-SA 4.0", "https://github.com/Jakobovski/free-spoken-digit-dataset", {"": Archive(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz", 11975353,
            "sha256:8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0", "free-spoken-digit-dataset-1.0.9", "fsdd:{folder}",
        )},
    ),
}  # fmt: skip
