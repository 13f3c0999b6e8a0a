"""Frames arrive as they were sent, bit for bit, and nonsense ends in a WireError."""

import json
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

from verifier.wire import DTYPES, PREFIX, WireError, decode_blob, encode, encode_blob, read_prefix

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
messages = st.dictionaries(
    texts,
    st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts, st.lists, max_leaves=8),
)
arrays = st.sampled_from(list(DTYPES.values())).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)
named_arrays = st.dictionaries(texts.filter(lambda name: name != "__metadata__"), arrays, max_size=5)


@given(messages, named_arrays)
def test_what_is_encoded_comes_back_bit_for_bit_and_in_order(message, sent):
    told, received = decode_blob(encode_blob(message, sent))
    assert told == message
    assert list(received) == list(sent)
    for name, array in sent.items():
        assert (received[name].dtype, received[name].shape, received[name].tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=3, max_side=4)))
def test_other_layouts_and_byte_orders_arrive_unscrambled(array):
    sent = {"transposed": array.T, "reversed": array[::-1], "big": array.astype(">f8"), "every second": array[..., ::2]}
    _, received = decode_blob(encode_blob({}, sent))
    for name, layout in sent.items():
        np.testing.assert_array_equal(received[name], layout)


def test_any_safetensors_reader_takes_a_blob():
    sent = {"weights[0]": np.arange(6.0).reshape(2, 3), "y": np.array(True)}
    received = load(encode_blob({"a": 1}, sent))
    np.testing.assert_array_equal(received["weights[0]"], sent["weights[0]"])
    np.testing.assert_array_equal(received["y"], sent["y"])


def test_a_frame_is_length_version_and_blob():
    frame = encode({"a": 1}, {})
    assert read_prefix(frame[: PREFIX.size]) == len(frame) - PREFIX.size
    assert decode_blob(frame[PREFIX.size :]) == ({"a": 1}, {})


@pytest.mark.parametrize("value", [np.array(["text"]), np.array([1j]), np.array([None]), np.zeros(2, np.longdouble)])
def test_other_dtypes_cannot_be_encoded(value):
    with pytest.raises(WireError, match="'x' has dtype"):
        encode_blob({}, {"x": value})


@pytest.mark.parametrize("message", [{"a": object()}, {"a": {1, 2}}, {(1, 2): 3}])
def test_a_message_that_is_no_json_cannot_be_encoded(message):
    with pytest.raises(WireError, match="JSON"):
        encode_blob(message, {})


def test_equal_problems_are_equal_bytes():
    blobs = {encode_blob({"a": 1}, {"b": np.arange(3.0), "a": np.eye(2)}) for _ in range(40)}
    assert len(blobs) == 1


@given(st.binary(max_size=400))
def test_random_bytes_end_in_a_wire_error(data):
    with pytest.raises(WireError):
        decode_blob(data)


@settings(max_examples=400)
@given(st.data())
def test_a_mutated_blob_is_decoded_or_refused_but_nothing_else_happens(data):
    blob = bytearray(
        encode_blob({"results": [{"form": ["a0", None]}], "text": "é\n"}, {"a0": np.arange(3.0), "a1": np.eye(2, dtype=np.float32)})
    )
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(blob[: data.draw(st.integers(0, len(blob)))]) if data.draw(st.booleans()) else bytes(blob)
    try:
        message, received = decode_blob(cut)
    except WireError:
        return
    json.dumps(message, ensure_ascii=False).encode()
    assert sum(array.nbytes for array in received.values()) <= len(cut)


