"""Grey of 16 bits and fewer: how many bits count, and which end is white."""

import io

import grids
import numpy as np
import pytest
from filebytes import grey_tiff, sixteen_bit_png
from opens import opened
from pictures import FOLDER, digest_of, folder_load, paint
from PIL import Image

from backbench.datasets import _fingerprint, _layout
from backbench.images import decoding, depths
from backbench.reports import _audit_checks
from backbench.stage import Context, Inputs, Member
from backbench.stages import audit, pixels
from backbench.stages import dataset as dataset_stage
from backbench.store import Store


@pytest.fixture
def decoded(tmp_path):
    def decode(data: bytes, bits: int | None = None, name: str = "a.tif") -> decoding.Decoded:
        (tmp_path / name).write_bytes(data)
        return decoding.decode(tmp_path / name, bits)

    return decode


def first_channel(found: decoding.Decoded) -> list[list[int]]:
    return np.asarray(found.image)[..., 0].tolist()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("deflated", [False, True])
def test_white_is_zero_means_white(decoded, order, bits, deflated):
    top = 2**bits - 1
    values = [[0, top, 0, 0, top, top, 0, top]] * 3
    if bits == 12 and order == ">":  # Pillow has no decoder for these
        with pytest.raises(decoding.Unreadable):
            decoded(grey_tiff(values, bits, 0, order, deflated))
        return
    white, black = (decoded(grey_tiff(values, bits, kind, order, deflated)) for kind in (0, 1))
    assert first_channel(white) == [[255, 0, 255, 255, 0, 0, 255, 0]] * 3
    assert first_channel(black) == [[0, 255, 0, 0, 255, 255, 0, 255]] * 3


def test_white_is_zero_between_the_ends(decoded):
    assert first_channel(decoded(grey_tiff([[0, 257 * 5, 65535 - 257 * 3]], 16, 0))) == [[255, 250, 3]]


def test_bilevel_fax_of_either_kind_is_read_alike(tmp_path):
    page = Image.fromarray(np.arange(64).reshape(8, 8) % 3 == 0)
    for kind in (0, 1):
        page.save(tmp_path / "a.tif", compression="group4", tiffinfo={262: kind})
        np.testing.assert_array_equal(np.asarray(decoding.rgb(tmp_path / "a.tif"))[..., 0] == 255, np.asarray(page))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_bits_that_count_are_stretched_to_eight(decoded, bits):
    top = 2**bits - 1
    values = np.array([[0, top // 3, top]])
    for data in (grey_tiff(values, 16, 1), grey_tiff(values, 16, 1, ">", True), sixteen_bit_png(values)):
        found = decoded(data, bits)
        assert first_channel(found) == [[0, 85, 255]] and found.peak == top
    assert first_channel(decoded(grey_tiff(values, 16, 0), bits)) == [[255, 170, 0]]


def test_without_bits_all_sixteen_count(decoded):
    found = decoded(grey_tiff([[0, 4095]], 16, 1))
    assert first_channel(found) == [[0, 16]] and found.peak == 4095
    every = np.arange(65536).reshape(256, 256)
    values = np.array(first_channel(decoded(sixteen_bit_png(every))))
    np.testing.assert_array_equal(values, np.round(every / 257).astype(int))


def test_more_than_the_bits_hold_is_refused(decoded):
    with pytest.raises(decoding.Unreadable, match=r"a value of 4096, which is more than 12 bits hold: dataset\.bits"):
        decoded(grey_tiff([[0, 4096]], 16, 1), 12)


def test_a_file_that_states_its_range_is_read_by_that(decoded):
    twelve = grey_tiff([[0, 1365, 4095, 0]], 12, 1)
    graymap = b"P5 4 1 4095\n" + np.array([0, 1365, 4095, 0], ">u2").tobytes()
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 21845, 65535, 0]] * 4, np.uint16)).save(buffer, "JPEG2000")
    for data, bits in ((twelve, None), (twelve, 10), (graymap, None), (graymap, 10), (buffer.getvalue(), 10)):
        found = decoded(data, bits)
        assert first_channel(found)[0] == [0, 85, 255, 0] and found.peak is None


def test_of_sixteen_bit_colour_the_high_byte_tells_the_peak(decoded):
    colour = np.full((3, 4, 3), 4000)
    found = decoded(sixteen_bit_png(colour))
    assert (found.mode, found.peak) == ("RGB", 15 * 256 + 255)
    with pytest.raises(
        decoding.Unreadable, match=r"16-bit colour, of which only the high byte is read; dataset\.bits=12"
    ):
        decoded(sixteen_bit_png(colour), 12)


def test_eight_bits_have_no_peak(tmp_path):
    paint(tmp_path / "a.png", 1)
    for bits in (None, 12):
        assert decoding.decode(tmp_path / "a.png", bits).peak is None
    np.testing.assert_array_equal(*(np.asarray(decoding.rgb(tmp_path / "a.png", bits)) for bits in (None, 12)))


