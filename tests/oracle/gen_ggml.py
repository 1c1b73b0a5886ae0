"""Writes a Hugging Face Whisper directory as a ggml file for whisper.cpp.

    python3 tests/oracle/gen_ggml.py DIRECTORY OUTPUT [--standard]

Matrices and convolutions are float16, as whisper.cpp keeps them. It fixes the feed-forward width at 4 d_model, so a smaller one is
padded with zeros, which change nothing. It also fixes the ids of the special tokens from 50256 up: with --standard the rows
of a small vocabulary are moved to the places of the 51,865-token multilingual one, and what lies between is made impossible; without
it the ids stay, which serves tests that give ids. The standard library alone is needed.
"""

import json
import math
import struct
import sys
from pathlib import Path

LAYER = {
    "self_attn.q_proj": "attn.query", "self_attn.k_proj": "attn.key", "self_attn.v_proj": "attn.value", "self_attn.out_proj": "attn.out",
    "self_attn_layer_norm": "attn_ln", "encoder_attn.q_proj": "cross_attn.query", "encoder_attn.k_proj": "cross_attn.key",
    "encoder_attn.v_proj": "cross_attn.value", "encoder_attn.out_proj": "cross_attn.out", "encoder_attn_layer_norm": "cross_attn_ln",
    "fc1": "mlp.0", "fc2": "mlp.2", "final_layer_norm": "mlp_ln",
}
TOP = {
    "encoder.layer_norm.weight": "encoder.ln_post.weight", "encoder.layer_norm.bias": "encoder.ln_post.bias",
    "decoder.layer_norm.weight": "decoder.ln.weight", "decoder.layer_norm.bias": "decoder.ln.bias",
    "encoder.embed_positions.weight": "encoder.positional_embedding", "decoder.embed_positions.weight": "decoder.positional_embedding",
    "decoder.embed_tokens.weight": "decoder.token_embedding.weight",
}
IMPOSSIBLE = -40.0
STANDARD_SIZE, STANDARD_TEXT = 51865, 50257
# Special tokens in the order of the multilingual model, by name.
SPECIAL = {"<|endoftext|>": 50257, "<|startoftranscript|>": 50258, "<|en|>": 50259, "<|translate|>": 50358, "<|transcribe|>": 50359,
           "<|startoflm|>": 50360, "<|startofprev|>": 50361, "<|nospeech|>": 50362, "<|nocaptions|>": 50362, "<|notimestamps|>": 50363}


def byte_of_character():
    """GPT-2's alphabet of printable characters for bytes, reversed."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}


def mel_filters(count):
    """Slaney's filters for 16 kHz and 400 samples, as librosa and openai/whisper have them."""
    def to_hz(mel):
        return 200.0 / 3 * mel if mel < 15 else 1000.0 * math.exp(math.log(6.4) / 27 * (mel - 15))

    top = 15 + math.log(8.0) / (math.log(6.4) / 27)
    edge = [to_hz(top * i / (count + 1)) for i in range(count + 2)]
    for low, middle, high in zip(edge, edge[1:], edge[2:]):
        for k in range(201):
            yield max(0.0, min((k * 40.0 - low) / (middle - low), (high - k * 40.0) / (high - middle))) * 2 / (high - low)


def tensors(path):
    data = path.read_bytes()
    size, = struct.unpack_from("<Q", data)
    for name, entry in json.loads(data[8:8 + size]).items():
        if name not in ("__metadata__", "proj_out.weight"):
            begin, end = entry["data_offsets"]
            letter = {"F16": "e", "F32": "f"}[entry["dtype"]]
            raw = data[8 + size + begin:8 + size + end]
            yield name.removeprefix("model."), entry["shape"], struct.unpack(f"<{len(raw) // struct.calcsize(letter)}{letter}", raw)


def renamed(name):
    parts = name.split(".")
    return ".".join([parts[0], "blocks", parts[2], LAYER[".".join(parts[3:-1])], parts[-1]]) if parts[1] == "layers" else TOP.get(name, name)


