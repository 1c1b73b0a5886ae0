"""Loads an adapter that this program wrote with PEFT, and compares its logits with those of the merged export.

    python3 tests/oracle/check_adapter.py BASE ADAPTER MERGED

BASE is the model that was adapted, ADAPTER the folder with adapter_config.json, MERGED the export with the adapter merged in
(float32: `run.export_type=f32`). Both run in float64, so that only the merging and its rounding to float32 are between them:
the limit is 1e-5 of the largest logit. Exit code 0: same; 1: not; 77: PEFT is not installed.
"""

import sys

import torch
from transformers import LlamaForCausalLM

SHARE = 1e-5


@torch.no_grad()
def main():
    base, adapter, merged = sys.argv[1:4]
    try:
        from peft import PeftModel
    except ImportError:
        print("skipped: PEFT is not installed (pip install peft)")
        return 77
    torch.manual_seed(1)
    model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base, dtype=torch.float64), adapter).double()
    expected = LlamaForCausalLM.from_pretrained(merged, dtype=torch.float64)
    ids = torch.randint(0, expected.config.vocab_size, (1, 50))
    got, want = model(input_ids=ids).logits, expected(input_ids=ids).logits
    worst, limit = (got - want).abs().max().item(), SHARE * want.abs().max().item()
    print(f"{'ok' if worst <= limit else 'FAILED'}: worst {worst:.2e}, limit {limit:.2e}")
    return 0 if worst <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
