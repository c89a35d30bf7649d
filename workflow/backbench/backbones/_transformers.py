"""Models of transformers as files: their configuration, their processor and their weights (imports it in functions).

A model is a repository of the Hugging Face hub or a folder with the same files. Code of a repository is never run, and
nothing is unpickled: weights are ``.safetensors``.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.backbones import Image, _huggingface, _weights
from backbench.schema import ConfigError

if TYPE_CHECKING:
    from torch import nn

WHERE = "backbone(huggingface)"
# The type of the models that mask patches at random whenever they are called.
MASKING = "vit_mae"
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
# What differs between files of one model, and changes no feature.
VOLATILE = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "architectures", "id2label", "label2id")
KERNELS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
# From this side on, ConvNeXt's processor cuts nothing off.
WHOLE = 384
ADVICE = "give backbone.image.size, resize, interpolation, backbone.mean and backbone.deviation"


def folder(model: str) -> Path | None:
    """The folder that a name is the path of; None for one of the hub.

    Raises
    ------
    ConfigError
        For a path at which there is no folder.
    """
    path = Path(model).expanduser().absolute()
    if path.is_dir():
        return path
    if model.startswith(("/", "~", ".")) or model.count("/") > 1:
        raise ConfigError(f"{WHERE}.model: there is no folder {path}; allowed: a folder, or a name of the hub.")
    return None


def file(model: str, *names: str, advice: str = "") -> Path:
    """The first file of `names` that the model has, fetched from the hub if need be.

    Raises
    ------
    ConfigError
        If there is none; says what was looked for, where, and what to do.
    """
    local = folder(model)
    if local is None:
        place = "give the folder that they are in: backbone.model=PATH"
        return _huggingface.file(model, model, names, f"{place}; or {advice}" if advice else place)
    there = next((local / name for name in names if (local / name).is_file()), None)
    if there is None:
        more = f"; or {advice}" if advice else ""
        raise ConfigError(f"{WHERE}.model: {local} has no {' or '.join(names)}; put it there{more}.")
    return there


def weights(model: str) -> list[Path]:
    """The files of weights: one, or the parts that an index lists."""
    first = file(model, WEIGHTS, INDEX, advice="convert pytorch_model.bin, which is never unpickled here")
    if first.name != INDEX:
        return [first]
    names = sorted(set(read(first)["weight_map"].values()))
    return [file(model, name) for name in names]


def read(path: Path) -> dict[str, Any]:
    """A JSON file of options."""
    return _huggingface.options(f"{WHERE}.model", path)


def digest(model: str) -> str:
    """Digest of what the configuration says of the network."""
    options = read(file(model, CONFIG))
    return hashing.digest({key: value for key, value in options.items() if key not in VOLATILE})


@functools.cache
def config(model: str) -> Any:
    """The configuration of the network, as transformers reads it.

    Raises
    ------
    ConfigError
        If transformers does not know the network, or it would need code of its own.
    """
    from transformers import AutoConfig

    path = file(model, CONFIG)
    with _refused(model):
        options = AutoConfig.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
    if options.model_type == MASKING:
        raise ConfigError(
            f"{WHERE}.model: received {model}, a {MASKING} model, which hides random patches of every image; take "
            "backbone=timm backbone.model=vit_base_patch16_224.mae."
        )
    return options


def network(model: str) -> "nn.Module":
    """The network without weights, or with random ones."""
    from transformers import AutoModel

    made: Any = AutoModel  # it has no complete annotations
    with _refused(model), _quiet():
        return made.from_config(config(model), trust_remote_code=False)


def loaded(model: str, path: Path | None) -> tuple["nn.Module", list[str]]:
    """The network with its weights, or those in the file at `path`, and the names of those that are not there.

    Raises
    ------
    ConfigError
        If they are not those of this network.
    """
    from transformers import AutoModel

    options: dict[str, Any] = {"config": config(model), "output_loading_info": True, "trust_remote_code": False}
    with _refused(model), _quiet():
        if path is None:
            place = weights(model)[0].parent
            options |= {"local_files_only": True, "use_safetensors": True}
            whole, about = AutoModel.from_pretrained(place, **options)
        else:
            del options["trust_remote_code"]  # which AutoModel alone takes
            made: Any = type(network(model))
            whole, about = made.from_pretrained(None, state_dict=dict(_weights.read(path)), **options)
    return whole.float(), sorted(about["missing_keys"])


@functools.cache
def processor(model: str) -> Mapping[str, Any]:
    """What the processor of the model does to an image, by the names of its options."""
    from transformers import AutoImageProcessor

    path = file(model, *PROCESSORS, advice=ADVICE)
    made: Any = AutoImageProcessor  # it has no complete annotations
    with _refused(model), _quiet():
        about: dict[str, Any] = made.from_pretrained(
            path.parent, local_files_only=True, trust_remote_code=False
        ).to_dict()
    return about


def colours(model: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means and deviations that the processor normalises with; 0 and 1 where it does not.

    Raises
    ------
    ConfigError
        If values of 0..255 do not become 0..1 first.
    """
    about = processor(model)
    if not about.get("do_rescale", True) or abs(about.get("rescale_factor", 1 / 255) * 255 - 1) > 1e-6:
        raise _unlike(model, f"rescale_factor {about.get('rescale_factor')}")
    if about.get("rescale_offset"):
        raise _unlike(model, "rescale_offset")
    if not about.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return tuple(about["image_mean"]), tuple(about["image_std"])


