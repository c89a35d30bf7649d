"""The perceptual hash of an image (layer 1): ``imagehash.phash``, as 64 bits.

Source: the library imagehash, after Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010:
the grey image at 32 x 32 pixels, its cosine transform, and of the 64 lowest frequencies the bits that are above their
median. An image where most of these frequencies are no larger than what rounding to whole grey levels makes of nothing
(blank, a plain gradient, a drawing that is its own mirror image) has the hash ``NO_STRUCTURE``: the bits of two such
images agree or differ by chance.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

NO_STRUCTURE = 0
SIDE, LOW = 32, 8
# Rounding to whole levels has a variance of 1/12, hence these frequencies a standard deviation of sqrt(1024 / 3) = 18;
# this is three of them. The least that was seen in 517 photographs of Caltech-101 is 263.
LEAST = 55.0


def of(image: "Image.Image") -> int:
    """The perceptual hash of an image, or ``NO_STRUCTURE``."""
    return of_sketch(sketch(image))


def sketch(image: "Image.Image") -> "Image.Image":
    """The grey picture of 32 x 32 pixels that the hash is of."""
    from PIL import Image

    return image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def of_sketch(image: "Image.Image") -> int:
    """The perceptual hash of the image that a sketch is of."""
    import numpy as np

    low = _frequencies(np.asarray(image))
    if np.count_nonzero(np.abs(low[1:]) < LEAST) >= LOW * LOW // 2:
        return NO_STRUCTURE
    middle = np.sort(low)[LOW * LOW // 2 - 1 :][:2]
    return int.from_bytes(np.packbits(low > (middle[0] + middle[1]) / 2).tobytes(), "big")


def _frequencies(pixels: "np.ndarray") -> "np.ndarray":
    """The low frequencies (64,) of the cosine transform, to the bit as imagehash has them: the mean is the first."""
    from scipy.fftpack import dct

    # No bit comes from the other rows.
    return dct(dct(pixels, axis=0)[:LOW], axis=1)[:, :LOW].ravel()
