"""Writes the fixtures llama_grad/{dapo,dr_grpo,gspo,rloo,reinforce_plus_plus,importance}_*: losses, gradients and
optimiser steps of the algorithms beyond GRPO, in the layout of the older llama_grad cases.

    python3 tests/oracle/gen_llama_grad_algorithms.py [FOLDER]

FOLDER: default tests/fixtures/llama_grad. Each case is an objective written down as its paper has it, over whole
sequences where the paper speaks of sequences, and differentiated by autograd in float64: no line is shared with the
program's per-token form. The same run in float32 (Transformers' eager LlamaForCausalLM, torch AdamW) measures what
rounding alone does; tolerances are 20 times that, never below the floors in TOLERANCE.
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

LENGTHS, PROMPTS = [21, 17, 24, 13], [6, 6, 6, 6]
REWARDS = torch.tensor([0.9, 0.2, 0.55, 0.1], dtype=torch.float64)
CONFIG = dict(vocab_size=80, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None,
              tie_word_embeddings=True, max_position_embeddings=128)
STEPS, LR, DECAY, MAX_NORM = 3, 1e-3, 0.01, 1.0
# Floors: a float32 reference may agree by luck. Of a loss near 1; of logits near 5; of a tensor's largest gradient.
TOLERANCE = dict(loss_abs=1e-5, logp_abs=2e-4, grad_max_abs_relative_to_tensor_max=1e-3,
                 params_step1_abs=2e-5, params_step3_abs=5e-5, params_step3_update_l2_relative=1e-2)

GROUP_MEAN, GROUP_STD = REWARDS.mean(), REWARDS.std()
# name -> (description, what the manifest says of the loss)
CASES = {
    "dapo_clip_higher": ("DAPO, arXiv 2503.14476: clip 0.2/0.28, token mean, no KL",
                         dict(clip_low=0.2, clip_high=0.28, agg="token-mean", old_noise=0.4)),
    "dr_grpo_constant": ("Dr.GRPO, arXiv 2503.20783: r - mean, sum over tokens / (sequences * 32)",
                         dict(clip_low=0.2, clip_high=0.2, agg="constant", constant=32.0, old_noise=0.4)),
    "gspo_sequence_ratio": ("GSPO, arXiv 2507.18071: one ratio per sequence, clip 0.03/0.04",
                            dict(clip_low=0.03, clip_high=0.04, agg="seq-mean-token-mean", ratio="sequence", old_noise=0.4)),
    "rloo_leave_one_out": ("RLOO, arXiv 2402.14740: r - mean of the others, KL in the reward by k1, PPO clip 0.2",
                           dict(clip_low=0.2, clip_high=0.2, agg="token-mean", old_noise=0.3, reward_kl=0.05)),
    "reinforce_plus_plus": ("REINFORCE++, arXiv 2501.03262: per-token returns of reward minus KL to the end, whitened over "
                            "the batch's tokens",
                            dict(clip_low=0.2, clip_high=0.2, agg="token-mean", old_noise=0.3, reward_kl=0.05)),
    "importance_kl_k2": ("truncated importance weights per token (cap 2) on the policy term, k2 in the loss",
                         dict(clip_low=0.2, clip_high=0.2, agg="token-mean", old_noise=0.4, kl_coef=0.1, kl_estimator="k2")),
    "kl_k1": ("k1 in the loss",
              dict(clip_low=0.2, clip_high=0.2, agg="token-mean", old_noise=0.4, kl_coef=0.1, kl_estimator="k1")),
}


def make_model():
    config = LlamaConfig(**CONFIG, attn_implementation="eager")
    model = LlamaForCausalLM(config)
    for name, p in sorted(model.named_parameters()):
        torch.nn.init.normal_(p, 1.0 if p.dim() == 1 else 0.0, 0.1 if p.dim() == 1 else 1.2 / p.shape[-1] ** 0.5)
    return model


def make_inputs(noise, ids, logp):
    """old and reference log-probs near the current ones; importance weights around 1, some above the cap."""
    old = (logp + noise * torch.randn(logp.shape, dtype=torch.float64)).float()
    ref = (logp + 0.3 * torch.randn(logp.shape, dtype=torch.float64)).float()
    weight = torch.clamp(torch.exp(0.5 * torch.randn(logp.shape, dtype=torch.float64)), max=2.0).float()
    return old, ref, weight


def log_probs(model, ids):
    """[B, L]: entry t is the log-prob of ids[:, t] given what stands before; entry 0 is 0."""
    logp = model(input_ids=ids).logits.log_softmax(-1)
    return torch.cat([torch.zeros_like(logp[:, :1, 0]), logp[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]], 1)


def entropies(model, ids):
    logp = model(input_ids=ids).logits.log_softmax(-1)
    h = -(logp.exp() * logp).sum(-1)
    return torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1)


def advantages(name, loss, old, ref, mask):
    """[B] or [B, L], from the rewards, as the algorithm's paper defines them; constants for the gradient."""
    k1 = (old.double() - ref.double()) * mask
    rewards = REWARDS - loss.get("reward_kl", 0.0) * k1.sum(1)
    if name.startswith("dr_grpo"):
        return REWARDS - GROUP_MEAN
    if name.startswith("rloo"):
        return torch.stack([rewards[b] - torch.cat([rewards[:b], rewards[b + 1:]]).mean() for b in range(len(rewards))])
    if name.startswith("reinforce"):
        per_token = -loss["reward_kl"] * k1
        for b, length in enumerate(LENGTHS):
            per_token[b, length - 1] += REWARDS[b]
        returns = per_token.flip(1).cumsum(1).flip(1)
        inside = returns[mask > 0]
        return (returns - inside.mean()) / torch.sqrt(inside.var(unbiased=True) + 1e-8) * mask
    return (REWARDS - GROUP_MEAN) / (GROUP_STD + 1e-6)


