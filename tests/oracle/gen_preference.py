"""Writes the fixture preference/pairs: losses of preferences with their gradients, by every kind and setting.

    python3 tests/oracle/gen_preference.py [FOLDER]

FOLDER: default tests/fixtures/preference. Losses are written down over whole responses with torch's logsigmoid, by TRL's definitions
(DPOTrainer: sigmoid, ipo, label_smoothing, rpo_alpha; CPOTrainer: simpo), and differentiated by autograd in float64: by the log-probs of
tokens, which what the program works out in managed code is compared with, and by the weights of a small Llama, which the engine's gradients
are. The same in float32 (Transformers' eager LlamaForCausalLM) measures what rounding alone does.
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

CONFIG = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
              head_dim=8, rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None, tie_word_embeddings=False, max_position_embeddings=64)
PROMPTS = [4, 6, 5]
RESPONSES = [(9, 6), (5, 11), (8, 8)]  # of the chosen, of the rejected one
# Floor of the gradients' tolerance, as in the family llama_grad: a float32 reference may agree by luck.
GRADIENT_FLOOR = 1e-3

PLAIN = dict(loss="dpo", beta=0.1, margin=0.0, label_smoothing=0.0, sft_weight=0.0)
SETTINGS = {
    "dpo": PLAIN,
    "dpo_sharp": dict(PLAIN, beta=2.0),
    "dpo_smoothed": dict(PLAIN, beta=0.5, label_smoothing=0.2),
    "dpo_sft": dict(PLAIN, beta=0.3, sft_weight=0.7),
    "ipo": dict(PLAIN, loss="ipo", beta=0.4),
    "ipo_near": dict(PLAIN, loss="ipo", beta=5.0),  # 1 / (2 beta) is passed by a pair: its gradient points the other way
    "dpo_norm": dict(PLAIN, loss="dpo_norm", beta=5.0),
    "dpo_norm_smoothed_sft": dict(PLAIN, loss="dpo_norm", beta=3.0, label_smoothing=0.1, sft_weight=0.2),
    "simpo": dict(PLAIN, loss="simpo", beta=2.0, margin=0.5),
    "simpo_smoothed_sft": dict(PLAIN, loss="simpo", beta=2.5, margin=1.2, label_smoothing=0.15, sft_weight=0.4),
}


def make_model(seed):
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, attn_implementation="eager"))
    for _, p in sorted(model.named_parameters()):
        torch.nn.init.normal_(p, 1.0 if p.dim() == 1 else 0.0, 0.1 if p.dim() == 1 else 1.2 / p.shape[-1] ** 0.5)
    return model


def log_probs(model, ids):
    """[B, L]: entry t is the log-prob of ids[:, t] given what stands before; entry 0 is 0."""
    logp = model(input_ids=ids).logits.log_softmax(-1)
    return torch.cat([torch.zeros_like(logp[:, :1, 0]), logp[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]], 1)


def objective(setting, logp, ref, mask):
    """The loss and its parts; rows 0, 2, 4 of the [B, L] arrays are chosen, rows 1, 3, 5 rejected."""
    sums, reference, lengths = (logp * mask).sum(1), (ref * mask).sum(1), mask.sum(1)
    scores = sums if setting["loss"] == "simpo" else sums - reference
    if setting["loss"] != "dpo":
        scores = scores / lengths
    chosen, rejected, beta, smoothing = scores[0::2], scores[1::2], setting["beta"], setting["label_smoothing"]
    logits = chosen - rejected
    if setting["loss"] == "ipo":
        losses = (logits - 1 / (2 * beta)) ** 2
    else:
        if setting["loss"] == "simpo":
            logits = logits - setting["margin"] / beta
        losses = -F.logsigmoid(beta * logits) * (1 - smoothing) - F.logsigmoid(-beta * logits) * smoothing
    sft = -sums[0::2].sum() / lengths[0::2].sum()
    total = losses.mean() + setting["sft_weight"] * sft
    k = ((ref - logp) * mask).clamp(-20, 20)  # and at most 10, as every estimate of the program is clamped
    return total, dict(
        loss=total.item(), pair_loss=losses.mean().item(), sft_loss=sft.item(), reward_chosen=beta * chosen.mean().item(),
        reward_rejected=beta * rejected.mean().item(), margin=beta * (chosen - rejected).mean().item(),
        accuracy=(chosen > rejected).double().mean().item(), kl=((torch.clamp(k.exp() - k - 1, max=10) * mask).sum() / mask.sum()).item())


def gradients(model, setting, ids, ref, mask):
    model.zero_grad()
    objective(setting, log_probs(model, ids), ref.to(model.dtype), mask.to(model.dtype))[0].backward()
    return {n: p.grad.detach().clone() for n, p in model.named_parameters()}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/preference") / "pairs"
    torch.set_num_threads(1)
    model = make_model(7)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    torch.manual_seed(8)
    prompts = [p for p in PROMPTS for _ in range(2)]
    lengths = [p + r for p, pair in zip(PROMPTS, RESPONSES) for r in pair]
    ids = torch.randint(3, CONFIG["vocab_size"], (len(lengths), max(lengths)))
    mask = torch.zeros(ids.shape, dtype=torch.float64)
    for b, (prompt, length) in enumerate(zip(prompts, lengths)):
        ids[b, :prompt] = ids[b - b % 2, :prompt]  # a pair has one prompt
        ids[b, length:] = 0
        mask[b, prompt:length] = 1
    exact = LlamaForCausalLM(model.config).double()
    exact.load_state_dict(model.state_dict())
    exact.config._attn_implementation = "eager"
    other = LlamaForCausalLM(model.config).double()  # the reference: the same with noise on every weight
    other.load_state_dict({n: t.double() + 0.05 * torch.randn(t.shape, dtype=torch.float64) for n, t in start.items()})
    other.config._attn_implementation = "eager"
    with torch.no_grad():
        logp, ref = (log_probs(m, ids).float() * mask.float() for m in (exact, other))

    tokens, weights, expected, largest = dict(logp=logp, ref_logp=ref), {}, {}, 0.0
    for name, setting in SETTINGS.items():
        # By the log-probs as float32 holds them: what the program is given.
        leaf = logp.double().requires_grad_()
        value, parts = objective(setting, leaf, ref.double(), mask)
        value.backward()
        tokens[f"{name}.slope"] = leaf.grad.float()
        expected[name] = dict(parts, loss_kind=setting["loss"], target_margin=setting["margin"], **{k: setting[k] for k in ("beta", "label_smoothing", "sft_weight")})
        good, plain = gradients(exact, setting, ids, ref, mask), gradients(model, setting, ids, ref, mask)
        largest = max(largest, max((good[n] - plain[n].double()).abs().max().item() / good[n].abs().max().item() for n in good))
        weights.update({f"{name}.{n}": g.float() for n, g in good.items()})

    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "config.json").write_text(json.dumps(
        dict(CONFIG, architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", torch_dtype="float32", attention_bias=False, mlp_bias=False), indent=1) + "\n")
    save_file({n: t.contiguous() for n, t in start.items()}, folder / "model" / "model.safetensors")
    save_file(dict(input_ids=ids, lengths=torch.tensor(lengths), prompts=torch.tensor(prompts)), folder / "inputs.safetensors")
    save_file({n: t.contiguous() for n, t in tokens.items()}, folder / "expected_token.safetensors")
    save_file({n: t.contiguous() for n, t in weights.items()}, folder / "expected_grads.safetensors")
    (folder / "case.json").write_text(json.dumps(dict(
        case="pairs", family="preference", description="three pairs of responses, by every loss of `llasa dpo`", generator="tests/oracle/gen_preference.py", seed=7,
        versions=dict(torch=torch.__version__, transformers=transformers.__version__), model_dir="model", config=CONFIG,
        semantics="[B, L] arrays as in llama_grad; rows 0, 2, 4 chosen, rows 1, 3, 5 rejected; slope: d loss / d log-prob of each token; grads: d loss / d parameter",
        settings=expected, measured_fp32_vs_fp64=dict(grad_rel_to_max=largest),
        tolerance=dict(value_relative=1e-12, slope_relative_to_largest=2.0 ** -23, logp_abs=2e-4, grad_max_abs_relative_to_tensor_max=max(GRADIENT_FLOOR, 20 * largest)),
        tolerance_derivation="values: sums of some dozen doubles; slopes: two roundings to float32, of the file's and of the program's; gradients: 20 times the float32 "
                             "reference's own error, not below the floor of llama_grad, and log-probs likewise"), indent=1) + "\n")
    for name, e in expected.items():
        print(f"{name}: loss {e['loss']:.4f}, accuracy {e['accuracy']:.2f}, margin {e['margin']:+.3f}")


if __name__ == "__main__":
    main()
