"""Writes the fixture `token_matrix/tiny`: utterances as LLaSA_training's offline data lie on disk, for the tiny world's tokenizer.

The layout is that of `data_instruction/get_memmap_from_token.py` of github.com/zhenye234/LLaSA_training (commit 263e14b), written here
anew: NumPy's memmap of int32 [rows, columns] and the shape saved by `np.save`. `case.json` has the same utterances as texts and codes.

    python gen_token_matrix.py ../fixtures/token_matrix/tiny        (pip install numpy tokenizers)
"""

import json
import pathlib
import sys

import numpy as np
import tokenizers
from tokenizers import Tokenizer

COLUMNS, SEED = 96, 11
TEXTS = {
    "train": ["a quiet river", "the big dog sees a red house", "a green stone", "seven birds sing", "the old man walks home"],
    "val": ["a small boat", "the river is wide"],
}


def main():
    out = pathlib.Path(sys.argv[1])
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True)
    utterances = {}
    tokenizer = Tokenizer.from_file(str(pathlib.Path(__file__).parents[2] / "assets/tiny/policy/tokenizer.json"))
    of = lambda name: tokenizer.token_to_id(f"<|{name}|>")
    rng = np.random.default_rng(SEED)
    for split, texts in TEXTS.items():
        rows = np.full((len(texts), COLUMNS), of("eot_id"), np.int64)
        utterances[split] = []
        for row, text in zip(rows, texts):
            codes = rng.integers(0, 1024, rng.integers(12, 40))
            said = tokenizer.encode(f"<|TEXT_UNDERSTANDING_START|>{text}<|TEXT_UNDERSTANDING_END|>", add_special_tokens=False).ids
            ids = [*said, of("SPEECH_GENERATION_START"), *(of("s_0") + codes), of("SPEECH_GENERATION_END")]
            row[:len(ids)] = ids
            utterances[split].append({"text": text, "codes": codes.tolist()})
        made = np.memmap(data / f"{split}_input_ids.memmap", np.int32, "w+", shape=rows.shape)
        made[:] = rows
        made.flush()
        np.save(data / f"{split}_input_ids_shape.npy", rows.shape)
    (out / "case.json").write_text(json.dumps({
        "what": "utterances in LLaSA_training's layout, and what they say", "generator": "tests/oracle/gen_token_matrix.py",
        "versions": {"numpy": np.__version__, "tokenizers": tokenizers.__version__}, "seed": SEED, "tolerance": "none: integers", "utterances": utterances}) + "\n")


if __name__ == "__main__":
    main()
