"""Hook of mkdocs: the JavaScript and CSS that pages of the site share with the package's own pages lie in the package.

The site has them in live/, beside the modules of docs/live.
"""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

WEB = Path(__file__).parents[2] / "kerasrecipes" / "assets" / "web"


def on_files(files: Any, config: Any) -> Any:
    """Add the package's files of pages to live/."""
    for path in sorted(WEB.iterdir()):
        files.append(File.generated(config, f"live/{path.name}", abs_src_path=str(path)))
    return files