def objective(name, loss, logp, old, ref, mask, adv, weight):
    """The loss and its parts."""
    adv_tokens = adv if adv.dim() == 2 else adv[:, None].expand_as(logp)
    low, high = 1 - loss["clip_low"], 1 + loss["clip_high"]
    lengths = mask.sum(1)
    if loss.get("ratio") == "sequence":
        ratio = torch.exp(((logp - old) * mask).sum(1) / lengths)  # [B]: the geometric mean of the tokens' ratios
        plain, clipped = -adv * ratio, -adv * ratio.clamp(low, high)
        policy = torch.maximum(plain, clipped).mean()
        ratio, plain, clipped = (x[:, None].expand_as(logp) for x in (ratio, plain, clipped))
    else:
        ratio = torch.exp(logp - old)
        plain, clipped = -adv_tokens * ratio, -adv_tokens * ratio.clamp(low, high)
        tokens = torch.maximum(plain, clipped) * mask * (weight if name.startswith("importance") else 1.0)
        if loss["agg"] == "constant":
            policy = tokens.sum() / (len(LENGTHS) * loss["constant"])
        else:
            policy = tokens.sum() / mask.sum()
    difference = logp - ref
    kl = {"k1": difference, "k2": difference**2 / 2}.get(loss.get("kl_estimator"), torch.exp(-difference) + difference - 1)
    kl = (kl * mask).sum() / mask.sum()
    taken = (clipped > plain) & (mask > 0)
    share = lambda which: which.double().sum().item() / mask.sum().item()
    return policy + loss.get("kl_coef", 0.0) * kl, dict(
        pg_loss=policy.item(), kl_mean=kl.item(), clip_fraction=share(taken),
        clipped_low_fraction=share(taken & (ratio < 1)), clipped_high_fraction=share(taken & (ratio > 1)),
        ratio_mean=((ratio * mask).sum() / mask.sum()).item(),
        approx_kl_old_new=(((old - logp) * mask).sum() / mask.sum()).item())


