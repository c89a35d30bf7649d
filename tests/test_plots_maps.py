"""Maps: points where they belong in the colours of their groups, names and legends that can be read, and thumbnails."""

import csv
import io

import numpy as np
import pytest
from drawn import HEADING, artists, digest, names, unreadable
from matplotlib.colors import to_hex
from sweeping import collection, computed, rows_of

from backbench import paths
from backbench.pictures import catalogue
from backbench.pictures.source import Source
from backbench.plots import _files, _style, maps, thumbnails
from backbench.store import Store

AXES = ("t-SNE, 1st axis (no unit)", "t-SNE, 2nd axis (no unit)")
METHODS = ("pca", "tsne", "umap")


def blobs(n, groups, seed=0):
    """Positions around the middles of groups, and the group of each."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, groups, n)
    return (rng.normal(size=(groups, 2))[codes] * 30 + rng.normal(size=(n, 2)) * 3).astype(np.float32), codes


def panel(codes, called=None, **more):
    called = called or {code: f"group {code}" for code in range(int(max(codes.max(), 0)) + 1)}
    return maps.Panel("by group", "group", codes, called, {-1: "noise", -2: "left out"}, **more)


def drawn(positions, *panels):
    return maps.draw(HEADING, np.arange(len(positions)), positions, panels, AXES, "a caption")


def points(picture, code, place=0):
    """Positions of the points of a group, and their colour."""
    drawn_as = cloud(picture, place)
    spots = [spots for drawn_code, spots in drawn_as.turns if drawn_code == code]
    return np.concatenate(spots), to_hex(drawn_as.looks[code]["color"])


def cloud(picture, place=0):
    (drawn_as,) = picture.figure.axes[place].artists
    return drawn_as


def legend(picture, place=0):
    return [text.get_text() for text in picture.figure.axes[place].get_legend().get_texts()]


def as_set(rows):
    return sorted(map(tuple, np.round(rows.astype(float), 3).tolist()))


# ------------------------------------------------------------------------------------------------ points


def test_each_point_stands_where_it_belongs_in_the_colour_of_its_group():
    positions, codes = blobs(200, 4)
    codes[:20], codes[20:30] = -1, -2
    picture = drawn(positions, panel(codes))
    for code in (-2, -1, 0, 1, 2, 3):
        found, colour = points(picture, code)
        assert as_set(found) == as_set(positions[codes == code])
        assert colour == {-1: _style.NOISE, -2: _style.FAINT}.get(code, _style.colour(code)).lower()


def test_panels_share_positions_and_limits_and_a_step_is_as_long_in_either_direction():
    positions, codes = blobs(100, 3)
    picture = drawn(positions, panel(codes), panel(codes[::-1].copy()))
    picture.figure.draw_without_rendering()
    one, other = picture.figure.axes
    assert (one.get_xlim(), one.get_ylim()) == (other.get_xlim(), other.get_ylim())
    scale = np.diff(one.transData.transform([[0, 0], [1, 1]]), axis=0)[0]
    assert scale[0] == pytest.approx(scale[1], rel=0.01)
    low, high = maps.window(positions)
    assert (low < positions.min(axis=0)).all()
    assert (high > positions.max(axis=0)).all()


def test_no_group_covers_the_others():
    """Each is drawn in turns; what is left out lies below all."""
    positions, codes = blobs(600, 2)
    codes[:50] = -2
    order = [code for code, _ in cloud(drawn(positions, panel(codes))).turns]
    assert order == [-2, *[0, 1] * maps.TURNS]


def test_the_legend_has_each_group_with_its_size():
    positions, codes = blobs(90, 3)
    codes[:] = np.repeat([0, 1, 2], 30)
    codes[:5], codes[5:9] = -1, -2
    assert legend(drawn(positions, panel(codes))) == [
        *("group 0 (21)", "group 1 (30)", "group 2 (30)"),
        *("noise (5)", "left out (4)"),
    ]


def test_beyond_the_eighth_group_markers_differ_and_names_stand_among_the_points():
    positions, codes = blobs(400, 10)
    picture = drawn(positions, panel(codes, marks={code: str(code) for code in range(10)}))
    assert [cloud(picture).looks[code]["marker"] for code in (0, 8)] == ["o", "s"]
    found = {text.get_text(): text.get_position() for text in artists(picture, "name")}
    assert set(found) <= {str(code) for code in range(10)}
    for said, place in found.items():
        assert place == pytest.approx(np.median(positions[codes == int(said)], axis=0))


def test_points_too_small_for_markers_have_tints():
    positions, codes = blobs(maps.SMOOTH + 1, 10)
    picture = drawn(positions, panel(codes))
    assert points(picture, 0)[1] == _style.COLOURS[0].lower() != points(picture, 8)[1]
    assert {look["marker"] for look in cloud(picture).looks.values()} == {"s"}


@pytest.mark.parametrize("groups", [102, 200])
def test_many_groups_are_named_where_they_lie_and_no_name_covers_another(groups):
    positions, codes = blobs(4000, groups)
    picture = drawn(positions, panel(codes, dict(enumerate(names(groups)))))
    picture.figure.draw_without_rendering()
    found = artists(picture, "name")
    assert 20 < len(found) < groups
    boxes = [text.get_window_extent().extents for text in found]
    over = [(a[:2] < b[2:]).all() and (b[:2] < a[2:]).all() for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(over)
    axes = picture.figure.axes[0]
    room = axes.get_window_extent()
    assert all(box[0] >= room.x0 - 1 and box[2] <= room.x1 + 1 for box in boxes)
    assert axes.get_legend() is None
    assert axes.get_title() == f"by group: {groups}, {len(found)} of them named"


@pytest.mark.parametrize("groups", [1, 2, 8, 20])
def test_texts_can_be_read(groups):
    positions, codes = blobs(300, groups)
    codes[:10] = -1
    picture = drawn(positions, panel(codes, dict(enumerate(names(groups)))), panel(codes))
    assert unreadable(picture) == []


def test_all_noise_one_place_and_one_image():
    positions, _ = blobs(50, 2)
    assert legend(drawn(positions, panel(np.full(50, -1)))) == ["noise (50)"]
    for n in (1, 5):
        picture = drawn(np.zeros((n, 2), np.float32), panel(np.zeros(n, int)))
        picture.figure.draw_without_rendering()
        assert len(points(picture, 0)[0]) == n


def test_the_numbers_beside_the_picture_have_the_full_names():
    positions, codes = blobs(30, 2)
    codes[0] = -1
    long = {0: "x" * 300, 1: "北京"}
    data = drawn(positions, panel(codes, long)).data
    assert list(data) == ["image", "x", "y", "group"]
    assert data["group"] == ["noise" if code < 0 else long[code] for code in codes]
    found = np.array([data["x"], data["y"]]).T
    assert found == pytest.approx(positions, rel=1e-4)


def test_sixty_thousand_points_are_a_small_file_and_the_same_twice():
    positions, codes = blobs(60_000, 10)
    first, second = (_files.png(drawn(positions, panel(codes), panel(codes))) for _ in range(2))
    assert first == second
    assert len(first) < 400_000


# ------------------------------------------------------------------------------------------------ thumbnails


def test_of_each_cell_one_image_is_shown():
    positions, _ = blobs(5000, 6)
    shown, side = thumbnails.thinned(positions)
    assert 50 < len(shown) <= thumbnails.MOST
    assert np.array_equal(shown, np.unique(shown))
    gaps = np.abs(positions[shown, None] - positions[None, shown]).max(axis=2)
    assert gaps[~np.eye(len(shown), dtype=bool)].min() >= thumbnails.APART * side


def test_the_image_nearest_to_the_middle_of_a_cell_is_shown():
    """Two corners, and rows of images along one line: those next to the middles of the cells are taken."""
    line = np.stack([np.linspace(0, 100, 1001), np.full(1001, 50.0)], axis=1)
    positions = np.concatenate([[[0, 0], [100, 100]], line]).astype(np.float32)
    shown, side = thumbnails.thinned(positions)
    assert side == pytest.approx(104 / thumbnails.FINEST)
    middles = -2 + side * (np.arange(thumbnails.FINEST) + 0.5)
    found = positions[shown[shown > 1], 0]
    gaps = np.abs(found[:, None] - middles).min(axis=1)
    assert len(found) > thumbnails.FINEST - 3
    assert (gaps[(found > side) & (found < 100 - side)] <= 0.05 + 1e-5).all()


@pytest.mark.parametrize("n", [1, 2, 7])
def test_few_images_and_images_in_one_place(n):
    assert len(thumbnails.thinned(np.zeros((n, 2), np.float32))[0]) == 1
    shown, _ = thumbnails.thinned(blobs(n, 2)[0])
    assert 1 <= len(shown) <= n


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_at_their_positions_in_frames_of_their_group(channels):
    positions, codes = blobs(200, 10)
    shown, side = thumbnails.thinned(positions)
    images = np.random.default_rng(0).integers(0, 256, (len(shown), 6, 12, channels), np.uint8)
    own = panel(codes)
    picture = thumbnails.draw(HEADING, np.arange(200), positions, own, shown, side, images, AXES)
    (axes,) = picture.figure.axes
    assert len(axes.images) == len(shown)
    for place, drawn_image, image in zip(shown, axes.images, images, strict=True):
        left, right, low, high = drawn_image.get_extent()
        assert ((left + right) / 2, (low + high) / 2) == pytest.approx(positions[place], abs=1e-3)
        assert (right - left) == pytest.approx(2 * (high - low))
        assert np.array_equal(np.asarray(drawn_image.get_array()).reshape(image.shape), image)
    frames = {code: artists(picture, f"frame {code}") for code in range(10)}
    assert {code: len(found) for code, found in frames.items()} == {
        code: int((codes[shown] == code).sum()) for code in range(10)
    }
    assert {to_hex(frame.get_edgecolor()) for frame in frames[8]} <= {_style.colour(8).lower()}
    assert sorted(text.get_text() for text in artists(picture, "number")) == sorted(map(str, codes[shown].tolist()))
    assert np.flatnonzero(picture.data["shown"]).tolist() == shown.tolist()


def test_images_at_the_edge_are_not_cut():
    positions, codes = blobs(6, 2)
    shown, side = thumbnails.thinned(positions)
    images = np.zeros((len(shown), 4, 4, 1), np.uint8)
    picture = thumbnails.draw(HEADING, np.arange(6), positions, panel(codes), shown, side, images, AXES)
    (axes,) = picture.figure.axes
    for image in axes.images:
        left, right, low, high = image.get_extent()
        assert axes.get_xlim()[0] <= left < right <= axes.get_xlim()[1]
        assert axes.get_ylim()[0] <= low < high <= axes.get_ylim()[1]


# ------------------------------------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def computed_once(tmp_path_factory):
    """Sweeps over painted pictures with and without classes: the sources of their runs."""
    folder = tmp_path_factory.mktemp("maps")
    grid = ("experiment=none", "backbone=pixels", "chain=none", "retrieval=none", "k=3")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BACKBENCH_STORE", raising=False)
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = collection(folder / "images", ("cat", "dog", "x" * 300), 20)
        bare = collection(folder / "bare", (), 40)
        plans = {
            "both": computed(*images, *grid, "clusterer=kmeans", "classifier=knn"),
            "chains": computed(
                *images, *grid, "clusterer=kmeans", "classifier=knn", "chain@classification.chain=standardise"
            ),
            "split": computed(
                *images, *grid, "clusterer=kmeans", "classifier=none", "clustering.scope=per_split", "k=3"
            ),
            "classified": computed(*images, *grid[:-1], "clusterer=none", "classifier=knn"),
            "unlabelled": computed(*bare, *grid, "clusterer=kmeans", "classifier=none"),
        }
        yield {name: Source(rows_of(plan)[0], Store(paths.store())) for name, plan in plans.items()}


def kind(name):
    return next(found for found in catalogue.kinds("kinds") if found.name == name)


def titles(picture):
    return [axes.get_title() for axes in picture.figure.axes]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_has_its_classes_its_clusters_and_its_errors(computed_once, method):
    source = computed_once["both"]
    assert kind(f"map_{method}").lacks(source) is None
    picture = kind(f"map_{method}").draw(source)
    assert titles(picture) == ["by class", "by cluster", "by error"]
    assert "run " + source.row.config_hash[:12] in {text.get_text() for text in picture.figure.texts}
    data = picture.data
    assert data["class"] == [source.names[code] for code in source.truth]
    assert data["cluster"] == [f"cluster {code}" for code in source.labels]
    tried = source.predictions >= 0
    right = source.predictions == source.truth
    assert data["prediction"] == [
        ("right" if r else "wrong") if t else "training image" for r, t in zip(right, tried, strict=True)
    ]
    assert legend(picture, 2)[0] == f"right ({(right & tried).sum()})"
    assert unreadable(picture) == []


def test_axes_and_captions_say_what_a_distance_means(computed_once):
    pca, tsne = (kind(f"map_{method}").draw(computed_once["both"]) for method in ("pca", "tsne"))
    assert pca.figure.axes[0].get_xlabel().endswith("% of the variance)")
    assert tsne.figure.axes[0].get_xlabel() == AXES[0]
    assert "distances between groups" in tsne.caption
    assert "largest variance hold" in pca.caption
    assert any("perplexity 19" in text.get_text() for text in tsne.figure.texts)


def test_a_run_shows_what_it_has(computed_once):
    assert titles(kind("map_pca").draw(computed_once["classified"])) == ["by class", "by error"]
    assert titles(kind("map_pca").draw(computed_once["unlabelled"])) == ["by cluster"]
    apart = kind("map_pca").draw(computed_once["split"])
    assert titles(apart) == ["by class", "by cluster"]
    assert legend(apart, 1)[-1] == f"not clustered ({(computed_once['split'].split != 2).sum()})"


def test_predictions_from_other_features_are_said_to_be(computed_once):
    said = "It was trained on other features (standardise) than those shown (none)."
    assert said in kind("map_pca").draw(computed_once["chains"]).caption
    assert "other features" not in kind("map_pca").draw(computed_once["both"]).caption


@pytest.mark.parametrize(("run", "said"), [("both", "framed by cluster"), ("classified", "framed by class")])
def test_maps_with_images_of_a_run(computed_once, run, said):
    source = computed_once[run]
    assert kind("map_pca_images").lacks(source) is None
    picture = kind("map_pca_images").draw(source)
    assert any(said in text.get_text() for text in picture.figure.texts)
    shown = np.flatnonzero(picture.data["shown"])
    (axes,) = picture.figure.axes
    for pixels, image in zip(source.shown(shown), axes.images, strict=True):
        assert pixels.shape == (8, 8, 3), "the image itself, not what the backbone was given"
        assert np.array_equal(np.asarray(image.get_array()).reshape(pixels.shape), pixels)


def test_the_picture_of_a_run_is_the_same_file_twice(computed_once):
    first, second = (kind("map_tsne_images").draw(computed_once["both"]) for _ in range(2))
    assert digest(first) == digest(second)
    table = list(csv.reader(io.StringIO(_files.table(first))))
    assert table[0] == ["image", "x", "y", "cluster", "shown"]
    assert len(table) == 61


def test_every_kind_says_where_it_belongs():
    for method in METHODS:
        for name in (f"map_{method}", f"map_{method}_images"):
            assert kind(name).category == "Maps"
            assert kind(name).subjects == ("clustering", "classification")
    assert kind("map_tsne").title == "t-SNE map"
