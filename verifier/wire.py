"""Frames: bytes <-> a message and named arrays. Pure; the referee, the worker and stored problems share it.

A frame is the length of its blob (u64), the protocol version (u32), both little-endian, then the blob: a safetensors file whose metadata
holds the message as JSON and the order of the arrays' names. A blob alone is what a problem file holds.

Whoever decodes believes nothing: a blob may come from a hostile process. Whatever is wrong with it ends in a `WireError`, and no more
memory is taken than a small multiple of what arrived.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import asarray, frombuffer, require  # by name: a candidate may replace them in its own process
from numpy.typing import NDArray
from safetensors import TensorSpec, serialize

PROTOCOL = 1
PREFIX = struct.Struct("<QI")
HEADER_BYTES = 8 << 20  # JSON grows up to 20-fold when it is read: the bound on what a forged header can cost
METADATA = "__metadata__"
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_LIBRARY_NAMES = {dtype: dtype.name for dtype in DTYPES.values()}
_LENGTH = struct.Struct("<Q")


class WireError(ValueError):
    """Bytes are not a frame or blob of this protocol, or a message or array cannot be put into one."""


def encode(message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """One frame that carries the message and the arrays. Raises WireError as `encode_blob` does."""
    blob = encode_blob(message, arrays)
    return PREFIX.pack(len(blob), PROTOCOL) + blob


def encode_blob(message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The message and the arrays, in this order, as safetensors bytes that any safetensors reader takes.

    Raises WireError for a message that is no JSON and for an array of another dtype than those of `DTYPES` (any byte order).
    """
    try:
        # One entry: safetensors writes several in an order that changes from call to call, and equal problems must be equal files.
        metadata = {"frame": json.dumps({"names": list(arrays), "message": message})}
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"the message cannot be written as JSON: {error}") from error
    portable = {name: _portable(name, array) for name, array in arrays.items()}  # keeps alive the memory that the pointers point into
    return bytes(serialize({name: _specification(array) for name, array in portable.items()}, metadata))


def read_prefix(prefix: bytes) -> int:
    """The length in bytes of the blob that follows the 12 bytes of `prefix`. Raises WireError for another protocol version."""
    if len(prefix) != PREFIX.size:
        raise WireError(f"a frame begins with {PREFIX.size} bytes, not {len(prefix)}")
    length, version = PREFIX.unpack(prefix)
    if version != PROTOCOL:
        raise WireError(f"protocol version {version}, should be {PROTOCOL}")
    return int(length)


def decode_blob(blob: bytes | bytearray) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The message and the arrays of a blob, in the order in which they were encoded; the arrays are read-only views of it.

    Raises WireError on anything that `encode_blob` could not have written, except that the arrays' data may lie in any order.
    """
    header, start = _read_header(blob)
    metadata = header.pop(METADATA, None)
    if not isinstance(metadata, dict):
        raise WireError("the header has no metadata")
    frame = _read_json(metadata.get("frame"), "frame")
    if not isinstance(frame, dict):
        raise WireError("the frame is not a table")
    message, names = frame.get("message"), frame.get("names")
    if not isinstance(message, dict):
        raise WireError("the message is not a table")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise WireError("the names are not a list of strings")
    if len(names) != len(header) or set(names) != header.keys():
        raise WireError("the names are not those of the arrays")
    _require_tiling(header, len(blob) - start)
    return message, {name: _view(name, header[name], blob, start) for name in names}


def _portable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array with little-endian elements in C order: safetensors writes the memory as it lies, other layouts would arrive scrambled."""
    if not isinstance(name, str) or name == METADATA:
        raise WireError(f"an array cannot be named {name!r}")
    array = asarray(array)
    dtype = array.dtype
    if dtype not in _LIBRARY_NAMES:
        dtype = dtype.newbyteorder("<")
        if dtype not in _LIBRARY_NAMES:
            raise WireError(f"array {name!r} has dtype {array.dtype}, which a frame cannot carry")
    elif array.flags.c_contiguous:
        return array
    return require(array, dtype=dtype, requirements="C")


def _specification(array: NDArray[Any]) -> TensorSpec:
    # As safetensors.numpy.save does, which takes three times as long: it asks each dtype for its name and each array for its ctypes.
    pointer = array.__array_interface__["data"][0]
    return TensorSpec(dtype=_LIBRARY_NAMES[array.dtype], shape=array.shape, data_ptr=pointer, data_len=array.nbytes)


def _read_header(blob: bytes | bytearray) -> tuple[dict[str, Any], int]:
    if len(blob) < _LENGTH.size:
        raise WireError(f"a blob of {len(blob)} bytes is too short for its header")
    (length,) = _LENGTH.unpack_from(blob)
    if length > HEADER_BYTES or length > len(blob) - _LENGTH.size:
        raise WireError(f"a header of {length} bytes does not fit into a blob of {len(blob)}")
    header = _read_json(bytes(blob[_LENGTH.size : _LENGTH.size + length]), "header")
    if not isinstance(header, dict):
        raise WireError("the header is not a table")
    return header, _LENGTH.size + length


def _read_json(text: Any, what: str) -> Any:
    if not isinstance(text, str | bytes):
        raise WireError(f"the {what} is missing")
    try:
        value = _JSON.decode(text.decode() if isinstance(text, bytes) else text)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
            # A lone surrogate is valid JSON, but nobody could print or store the string.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"the {what} is not JSON: {error}") from error
    return value


def _whole(digits: str) -> int:
    """A whole number that a report can hold: of 64 bits. JSON sets no limit, and nobody sends more."""
    number = int(digits)
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError("a whole number has more than 64 bits")
    return number


_JSON = json.JSONDecoder(parse_int=_whole)


def _require_tiling(header: Mapping[str, Any], size: int) -> None:
    """The arrays' data follow each other without gap or overlap, from the header to the end of the blob."""
    position = 0
    for begin, end in sorted(_span(name, entry) for name, entry in header.items()):
        if begin != position:
            raise WireError(f"array data begin at byte {begin}, should be {position}")
        position = end
    if position != size:
        raise WireError(f"array data end at byte {position}, but the blob has {size}")


def _span(name: str, entry: Any) -> tuple[int, int]:
    """First and last offset of an array's data, after its header entry proved to be one."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise WireError(f"the header entry of array {name!r} is malformed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise WireError(f"array {name!r} has an unknown dtype")
    if not _is_sizes(shape) or not _is_sizes(offsets) or len(offsets) != 2 or len(shape) > 32:
        raise WireError(f"array {name!r} has a malformed shape or offsets")
    size = DTYPES[dtype].itemsize
    for length in shape:
        size *= length
    if offsets[1] - offsets[0] != size:
        raise WireError(f"array {name!r} of shape {tuple(shape)} has {offsets[1] - offsets[0]} bytes, should be {size}")
    return offsets[0], offsets[1]


def _is_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 48 for item in value)


def _view(name: str, entry: Mapping[str, Any], blob: bytes | bytearray, start: int) -> NDArray[Any]:
    dtype = DTYPES[entry["dtype"]]
    begin, end = entry["data_offsets"]
    try:
        view = frombuffer(blob, dtype, (end - begin) // dtype.itemsize, start + begin) if end > begin else np.empty(0, dtype)
        view.flags.writeable = False
        return view.reshape(entry["shape"])
    except ValueError as error:
        raise WireError(f"array {name!r}: {error}") from error
