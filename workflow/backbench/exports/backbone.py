"""The backbone of a run as ONNX: from prepared pixels to features, and how far it agrees with the stored features."""

import dataclasses
import importlib.util
import io
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from backbench import provenance
from backbench.datasets import TRAIN
from backbench.exports import _record, _tables
from backbench.exports._folder import Folder
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import StoreError

if TYPE_CHECKING:
    import numpy as np

    Predict = Callable[[np.ndarray], np.ndarray]

MODEL, ABOUT = "backbone.onnx", "backbone.json"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INPUT, OUTPUT = "images", "features"
OPSET = 18
MOST_IMAGES = 64
BATCH = 8
# A model in one file is a message of protocol buffers, which ends at 2 GiB.
MOST_BYTES = (1 << 31) - (1 << 20)


class NoModel(Exception):
    """A backbone cannot be written as ONNX."""


def require() -> None:
    """Refuse where a package is missing.

    Raises
    ------
    ConfigError
        Says what to install.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f'--onnx needs {", ".join(missing)}, not installed: pip install "backbench[onnx]".')


def write(source: Source, folder: Folder, predict: "Predict | None") -> dict[str, Any]:
    """Write both files; returns what `backbone.json` says. `predict` gives numbers of classes (m,) for features (m, d).

    Raises
    ------
    NoModel
        If the run has no network that can be written; says why.
    """
    module, params = _network(source)
    model = _converted(module, params.image)
    about = _about(source, params, model, predict)
    with folder.new(MODEL) as path:
        path.write_bytes(model)
    folder.text(ABOUT, _record.dumps(about))
    return about


def sentence(agreement: Mapping[str, Any]) -> str:
    """How far the model agrees with the run."""
    text = (
        f"On {agreement['images']} images of the run, the least cosine between its features and the stored ones is "
        f"{agreement['least_cosine']:.6f}, and the largest difference {agreement['largest_difference']:.2g} (the "
        f"largest stored value is {agreement['largest_value']:.3g})."
    )
    if "same_class" in agreement:
        text += f" The exported classifier gives the class of the run for {agreement['same_class']:.1%} of them."
    return text


def _network(source: Source) -> tuple[Any, Any]:
    """The module from uint8 images (n, h, w, c) to float32 features (n, d), and the options of the backbone."""
    from backbench.backbones import _contract
    from backbench.backbones._extractor import Extractor
    from backbench.backbones._torch import Run
    from backbench.stage import Context
    from backbench.stages import _extraction

    stage = source.row.plan.stages[source.row.stages["features"]]
    plugin = _contract.load(stage.family)
    if isinstance(plugin, _contract.Given):
        raise NoModel("the embeddings were made elsewhere; there is no network here")
    if isinstance(plugin, _contract.Joining):
        raise NoModel("several backbones side by side are no single network; export a run of each of them")
    if not isinstance(plugin, _contract.Frozen):
        raise NoModel("the backbone was trained in the sweep, which stores its features and not its weights")
    try:
        params = _extraction.parameters(plugin, {**stage.config, **stage.local})
        if hasattr(params, "engine"):
            params = dataclasses.replace(params, engine="torch", precision="float32")
        extract = plugin.open(params, Context())
    except ConfigError as error:
        raise NoModel(str(error)) from error
    # The lanes of an extractor hold the network; a plugin gives it to nobody else.
    lane = extract._free.get() if isinstance(extract, Extractor) else None
    if not isinstance(lane, Run):
        raise NoModel(f"the backbone {stage.family} is no network of PyTorch")
    return lane.module, params


def _converted(module: Any, image: Any) -> bytes:
    """The module as an ONNX model whose first axis is dynamic."""
    import onnx
    import torch

    channels = 3 if image.mode == "RGB" else 1
    trial = torch.randint(0, 256, (2, image.size, image.size, channels), dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (trial,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                verbose=False,
            )
        assert program is not None  # it is None only where a file was named
        proto = program.model_proto
        if proto.ByteSize() > MOST_BYTES:
            raise NoModel("the network is larger than the 2 GiB that an ONNX file holds")
        onnx.checker.check_model(proto)
        target = io.BytesIO()
        onnx.save_model(proto, target)
    except NoModel:
        raise
    except Exception as error:  # the exporter raises many kinds for networks that it does not support
        first = (str(error).strip().splitlines() or [""])[0]
        raise NoModel(f"PyTorch cannot write this network as ONNX ({type(error).__name__}: {first})") from error
    return target.getvalue()


def _about(source: Source, params: Any, model: bytes, predict: "Predict | None") -> dict[str, Any]:
    """What `backbone.json` says of a model."""
    import onnxruntime

    image = dataclasses.asdict(params.image)
    channels = 3 if params.image.mode == "RGB" else 1
    d = source.info("features")["d"]
    about: dict[str, Any] = {
        "run": source.row.config_hash,
        "file": MODEL,
        "backbone": _record.features(source)["backbone"],
        "opset": OPSET,
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "layout": "NHWC",
            "shape": ["batch", image["size"], image["size"], channels],
            "meaning": _preparation(image),
            "image": image,
        },
        "output": {"name": OUTPUT, "dtype": "float32", "shape": ["batch", d]},
        "precision": "float32",
    }
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    about["agreement"] = _agreement(source, session, predict)
    about["versions"] = {**_record.versions(), **provenance.installed((*PACKAGES, "torch"))}
    return about


def _preparation(image: Mapping[str, Any]) -> str:
    """How an image becomes the input, in words; the network normalises it itself."""
    size = f"{image['size']} x {image['size']} pixels"
    if image["resize"] == "squash":
        shape = f"both sides resized to {size}"
    elif image.get("shorter"):
        shape = f"the shorter side resized to {image['shorter']} pixels, the centre of {size} cut out"
    else:
        shape = f"the largest central square resized to {size}"
    return (
        f"the upright image as {image['mode']}, {shape} ({image['interpolation']}, by Pillow), values 0 to 255; "
        "the model normalises them itself"
    )


def _agreement(source: Source, session: Any, predict: "Predict | None") -> dict[str, Any]:
    """The features of a session against the stored ones, on images that no classifier was fitted on if there are any.

    Raises
    ------
    NoModel
        If none of the images can be read.
    """
    import numpy as np

    rows = asked(source.split)
    try:
        pixels = np.stack([source.images[int(row)] for row in rows])
    except (OSError, ConfigError, StoreError, ValueError) as error:
        return {"images": 0, "reason": _record._cut(str(error))}
    parts = [session.run(None, {INPUT: pixels[at : at + BATCH]})[0] for at in range(0, len(rows), BATCH)]
    given, stored = np.concatenate(parts), np.asarray(_tables.stored_features(source)[rows])
    agreement = compared(given, stored)
    judged = source.split[rows] != TRAIN
    if predict is not None and judged.any():
        same = predict(given[judged]) == source.predictions[rows[judged]]
        agreement["same_class"] = float(np.mean(same))
    return agreement


def asked(split: "np.ndarray") -> "np.ndarray":
    """Rows (m,) of at most 64 images with `split` (n,), evenly spaced: validation and test images if there are any."""
    import numpy as np

    held = np.flatnonzero(split != TRAIN)
    rows = held if len(held) else np.arange(len(split))
    return rows[np.linspace(0, len(rows) - 1, min(MOST_IMAGES, len(rows))).round().astype(int)]


def compared(given: "np.ndarray", stored: "np.ndarray") -> dict[str, Any]:
    """Least cosine and largest difference between rows of features (m, d) and the stored ones (m, d)."""
    import numpy as np

    a, b = given.astype(np.float64), stored.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.where(lengths > 0, (a * b).sum(axis=1) / np.maximum(lengths, 1e-300), (a == b).all(axis=1))
    return {
        "images": len(a),
        "least_cosine": float(cosines.min()),
        "largest_difference": float(np.abs(a - b).max()),
        "largest_value": float(np.abs(b).max()),
    }
