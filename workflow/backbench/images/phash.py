"""The perceptual hash of an image: ``imagehash.phash``, as 64 bits.

Source: the library imagehash, after Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010:
the grey image at 32 x 32 pixels, its cosine transform, and for each of the 64 lowest frequencies a bit that says
whether it is above their median. If most of these frequencies are within the noise of rounding to whole grey levels (a
blank image, a plain gradient, a drawing that is its own mirror image), the hash is ``NO_STRUCTURE``: the bits of two
such images would agree or differ by chance.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

NO_STRUCTURE = 0
SIDE, LOW = 32, 8
# Rounding to whole levels has a variance of 1/12, which gives these frequencies a standard deviation of
# sqrt(1024 / 3) = 18; this is three of them. The smallest seen in 517 photographs of Caltech-101 is 263.
LEAST = 55.0


def of(image: "Image.Image") -> int:
    """The perceptual hash of an image, or ``NO_STRUCTURE``."""
    return of_sketch(sketch(image))


def sketch(image: "Image.Image") -> "Image.Image":
    """The grey image of 32 x 32 pixels that the hash is computed from."""
    from PIL import Image

    return image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def of_sketch(image: "Image.Image") -> int:
    """The perceptual hash of an image, from its sketch."""
    import numpy as np

    low = _frequencies(np.asarray(image))
    if np.count_nonzero(np.abs(low[1:]) < LEAST) >= LOW * LOW // 2:
        return NO_STRUCTURE
    middle = np.sort(low)[LOW * LOW // 2 - 1 :][:2]
    return int.from_bytes(np.packbits(low > (middle[0] + middle[1]) / 2).tobytes(), "big")


def _frequencies(pixels: "np.ndarray") -> "np.ndarray":
    """The 64 lowest frequencies (64,) of the cosine transform of `pixels` (32, 32), the mean first; as in imagehash."""
    from scipy.fftpack import dct

    # The bits depend on these rows alone.
    return dct(dct(pixels, axis=0)[:LOW], axis=1)[:, :LOW].ravel()
