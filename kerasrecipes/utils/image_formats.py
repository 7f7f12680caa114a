"""Which image files Pillow reads on this machine."""

from PIL import features

from kerasrecipes.utils.listing import FileKind

EXTENSIONS = {
    ".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".tga",
}  # fmt: skip
REMEDIES = dict.fromkeys(
    (".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".svg"), "not readable: save it as JPEG or PNG"
)
if features.check("avif"):
    EXTENSIONS.add(".avif")
else:
    REMEDIES[".avif"] = "not readable here: pip install -U pillow, or save it as JPEG"
IMAGE_FILES = FileKind("images", EXTENSIONS, REMEDIES)
