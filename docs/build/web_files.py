"""Hook of mkdocs: the JavaScript and CSS that pages of the site share with the package's own pages lie in the package.

The site has them in live/, beside the modules of docs/live.
"""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

WEB = Path(__file__).parents[2] / "kerasrecipes" / "assets" / "web"


def on_files(files: Any, config: Any) -> Any:
    """Add the package's modules and styles to live/. Its pages are of its own servers."""
    for path in sorted(path for path in WEB.iterdir() if path.suffix in (".js", ".css")):
        files.append(File.generated(config, f"live/{path.name}", abs_src_path=str(path)))
    return files
