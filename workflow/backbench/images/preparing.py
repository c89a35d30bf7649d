"""From an image to the pixels that a backbone gets.

Every image, from a file or an array, is converted to the colour mode and then resized by Pillow. ``squash`` resizes
both sides; ``crop`` resizes the shorter side and cuts out the central square, in one step or, with `shorter`, in the
two steps of torchvision's ``Resize`` and ``CenterCrop``. Grey images become RGB by repetition.
"""

from typing import TYPE_CHECKING

from backbench.images._exif import Box, whole_box
from backbench.images.decoding import Decoded
from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# Above so many pixels only the part inside the crop is resized; its values may then differ by one from torchvision's.
WHOLE = 1 << 25


def resize(picture: "Image.Image | Decoded", policy: Policy) -> "np.ndarray":
    """An image as uint8 (size, size, channels).

    An image that was decoded at a scale is resized from its exact extent, so that nothing shifts against the whole one.
    """
    import numpy as np
    from PIL import Image

    if isinstance(picture, Decoded):
        image, sides, box = picture.image, picture.sides, picture.box
    else:
        image, sides, box = picture, picture.size, whole_box(picture.size)
    grey = image.mode == "L"
    image = image if grey or policy.mode == image.mode else image.convert(policy.mode)
    square, kernel = (policy.size, policy.size), getattr(Image.Resampling, policy.interpolation.upper())
    if policy.resize == "squash":
        image = image.resize(square, kernel, box=box)
    elif policy.shorter is None:
        image = image.resize(square, kernel, box=_centre_square(box))
    else:
        image = _resize_and_crop(image, policy.shorter, policy.size, kernel, sides, box)
    pixels = np.asarray(image)[..., None] if image.mode == "L" else np.asarray(image)
    return np.repeat(pixels, 3, axis=-1) if grey and policy.mode == "RGB" else pixels


def _centre_square(box: Box) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    side = min(width, height)
    left, top = box[0] + (width - side) / 2, box[1] + (height - side) / 2
    return left, top, left + side, top + side


def _resize_and_crop(
    image: "Image.Image", shorter: int, side: int, kernel: "Image.Resampling", sides: tuple[int, int], box: Box
) -> "Image.Image":
    """torchvision's ``Resize(shorter)`` and ``CenterCrop(side)`` of an image of `sides`, with the same rounding."""
    scaled = int(shorter * sides[0] / min(sides)), int(shorter * sides[1] / min(sides))
    left, top = (round((length - side) / 2) for length in scaled)
    crop = (left, top, left + side, top + side)
    if scaled == sides == image.size:
        return image.crop(crop)
    if scaled[0] * scaled[1] <= WHOLE:
        return image.resize(scaled, kernel, box=box).crop(crop)
    factors = [(box[at + 2] - box[at]) / scaled[at] for at in (0, 1)]
    edges = [min(box[at % 2] + factors[at % 2] * crop[at], box[at % 2 + 2]) for at in range(4)]
    return image.resize((side, side), kernel, box=(edges[0], edges[1], edges[2], edges[3]))