def padded(name, shape, values, width):
    rows = shape[0]
    if name.endswith("mlp.0.weight"):
        return [4 * width, width], values + (0.0,) * ((4 * width - rows) * width)
    if name.endswith("mlp.0.bias"):
        return [4 * width], values + (0.0,) * (4 * width - rows)
    if name.endswith("mlp.2.weight"):
        used = shape[1]
        return [width, 4 * width], tuple(x for r in range(width) for x in values[r * used:(r + 1) * used] + (0.0,) * (4 * width - used))
    return ([rows, 1] if name in ("encoder.conv1.bias", "encoder.conv2.bias") else shape), values


def impossible(scale, shift):
    """A row whose logit is IMPOSSIBLE whatever the state, so that rows of no token take no part in the softmax.

    The state is scale * n + shift with n of mean 0 (the last LayerNorm). A row of K / scale has the logit
    K * sum(n) + K * sum(shift / scale), of which the first is 0.
    """
    constant = sum(b / g for g, b in zip(scale, shift))
    row = tuple(IMPOSSIBLE / constant / g for g in scale)
    # f16 moves each factor by 2^-11 of itself at most; the state's norm is at most sqrt(width) * largest scale + norm of shift.
    norm = math.sqrt(len(scale)) * max(map(abs, scale)) + math.sqrt(sum(b * b for b in shift))
    wrong = 2 * 2**-11 * norm * math.sqrt(sum(x * x for x in row))
    if wrong > -IMPOSSIBLE / 4:
        raise SystemExit(f"rows of no token would have a logit of {IMPOSSIBLE} only within {wrong:.1f}")
    return row


def vocabulary(folder, size, standard):
    """Bytes of the text tokens, and where each row of the embedding goes."""
    if not standard:
        return [b"<%d>" % i for i in range(size)], {i: i for i in range(size)}
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    bytes_of = byte_of_character()
    added = {t["id"]: t["content"] for t in tokenizer["added_tokens"]}
    text = {i: bytes(bytes_of[c] for c in s) for s, i in tokenizer["model"]["vocab"].items() if i not in added}
    where = {i: i for i in text}
    for i, content in added.items():
        if content in SPECIAL:
            where[i] = SPECIAL[content]
        elif content.startswith("<|") and content[2:-2].replace(".", "").isdigit():
            where[i] = 50364 + round(float(content[2:-2]) / 0.02)
        else:
            raise SystemExit(f"{folder}: no place for the token {content}")
    # Bytes that no text has: they start with one that never occurs in UTF-8.
    return [text.get(i, b"\xff\xff%d" % i) for i in range(STANDARD_TEXT)], where


def main(folder, output, standard):
    config = json.loads((folder / "config.json").read_text())
    width, mels = config["d_model"], config["num_mel_bins"]
    words, where = vocabulary(folder, config["vocab_size"], standard)
    size = STANDARD_SIZE if standard else config["vocab_size"]
    with open(output, "wb") as file:
        def ints(*values):
            file.write(struct.pack(f"<{len(values)}i", *values))

        ints(0x67676D6C, size, config["max_source_positions"], width, config["encoder_attention_heads"], config["encoder_layers"],
             config["max_target_positions"], width, config["decoder_attention_heads"], config["decoder_layers"], mels, 1)
        ints(mels, 201)
        file.write(struct.pack(f"<{mels * 201}f", *mel_filters(mels)))
        ints(len(words))
        for word in words:
            ints(len(word))
            file.write(word)
        everything = list(tensors(folder / "model.safetensors"))
        plain = {name: values for name, _, values in everything}
        for name, shape, values in everything:
            name = renamed(name)
            shape, values = padded(name, shape, values, width)
            if name == "decoder.token_embedding.weight" and standard:
                rows = [impossible(plain["decoder.layer_norm.weight"], plain["decoder.layer_norm.bias"])] * size
                for old, new in where.items():
                    rows[new] = values[old * width:(old + 1) * width]
                shape, values = [size, width], tuple(x for row in rows for x in row)
            full = len(shape) < 2 or name.endswith("bias") or "positional" in name
            ints(len(shape), len(name), 0 if full else 1, *reversed(shape))
            file.write(name.encode())
            file.write(struct.pack(f"<{len(values)}{'f' if full else 'e'}", *values))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--standard"]):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], len(sys.argv) == 4)