def forged(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: object = "F64", shape: object = (1,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def metadata(*names: str, message: str = "{}") -> dict[str, str]:
    return {"frame": f'{{"names": {json.dumps(names)}, "message": {message}}}'}


EIGHT = bytes(8)
FORGERIES = {
    "a header longer than the blob": struct.pack("<Q", 1 << 60) + b"{}",
    "a header of another type": forged([]),
    "no metadata": forged({"a": entry()}, EIGHT),
    "metadata of another type": forged({"__metadata__": 3}),
    "a message that is no table": forged({"__metadata__": metadata(message="3")}),
    "a message nested without end": forged({"__metadata__": metadata(message="[" * 200_000)}),
    "a header nested without end": forged(b'{"a":' * 200_000),
    "an integer of many digits": forged(b'{"a":' + b"9" * 10_000 + b"}"),
    "an integer beyond 64 bits": forged({"__metadata__": metadata(message='{"line": 36893488147419103232}')}),
    "a lone surrogate": forged({"__metadata__": metadata(message='{"a": "\\ud800"}')}),
    "names of other arrays": forged({"__metadata__": metadata("b"), "a": entry()}, EIGHT),
    "a name twice": forged({"__metadata__": metadata("a", "a"), "a": entry(), "b": entry(offsets=(8, 16))}, EIGHT * 2),
    "names that are not strings": forged({"__metadata__": {"frame": '{"message": {}, "names": [[]]}'}, "a": entry()}, EIGHT),
    "overlapping data": forged({"__metadata__": metadata("a", "b"), "a": entry(), "b": entry()}, EIGHT),
    "a gap": forged({"__metadata__": metadata("a"), "a": entry(offsets=(8, 16))}, EIGHT * 2),
    "data beyond the end": forged({"__metadata__": metadata("a"), "a": entry(shape=(2,), offsets=(0, 16))}, EIGHT),
    "data that nobody owns": forged({"__metadata__": metadata("a"), "a": entry()}, EIGHT * 2),
    "offsets that run backwards": forged({"__metadata__": metadata("a"), "a": entry(offsets=(8, 0))}, EIGHT),
    "another length than the shape's": forged({"__metadata__": metadata("a"), "a": entry(shape=(2,))}, EIGHT),
    "a huge shape": forged({"__metadata__": metadata("a"), "a": entry(shape=(1 << 47, 1 << 47, 0), offsets=(0, 0))}),
    "a negative shape": forged({"__metadata__": metadata("a"), "a": entry(shape=(-1, -1))}, EIGHT),
    "a shape of booleans": forged({"__metadata__": metadata("a"), "a": entry(shape=(True,))}, EIGHT),
    "many dimensions": forged({"__metadata__": metadata("a"), "a": entry(shape=(1,) * 200)}, EIGHT),
    "an unknown dtype": forged({"__metadata__": metadata("a"), "a": entry(dtype="C64")}, EIGHT),
    "a dtype that is no text": forged({"__metadata__": metadata("a"), "a": entry(dtype=[])}, EIGHT),
    "an entry with more keys": forged({"__metadata__": metadata("a"), "a": {**entry(), "more": 1}}, EIGHT),
    "an entry that is no table": forged({"__metadata__": metadata("a"), "a": 1}, EIGHT),
}


@pytest.mark.parametrize("blob", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_blob_is_refused_without_costing_memory(blob):
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode_blob(blob)
        assert tracemalloc.get_traced_memory()[1] < (8 << 20) + 8 * len(blob)
    finally:
        tracemalloc.stop()


def believed(blob):
    """The message and the arrays of a blob, for a reader that believes what it says of itself."""
    (length,) = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8 : 8 + length])
    frame = json.loads(header.pop("__metadata__")["frame"])
    arrays = {}
    for name in frame["names"]:
        begin, end = header[name]["data_offsets"]
        dtype = DTYPES[header[name]["dtype"]]
        arrays[name] = np.frombuffer(blob, dtype, (end - begin) // dtype.itemsize, 8 + length + begin).reshape(header[name]["shape"])
    return frame["message"], arrays


TAKEN = (
    "a message that is no table",
    "an integer beyond 64 bits",
    "a lone surrogate",
    "a name twice",
    "overlapping data",
    "a gap",
    "data that nobody owns",
    "an entry with more keys",
)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_reader_that_believes_it_takes_what_nobody_sent_or_breaks(name):
    if name in TAKEN:
        believed(FORGERIES[name])
    else:
        with pytest.raises((TypeError, ValueError, KeyError, RecursionError)) as broken:
            believed(FORGERIES[name])
        assert not isinstance(broken.value, WireError)


def test_another_protocol_version_is_refused():
    with pytest.raises(WireError, match="version 7"):
        read_prefix(PREFIX.pack(10, 7))
