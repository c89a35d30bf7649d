"""Names and colours of pictures: in the font, short, told apart; black and white, and for the colour-blind."""

import unicodedata

import pytest
from matplotlib.font_manager import FontProperties, findfont, get_font

from backbench.plots import _names, _style
from backbench.plots._names import legible, plain
from backbench.wording import brief, shorten

GLYPHS = get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()


@pytest.mark.parametrize("name", ["T-shirt/top", "Ångström", "Ελληνικά", "Русский", "naïve café", "a − b ≤ c", "²"])
def test_names_that_the_font_has_are_as_they_are(name):
    assert plain(name) == name


@pytest.mark.parametrize("name", ["北京", "مرحبا", "עברית", "नमस्ते", "ไทย", "한국어", "日本語", "😀", "caf\udce9"])
def test_other_scripts_are_transliterated_and_marked(name):
    shown = plain(name)
    assert shown.startswith("~") and len(shown) > 1
    assert all(ord(sign) in GLYPHS for sign in shown)


def test_a_known_transliteration():
    assert plain("北京 station") == "~BeiJing station"


def test_signs_that_show_nothing_are_spaces():
    assert plain("a\nb\tc\u202ed\u200be") == "a b c d e"


def test_accents_are_one_sign_with_their_letter():
    assert plain("e\u0301") == "é"


def test_the_middle_is_left_out():
    assert shorten("abcdefghijkl", 12) == "abcdefghijkl"
    assert shorten("abcdefghijklm", 12) == "abcdefg…jklm"
    assert shorten("abcdef ghijkl mno", 11) == "abcdef…mno"


@pytest.mark.parametrize("limit", [12, 18, 22, 34])
def test_names_are_short_and_told_apart(limit):
    names = [f"{'a very long name ' * 20}{at}" for at in range(200)] + ["x" * 300] * 3 + ["北京"] * 2
    shown = legible(names, limit)
    assert len(set(shown)) == len(names) and max(map(len, shown)) <= limit


def test_names_that_look_alike_get_their_place():
    assert legible(["a", "b", "a", "北京", "~BeiJing"]) == ["a (0)", "b", "a (2)", "~BeiJing (3)", "~BeiJing (4)"]


def test_a_name_that_looks_like_a_place_is_told_apart_too():
    shown = legible(["a", "a", "a (0)"])
    assert len(set(shown)) == 3


def test_empty_names_are_their_place():
    assert legible(["", "cat", "\u200b"]) == ["(0)", "cat", "(2)"]


def test_sentences_have_names_in_their_own_script():
    assert brief("北京\n烤鸭\u202e") == "北京 烤鸭"
    assert len(brief("x" * 300)) == 40
    assert brief("caf\udce9") == "caf?" and brief("caf\udce9").encode("utf-8")
    assert brief(" \u200b") == "(empty)"


def test_signs_that_are_shown_as_they_are_are_in_the_font():
    signs = [chr(code) for low, high in _names.DRAWN for code in range(low, high + 1)]
    signs = [sign for sign in signs if unicodedata.category(sign) not in ("Cc", "Cf", "Zl", "Zp", "Cn")]
    assert len(signs) > 2000 and not [sign for sign in signs if ord(sign) not in GLYPHS]


def test_colour_and_hatch_or_marker_tell_64_apart():
    assert len({(_style.colour(at), _style.hatch(at)) for at in range(64)}) == 64
    assert len({(_style.colour(at), _style.marker(at)) for at in range(64)}) == 64
