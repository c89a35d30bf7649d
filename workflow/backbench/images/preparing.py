"""From an image to the pixels that a backbone is given (layer 1).

Every image, of a file or of an array, goes through the same Pillow resize: first to the colour mode, then to the size.
``squash`` resizes both sides; ``crop`` resizes the shorter side and cuts the centre square out, at once or, with
`shorter`, in the two steps of torchvision's ``Resize`` and ``CenterCrop``. Grey images become RGB by repetition.
"""

from typing import TYPE_CHECKING

from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# Beyond so many pixels only what the crop keeps is resized; its colours may then differ by one from torchvision's.
WHOLE = 1 << 25


def resize(image: "Image.Image", policy: Policy) -> "np.ndarray":
    """One image as uint8 (size, size, channels)."""
    import numpy as np
    from PIL import Image

    grey = image.mode == "L"
    image = image if grey or policy.mode == image.mode else image.convert(policy.mode)
    square, kernel = (policy.size, policy.size), getattr(Image.Resampling, policy.interpolation.upper())
    if policy.resize == "squash":
        image = image.resize(square, kernel)
    elif policy.shorter is None:
        image = image.resize(square, kernel, box=_centre_square(image.size))
    else:
        image = _resize_and_crop(image, policy.shorter, policy.size, kernel)
    pixels = np.asarray(image)[..., None] if image.mode == "L" else np.asarray(image)
    return np.repeat(pixels, 3, axis=-1) if grey and policy.mode == "RGB" else pixels


def _centre_square(size: tuple[int, int]) -> tuple[float, float, float, float]:
    side = min(size)
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    return left, top, left + side, top + side


def _resize_and_crop(image: "Image.Image", shorter: int, side: int, kernel: int) -> "Image.Image":
    """torchvision's ``Resize(shorter)`` and ``CenterCrop(side)``, rounded as there."""
    scaled = tuple(int(shorter * length / min(image.size)) for length in image.size)
    left, top = (round((length - side) / 2) for length in scaled)
    crop = (left, top, left + side, top + side)
    if scaled == image.size:
        return image.crop(crop)
    if scaled[0] * scaled[1] <= WHOLE:
        return image.resize(scaled, kernel).crop(crop)
    factors = [old / new for old, new in zip(image.size, scaled, strict=True)] * 2
    return image.resize((side, side), kernel, box=tuple(map(float.__mul__, map(float, crop), factors)))
