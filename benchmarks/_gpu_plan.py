"""What ``gpu.py`` measures, in plain data that importing costs nothing."""

NETWORKS = ("mobilenet_v2", "resnet50", "vit_b_16", "vgg16", "dinov2_s_14")
# timm's published images per second on an RTX 4090 (compiled, mixed precision), which an H200 has to pass end to end.
BARS = {"mobilenet_v2": 16_293, "resnet50": 8_039, "vit_b_16": 3_376}
# Of the rows of the families: few (also on the CPU), some, many.
ROWS = {"full": (20_000, 100_000, 1_000_000), "small": (500, 1_000, 3_000), "tiny": (200, 300, 600)}
ITERATIONS, NEIGHBOURS, COMPONENTS = 25, 10, 50
FAMILIES = {
    "lloyd": f"Lloyd, {ITERATIONS} iterations",
    "neighbours": f"{NEIGHBOURS} nearest rows",
    "precision": f"precision@{NEIGHBOURS}, cosine",
    "components": f"{COMPONENTS} principal components",
    "scores": "silhouettes of 4 labelings and the other metrics",
    "probe": "linear probes, one epoch",
    "mixture": f"diagonal mixture, {ITERATIONS} iterations",
    "k-means": "k-means, 4 starts by k-means++",
}
PEERS = ("plain", "faiss", "cuML", "flashlib")


def configurations(device: str, size: str) -> list[tuple[str, str, str]]:
    """Network, precision and engine of each extraction, the most important first."""
    if size == "tiny":
        return [("mobilenet_v2", "float32", "torch")]
    if device == "cpu":
        plain = [(name, "float32", "torch") for name in NETWORKS]
        return [*plain, ("mobilenet_v2", "bfloat16", "torch"), ("tiny", "float32", "inductor")]
    barred = [(name, "float16", "inductor") for name in BARS]
    eager = [(name, precision, "torch") for precision in ("float16", "float32", "bfloat16") for name in NETWORKS]
    others = [(name, "float16", "inductor") for name in NETWORKS if name not in BARS]
    last = [(name, precision, "inductor") for precision in ("bfloat16", "float32") for name in NETWORKS]
    return [*barred, *eager, *others, *last]


def to_compile(device: str, size: str) -> list[tuple[str, str]]:
    """Network and precision of what is compiled, in the order in which it is needed."""
    return [(name, precision) for name, precision, engine in configurations(device, size) if engine == "inductor"]