def test_grey_and_colour_are_counted_apart():
    images = [("L", None), ("I;16", 900), ("RGB", 65535), ("I;16B", 4095), ("RGB", None)]
    assert depths.about(images) == {
        "grey": {"peak": 4095, "rows": [1, 3]},
        "colour": {"peak": 65535, "rows": [2]},
    }
    assert depths.about([("RGB", None)]) == {}


# A collection of 12 bits

BITS = ((), ("dataset.bits=12",))


@pytest.fixture
def twelve(tmp_path, own_results):
    """Thirty 16-bit pictures of a sensor with 12 bits, and one of 8 bits."""
    for number in range(30):
        path = tmp_path / "in" / f"class{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 4096, (16, 20))
        values[0, 0] = 4095
        path.write_bytes(sixteen_bit_png(values))
    paint(tmp_path / "in" / "class0" / "eight.png", 99)
    return tmp_path / "in"


def test_a_collection_read_by_its_bits_is_another_dataset_of_the_same_files(twelve):
    assert digest_of(twelve) == digest_of(twelve, bits=12), "the digest is of the bytes"
    cells = [grids.cell("dataset=folder", f"dataset.root={twelve}", *bits) for bits in BITS]
    hashes = {grids.run_hash(cell, digest=digest_of(twelve)) for cell in cells}
    assert len(hashes) == len(BITS)
    sixteen, bits = folder_load(twelve), folder_load(twelve, bits=12)
    again = folder_load(twelve)
    assert bits.info["bits"] == 12 and bits.info["depth"]["grey"]["peak"] == 4095 and "bits" not in sixteen.info
    np.testing.assert_array_equal(sixteen.contents, again.contents, "what was found is not confused")
    same = (sixteen.contents == bits.contents).all(axis=1)
    assert [name for name, equal in zip(bits.files, same, strict=True) if equal] == ["class0/eight.png"]


def test_only_what_depends_on_the_bits_is_read_again(twelve):
    digest_of(twelve)
    assert _fingerprint.recall(twelve, _layout.read(twelve), bits=12) is None
    with opened(twelve) as names:
        digest_of(twelve, bits=12)
    assert len(names) == 30 and "class0/eight.png" not in names
    assert _fingerprint.recall(twelve, _layout.read(twelve), bits=12) is not None


def test_pictures_of_eight_bits_need_no_second_look(folder):
    digest = digest_of(folder)
    audit = _fingerprint.recall(folder, _layout.read(folder), bits=12)
    assert audit is not None and audit.digest == digest


# What the audit and the backbones make of it


def recorded(tmp_path, root, **changed) -> Inputs:
    """The record of a folder, through the real plugin and stage."""
    member = Member("d" * 64, {**FOLDER, "root": str(root), **changed})
    outcome = next(dataset_stage.compute([member], Inputs(Store(tmp_path), {}), Context()))
    store = Store(tmp_path / f"store{changed.get('bits')}")
    store.write("dataset", "d" * 64, {"info": dict(outcome.info), "config": dict(member.config)}, outcome.arrays)
    return Inputs(store, {"dataset": ("dataset", "d" * 64)})


def shallow(inputs: Inputs) -> _audit_checks.Check:
    outcome = next(audit.compute([Member("a" * 64, {"near_distance": 4})], inputs, Context(threads=1)))
    assert outcome.failure is None, outcome.failure
    return next(check for check in _audit_checks.checks(outcome.info) if check.key == "shallow")


def test_the_audit_says_that_the_values_fill_twelve_bits(twelve, tmp_path):
    check = shallow(recorded(tmp_path, twelve))
    assert (check.shown, check.state, check.said) == ("30", _audit_checks.LOOK, "30 images of 16 bits use only 12")
    assert check.policy == "The values of 30 grey images use only 12 bits." and check.then == "dataset.bits=12"
    check = shallow(recorded(tmp_path, twelve, bits=12))
    assert (check.shown, check.state, check.then) == ("0", _audit_checks.FINE, "")


def test_one_picture_that_fills_sixteen_bits_speaks_for_all(twelve, tmp_path):
    (twelve / "class1" / "bright.png").write_bytes(sixteen_bit_png(np.full((16, 20), 65535)))
    assert shallow(recorded(tmp_path, twelve)).state == _audit_checks.FINE


def test_the_audit_says_of_colour_that_the_high_byte_is_read(twelve, tmp_path):
    for path in twelve.rglob("*.png"):
        path.write_bytes(sixteen_bit_png(np.random.default_rng(len(path.name)).integers(0, 4096, (16, 20, 3))))
    check = shallow(recorded(tmp_path, twelve))
    assert (check.shown, check.then) == ("31", "") and "convert the images to 8 bits" in check.policy


def test_backbones_are_given_the_same_bits(twelve, tmp_path):
    sixteen, bits = (recorded(tmp_path, twelve, **changed) for changed in ({}, {"bits": 12}))
    row = sixteen.info("dataset")["files"].index("class0/00.png")
    tops = []
    for inputs in (sixteen, bits):
        with pixels.opener(inputs)(row, None) as decoded:
            tops.append(np.asarray(decoded.image).max())
    assert tops == [16, 255]
