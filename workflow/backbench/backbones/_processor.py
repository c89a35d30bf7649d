"""Precisions that the processor of this machine multiplies numbers in as they are (imports no engine)."""

from backbench import provenance

# Instruction sets by which it does: elsewhere a library converts each number first, or sums of products overflow.
NATIVE = {"bfloat16": ("avx512_bf16", "amx_bf16"), "int8": ("avx512_vnni", "avx_vnni", "amx_int8")}
# The same in words.
NEEDS = {"bfloat16": "AVX512-BF16 or AMX", "int8": "VNNI or AMX"}


def native(precision: str) -> bool:
    """Whether this processor multiplies numbers of that precision as they are; False where the system does not say."""
    return precision == "float32" or not set(NATIVE.get(precision, ())).isdisjoint(provenance.cpu_features().split())
