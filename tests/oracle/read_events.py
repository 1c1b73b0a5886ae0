"""Reads TensorBoard event files with nothing but the standard library, and says what they hold.

Usage: read_events.py FILE...        one JSON object per line: step, tag, kind (scalar, text, audio) and value

An implementation of its own of TFRecord framing (masked CRC-32C, looked up in a table that is made from the polynomial) and
of the protobuf wire format, after tensorflow/core/util/event.proto, framework/summary.proto and tensor.proto. A wrong
checksum, a cut file or a field of the wrong type ends it with exit code 1.
"""

import json
import struct
import sys
import wave
import io

TABLE = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    TABLE.append(crc)


def masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(data: bytes):
    at = 0
    while at < len(data):
        if len(data) - at < 12:
            sys.exit(f"byte {at}: cut off in a header")
        length, crc = struct.unpack_from("<QI", data, at)
        if masked_crc(data[at:at + 8]) != crc:
            sys.exit(f"byte {at}: wrong checksum of the length")
        body = data[at + 12:at + 12 + length]
        if len(body) < length or len(data) < at + 16 + length:
            sys.exit(f"byte {at}: cut off in a record")
        if masked_crc(body) != struct.unpack_from("<I", data, at + 12 + length)[0]:
            sys.exit(f"byte {at}: wrong checksum of the data")
        yield body
        at += 16 + length


def varint(data: bytes, at: int):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def fields(data: bytes) -> dict:
    result: dict = {}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = struct.unpack("<d" if kind == 1 else "<f", data[at:at + size])[0], at + size
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            if len(value) < size:
                sys.exit("cut off in a field")
        else:
            sys.exit(f"wire type {kind}")
        result.setdefault(key >> 3, []).append(value)
    return result


def describe(value: dict):
    if 2 in value:
        return "scalar", value[2][0]
    if 6 in value:
        audio = fields(value[6][0])
        rate, channels, frames, encoded = audio[1][0], audio[2][0], audio[3][0], audio[4][0]
        with wave.open(io.BytesIO(encoded)) as sound:
            if (sound.getframerate(), sound.getnchannels(), sound.getnframes()) != (rate, channels, frames):
                sys.exit("the WAV is not what the summary says")
        return "audio", {"rate": rate, "frames": frames, "type": audio[5][0].decode()}
    tensor = fields(value[8][0])
    if tensor[1][0] != 7 or fields(fields(value[9][0])[1][0])[1][0] != b"text":
        sys.exit("a tensor that is no text")
    return "text", tensor[8][0].decode()


def main() -> None:
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            events = [fields(record) for record in records(file.read())]
        if events[0][3][0] != b"brain.Event:2":
            sys.exit(f"{path}: does not begin with the version")
        for event in events:
            for summary in event.get(5, []):
                for value in map(fields, fields(summary).get(1, [])):
                    kind, content = describe(value)
                    print(json.dumps({"step": event.get(2, [0])[0], "tag": value[1][0].decode(), "kind": kind, "value": content}))


main()
