"""TensorBoard's projector: vectors, metadata and a sprite of thumbnails beside `projector_config.pbtxt`.

Format: `tensorboard/plugins/projector/projector_config.proto` and https://www.tensorflow.org/tensorboard. The sprite is
square, with as many thumbnails in a row as in a column, at most 8,192 pixels; the projector loads 100,000 points.
"""

import json
import math
from typing import TYPE_CHECKING

from backbench.exports._folder import Folder
from backbench.exports.tools import pictures
from backbench.exports.tools.table import Table
from backbench.pictures.thumbnails import decoded

if TYPE_CHECKING:
    from PIL import Image

NAME = "tensorboard"
FILES = False
NEEDS_IMAGES = False
PACKAGE = "tensorboard"
CONFIG, TENSORS, METADATA, SPRITE = "projector_config.pbtxt", "tensors.tsv", "metadata.tsv", "sprite.png"
SIDE, THUMBNAIL = 8192, 64
# The table is text, about ten bytes for each value.
MOST_VALUES = 50_000_000
COLUMNS = ("name", "class", "predicted", "cluster", "split")
BLOCK = 512


def write(data: Table, folder: Folder) -> None:
    """Write the four files; of very wide features, for the first images alone."""
    data = data.first(max(1, min(len(data), MOST_VALUES // max(1, data.features.shape[1]))))
    with folder.new(TENSORS) as path, path.open("w", encoding="ascii") as file:
        for start in range(0, len(data), BLOCK):
            for row in data.features[start : start + BLOCK].tolist():
                file.write("\t".join(f"{value:.7g}" for value in row) + "\n")
    folder.text(METADATA, _metadata(data))
    size = None if pictures.missing(data.source) else _sprite(data, folder)
    folder.text(CONFIG, _config(data, size))


def opens(place: str, data: Table) -> list[str]:
    """What to type."""
    return [f"tensorboard --logdir {place}"]


def _metadata(data: Table) -> str:
    """A line for each image under the names of the columns; no value has a tab or ends a line."""
    names = [name for name in COLUMNS if name in data.columns]
    columns = [[_cell(value) for value in data.columns[name]] for name in names]
    lines = ["\t".join(row) for row in zip(*columns, strict=True)]
    return "\n".join(["\t".join(names), *lines]) + "\n"


def _cell(value: str | None) -> str:
    return "" if value is None else "".join(sign if sign.isprintable() else " " for sign in value)


def _sprite(data: Table, folder: Folder) -> int:
    """Write the sprite, the first image at the top left; returns the side of a thumbnail in pixels."""
    from PIL import Image

    across = math.ceil(math.sqrt(len(data)))
    size = min(THUMBNAIL, SIDE // across)
    sheet = Image.new("RGB", (across * size, across * size), "white")
    for at, thumbnail in enumerate(pictures.thumbnails(data.source, data.rows, data.say)):
        if thumbnail is not None:
            sheet.paste(_square(Image.fromarray(decoded(thumbnail)), size), (at % across * size, at // across * size))
    with folder.new(SPRITE) as path:
        sheet.save(path, "PNG")
    return size


def _square(image: "Image.Image", size: int) -> "Image.Image":
    """The whole image in the middle of a white square."""
    from PIL import Image

    square, scale = Image.new("RGB", (size, size), "white"), size / max(image.size)
    sides = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square.paste(image.resize(sides), ((size - sides[0]) // 2, (size - sides[1]) // 2))
    return square


def _config(data: Table, size: int | None) -> str:
    """The configuration in the text format of protocol buffers."""
    lines = [
        "embeddings {",
        f"  tensor_name: {json.dumps(data.source.row.params['backbone.name'])}",
        f'  tensor_path: "{TENSORS}"',
        f'  metadata_path: "{METADATA}"',
    ]
    if size is not None:
        lines += ["  sprite {", f'    image_path: "{SPRITE}"', *[f"    single_image_dim: {size}"] * 2, "  }"]
    return "\n".join([*lines, "}"]) + "\n"
