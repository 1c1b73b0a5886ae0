"""Compares logits that this program computed with those of Transformers' LlamaForCausalLM, from the same checkpoint folder.

    python3 tests/oracle/check_checkpoint.py CHECKPOINT_FOLDER RESULTS [--absolute X] [--factor 20]

CHECKPOINT_FOLDER is what `from_pretrained` accepts: config.json with model.safetensors, or with shards and their index.
RESULTS is a .safetensors or a .json file with one or more sequences:

    safetensors   `NAME.input_ids` [L] or [1, L], any integer type, and at least one of
                  `NAME.logits` [L, V]: row t predicts token t + 1;
                  `NAME.logp.t1` [L - 1]: log-probability of token t + 1 given those before, temperature 1
                  (`NAME.` may be left out when there is one sequence)
    json          {"sequences": [{"name": ..., "input_ids": [...], "logits": [[...], ...], "logp": [...]}, ...]}

Where the limit comes from: the reference runs twice, in float64 and in float32. A correct float32 program differs from the
float64 run by about as much as the float32 reference does; other summation orders make that a few times more. So the limit is
`factor` times the reference's own error, and never below 1e-5 of the largest value. `--absolute` sets it by hand, for programs
that compute in TF32 or bfloat16.

Exit code 0: all within the limit; 1: not; 2: nothing to compare.
"""

import argparse
import json
import sys

import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

SMALLEST_SHARE = 1e-5  # of the largest value: below that, a float32 reference may be exact by luck


def read_results(path):
    """name -> {"input_ids": [L] int64, "logits": [L, V] float64 or absent, "logp": [L - 1] float64 or absent}."""
    sequences = {}
    if path.endswith(".json"):
        with open(path, encoding="utf-8") as file:
            for number, entry in enumerate(json.load(file)["sequences"]):
                sequences[entry.get("name", f"seq{number}")] = {
                    key: torch.tensor(entry[key], dtype=torch.int64 if key == "input_ids" else torch.float64)
                    for key in ("input_ids", "logits", "logp") if key in entry}
        return sequences
    for key, tensor in load_file(path).items():
        name, _, field = key.rpartition(".") if not key.endswith(".logp.t1") else (key[:-len(".logp.t1")], "", "logp")
        if key == "logp.t1":
            name, field = "", "logp"
        if field in ("input_ids", "logits", "logp"):
            tensor = tensor.reshape(-1).long() if field == "input_ids" else tensor.double()
            sequences.setdefault(name or "sequence", {})[field] = tensor
    return {name: fields for name, fields in sequences.items() if "input_ids" in fields}


@torch.no_grad()
def reference(model, ids):
    """logits [L, V] and log-probabilities [L - 1] of the tokens that follow, in float64."""
    logits = model(input_ids=ids[None]).logits[0].double()
    return {"logits": logits, "logp": logits[:-1].log_softmax(-1).gather(1, ids[1:, None])[:, 0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("results")
    parser.add_argument("--absolute", type=float, help="limit of the absolute difference, instead of a derived one")
    parser.add_argument("--factor", type=float, default=20.0, help="times the reference's own float32 error")
    options = parser.parse_args()
    torch.set_num_threads(1)

    sequences = read_results(options.results)
    single = LlamaForCausalLM.from_pretrained(options.checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    double = LlamaForCausalLM.from_pretrained(options.checkpoint, dtype=torch.float64, attn_implementation="eager").eval()
    compared = failures = 0
    for name, fields in sorted(sequences.items()):
        exact, rounded = reference(double, fields["input_ids"]), reference(single, fields["input_ids"])
        for field in ("logits", "logp"):
            if field not in fields:
                continue
            own = (rounded[field] - exact[field]).abs().max().item()
            limit = options.absolute
            if limit is None:
                limit = max(options.factor * own, SMALLEST_SHARE * exact[field].abs().max().item())
            got = fields[field]
            same_shape = got.shape == exact[field].shape
            worst = (got - exact[field]).abs().max().item() if same_shape else float("inf")
            good = worst <= limit  # also false for NaN
            compared, failures = compared + 1, failures + (not good)
            shape = "" if same_shape else f" shape {tuple(got.shape)}, expected {tuple(exact[field].shape)}"
            print(f"{'ok  ' if good else 'FAIL'} {name} {field}: worst {worst:.3e}, limit {limit:.3e}, "
                  f"reference's own float32 error {own:.3e}{shape}")
    if compared == 0:
        print("nothing to compare: no sequence with input_ids and logits or logp", file=sys.stderr)
        return 2
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
