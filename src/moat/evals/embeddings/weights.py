"""Tensors of a `.safetensors` file: eight bytes with the length of a JSON header, the header, then the numbers.

Format: https://github.com/huggingface/safetensors#format. No code stands in such a file.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from moat.domain.errors import ConfigError

Array = NDArray[np.float32]

MAX_HEADER = 32 * 2**20
_TYPES: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "I64": np.int64}


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_weights(path: Path) -> dict[str, Array]:
    """All tensors by name, as 32-bit floats. Raises `ConfigError` for a file that is not whole."""
    try:
        raw = path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        if len(raw) < 8 or length > min(MAX_HEADER, len(raw) - 8):
            raise ConfigError("is no safetensors file", where=str(path))
        header = msgspec.json.decode(raw[8 : 8 + length], type=dict[str, msgspec.Raw])
        body = memoryview(raw)[8 + length :]
        return {
            name: _array(msgspec.json.decode(tensor, type=_Tensor), body)
            for name, tensor in header.items()
            if name != "__metadata__"
        }
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"is no safetensors file that can be used: {error}", where=str(path)) from None


def _array(tensor: _Tensor, body: memoryview) -> Array:
    start, stop = tensor.data_offsets
    data = body[start:stop]
    if tensor.dtype == "BF16":  # the upper half of a 32-bit float
        flat = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    elif tensor.dtype in _TYPES:
        flat = np.frombuffer(data, _TYPES[tensor.dtype]).astype(np.float32)
    else:
        raise ValueError(f"numbers of type {tensor.dtype} are not understood")
    return flat.reshape(tensor.shape)