def run(model, name, loss, ids, mask, old, ref, adv, weight):
    """Three steps; returns the manifest's numbers, gradients of step 1, parameters after 1 and 3, log-probs of step 1."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    dtype = next(model.parameters()).dtype
    cast = [x.to(dtype) for x in (mask, old, ref, adv, weight)]
    steps, kept = [], {}
    for step in range(1, STEPS + 1):
        optimiser.zero_grad()
        logp = log_probs(model, ids)
        value, parts = objective(name, loss, logp, cast[1], cast[2], cast[0], cast[3], cast[4])
        value.backward()
        parameters = {n: p for n, p in model.named_parameters()}
        if step == 1:
            kept["logp"] = logp.detach().clone()
            kept["grads"] = {n: p.grad.detach().clone() for n, p in parameters.items()}
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p.grad) for p in parameters.values()]))
        for p in parameters.values():
            p.grad.mul_(min(1.0, MAX_NORM / (norm.item() + 1e-6)))
        optimiser.step()
        steps.append(dict(parts, loss=value.item(), tokens=mask.sum().item(), grad_norm=norm.item()))
        if step != 2:
            kept[f"params_step{step}"] = {n: p.detach().clone() for n, p in parameters.items()}
    return steps, kept


def worst(a, b):
    return max((a[n].double() - b[n].double()).abs().max().item() for n in a)


def make_case(folder, name, description, loss, seed):
    torch.manual_seed(seed)
    model = make_model()
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    ids = torch.randint(3, CONFIG["vocab_size"], (len(LENGTHS), max(LENGTHS)))
    ids[:, :PROMPTS[0]] = ids[0, :PROMPTS[0]]  # one group: the prompt is shared
    mask = torch.zeros(ids.shape, dtype=torch.float64)
    for b, (prompt, length) in enumerate(zip(PROMPTS, LENGTHS)):
        mask[b, prompt:length] = 1
        ids[b, length:] = 0
    mask[2, 15] = 0  # a hole, so that counts are of unmasked tokens
    exact = LlamaForCausalLM(model.config).double()
    exact.load_state_dict(model.state_dict())
    exact.config._attn_implementation = "eager"
    with torch.no_grad():
        logp, entropy = log_probs(exact, ids), entropies(exact, ids)
    old, ref, weight = make_inputs(loss["old_noise"], ids, logp)
    adv = advantages(name, loss, old, ref, mask).float()  # what the program is given; its own are tested elsewhere
    arguments = (name, loss, ids, mask, old.double(), ref.double(), adv.double(), weight.double())
    steps, kept = run(exact, *arguments)
    steps32, kept32 = run(model, *arguments)

    update = {n: kept["params_step3"][n] - start[n].double() for n in start}
    measured = dict(
        loss=max(abs(a["loss"] - b["loss"]) for a, b in zip(steps, steps32)),
        logp=((kept["logp"] - kept32["logp"].double()).abs() * mask).max().item(),
        grad_rel_to_max=max((kept["grads"][n] - kept32["grads"][n].double()).abs().max().item() / kept["grads"][n].abs().max().item()
                            for n in start),
        params_step1=worst(kept["params_step1"], kept32["params_step1"]),
        params_step3=worst(kept["params_step3"], kept32["params_step3"]),
        params_step3_l2rel_update=max(((kept["params_step3"][n] - kept32["params_step3"][n].double()).norm() / update[n].norm()).item()
                                      for n in start))
    keys = dict(loss_abs="loss", logp_abs="logp", grad_max_abs_relative_to_tensor_max="grad_rel_to_max", params_step1_abs="params_step1",
                params_step3_abs="params_step3", params_step3_update_l2_relative="params_step3_l2rel_update")
    tolerance = {key: max(TOLERANCE[key], 20 * measured[source]) for key, source in keys.items()}

    case = folder / name
    (case / "model").mkdir(parents=True, exist_ok=True)
    (case / "model" / "config.json").write_text(json.dumps(
        dict(CONFIG, architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", torch_dtype="float32",
             attention_bias=False, mlp_bias=False), indent=1) + "\n")
    save_file({n: t.float().contiguous() for n, t in start.items()}, case / "model" / "model.safetensors")
    inputs = dict(input_ids=ids, response_mask=mask.float(), old_logp=old, ref_logp=ref, lengths=torch.tensor(LENGTHS))
    inputs["token_advantages" if adv.dim() == 2 else "advantages"] = adv
    if name.startswith("importance"):
        inputs["importance"] = weight
    save_file({k: v.contiguous() for k, v in inputs.items()}, case / "inputs.safetensors")
    save_file(dict(logp=kept["logp"].float(), entropy=entropy.float()), case / "expected_token.safetensors")
    for what, file in (("grads", "expected_grads"), ("params_step1", "expected_params_step1"), ("params_step3", "expected_params_step3")):
        save_file({n: t.float().contiguous() for n, t in kept[what].items()}, case / f"{file}.safetensors")
    (case / "case.json").write_text(json.dumps(dict(
        case=name, family="llama_grad", description=description, generator="tests/oracle/gen_llama_grad_algorithms.py", seed=seed,
        versions=dict(torch=torch.__version__, transformers=transformers.__version__), model_dir="model", config=CONFIG,
        loss=dict(loss, kind="grpo", temperature=1.0, rewards=REWARDS.tolist()),
        optimizer=dict(kind="AdamW (decoupled decay on every parameter, bias corrected)", lr=LR, beta1=0.9, beta2=0.999, eps=1e-8,
                       weight_decay=DECAY, max_grad_norm=MAX_NORM),
        semantics="as the older cases of this family; `token_advantages` [B,L] in place of `advantages`, `importance` [B,L] multiplies the policy term",
        expected_steps=steps, oracle="the objective over whole sequences in float64, by autograd", measured_fp32_vs_fp64=measured,
        tolerance=tolerance, tolerance_derivation="20 times the float32 reference's own error, not below the generator's floors"), indent=1) + "\n")
    print(f"{name}: loss {steps[0]['loss']:.4f}, clipped {steps[0]['clip_fraction']:.3f}, float32 gradients off by {measured['grad_rel_to_max']:.1e} of the largest")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/llama_grad")
    torch.set_num_threads(1)
    for number, (name, (description, loss)) in enumerate(CASES.items()):
        make_case(folder, name, description, loss, 100 + number)


if __name__ == "__main__":
    main()