def image(model: str, size: int | None) -> Image:
    """How the processor prepares an image; `size` in place of its own keeps the part that is cut out.

    Raises
    ------
    ConfigError
        If it does what a policy cannot say.
    """
    about = processor(model)
    kernel = KERNELS.get(int(about.get("resample", 2)))
    if not about.get("do_resize", True) or kernel is None:
        raise _unlike(model, f"do_resize {about.get('do_resize')}, resample {about.get('resample')}")
    if about.get("do_pad") or about.get("do_flip_channel_order") or "max_num_patches" in about:
        raise _unlike(model, "padding, another order of colours, or patches of images in their own proportions")
    side, shorter = _sides(model, about)
    scale = (size or side) / side
    if shorter is None:
        return Image(size or side, "RGB", "squash", kernel)  # type: ignore[arg-type]
    return Image(size or side, "RGB", "crop", kernel, round(shorter * scale))  # type: ignore[arg-type]


def _sides(model: str, about: Mapping[str, Any]) -> tuple[int, int | None]:
    """The side of what the network is given, and to what the shorter side is resized before; None for both sides."""
    size, crop = dict(about.get("size") or {}), dict(about.get("crop_size") or {})
    cropped = bool(about.get("do_center_crop")) and bool(crop)
    if set(size) == {"shortest_edge"} and "crop_pct" in about:
        side = int(size["shortest_edge"])
        return (side, int(side / about["crop_pct"])) if side < WHOLE else (side, None)
    if cropped and crop.get("height") == crop.get("width") and set(size) == {"shortest_edge"}:
        side, shorter = int(crop["height"]), int(size["shortest_edge"])
        if side <= shorter:
            return side, shorter
    square = set(size) == {"height", "width"} and size["height"] == size["width"]
    if square and (not cropped or crop == size):
        return int(size["height"]), None
    raise _unlike(model, f"size {size}" + (f", crop_size {crop}" if cropped else ""))


def _unlike(model: str, what: str) -> ConfigError:
    return ConfigError(
        f"{WHERE}.image: the processor of {model} has {what}, which is not supported; {ADVICE} to prepare images in "
        "another way."
    )


@contextlib.contextmanager
def _refused(model: str) -> Iterator[None]:
    """Turn what transformers says of a model that it cannot read into a ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # a wrong file causes many kinds of errors
        text = _weights.brief(error)
        if "trust_remote_code" in str(error):
            text = "it needs code of its own repository, which is never run here"
        raise ConfigError(f"{WHERE}.model: {model} cannot be opened: {text}.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and warnings of transformers: what is missing is told as an error."""
    from transformers.utils import logging as library

    of_library: Any = library  # it has no complete annotations
    before, bars = of_library.get_verbosity(), of_library.is_progress_bar_enabled()
    of_library.set_verbosity(logging.ERROR)
    of_library.disable_progress_bar()
    try:
        yield
    finally:
        of_library.set_verbosity(before)
        if bars:
            of_library.enable_progress_bar()
