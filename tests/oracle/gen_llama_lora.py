"""Writes the fixtures llama_lora/*: LoRA by plain torch (y = W x + alpha / rank B A x), its gradients and optimiser steps.

    python3 tests/oracle/gen_llama_lora.py [FOLDER]

FOLDER: default tests/fixtures/llama_lora. The base model is frozen; GRPO loss as in gen_llama_grad_algorithms.py, whose
batch, steps and tolerances this uses. `adapter/` is what PEFT writes for such a model: adapter_config.json and
adapter_model.safetensors; check_adapter.py loads it with PEFT where that is installed.
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

import gen_llama_grad_algorithms as grpo

LOSS = dict(clip_low=0.2, clip_high=0.28, agg="token-mean", old_noise=0.4, kl_coef=0.05)
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# name -> (rank, alpha, targets, tied embeddings)
CASES = {"all_targets_tied": (3, 6.0, ALL, True), "query_value_untied": (2, 3.0, ["q_proj", "v_proj"], False)}


class LoraLinear(torch.nn.Module):
    """A frozen linear layer with an adapter beside it."""

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.lora_A = torch.nn.Parameter(torch.empty(rank, base.in_features).normal_(0, base.in_features**-0.5))
        self.lora_B = torch.nn.Parameter(torch.empty(base.out_features, rank).normal_(0, 0.1 * rank**-0.5))  # small: k3 stays far below the clamp at 10

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.lora_A.T) @ self.lora_B.T


class Adapted(torch.nn.Module):
    """Model whose only parameters, for optimiser and gradients, are the adapter's, under PEFT's names."""

    def __init__(self, model, rank, alpha, targets):
        super().__init__()
        self.model = model
        for p in model.parameters():
            p.requires_grad_(False)
        self.adapters = {}
        for layer_number, layer in enumerate(model.model.layers):
            for parent_name, parent in (("self_attn", layer.self_attn), ("mlp", layer.mlp)):
                for target in targets:
                    if hasattr(parent, target):
                        wrapped = LoraLinear(getattr(parent, target), rank, alpha)
                        setattr(parent, target, wrapped)
                        self.adapters[f"base_model.model.model.layers.{layer_number}.{parent_name}.{target}"] = wrapped

    def forward(self, **arguments):
        return self.model(**arguments)

    def named_parameters(self, *_, **__):
        for name, wrapped in self.adapters.items():
            yield f"{name}.lora_A.weight", wrapped.lora_A
            yield f"{name}.lora_B.weight", wrapped.lora_B

    def parameters(self, *_):
        return iter([p for _, p in self.named_parameters()])


def make(config, rank, alpha, targets, state, adapter, dtype):
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    model.load_state_dict(state)
    adapted = Adapted(model, rank, alpha, targets)
    for name, p in adapted.named_parameters():
        p.data.copy_(adapter[name])
    return adapted.to(dtype)


def make_case(folder, name, rank, alpha, targets, tied, seed):
    torch.manual_seed(seed)
    settings = dict(grpo.CONFIG, tie_word_embeddings=tied)
    config = LlamaConfig(**settings, attn_implementation="eager")
    base = LlamaForCausalLM(config)
    for _, p in sorted(base.named_parameters()):
        torch.nn.init.normal_(p, 1.0 if p.dim() == 1 else 0.0, 0.1 if p.dim() == 1 else 1.2 / p.shape[-1] ** 0.5)
    state = {n: p.detach().clone() for n, p in base.state_dict().items()}
    stored = {n: p.detach().clone() for n, p in base.named_parameters()}
    start = {n: p.detach().clone() for n, p in Adapted(base, rank, alpha, targets).named_parameters()}
    exact = make(config, rank, alpha, targets, state, start, torch.float64)
    single = make(config, rank, alpha, targets, state, start, torch.float32)

    ids = torch.randint(3, settings["vocab_size"], (len(grpo.LENGTHS), max(grpo.LENGTHS)))
    ids[:, :grpo.PROMPTS[0]] = ids[0, :grpo.PROMPTS[0]]
    mask = torch.zeros(ids.shape, dtype=torch.float64)
    for b, (prompt, length) in enumerate(zip(grpo.PROMPTS, grpo.LENGTHS)):
        mask[b, prompt:length] = 1
        ids[b, length:] = 0
    with torch.no_grad():
        logp = grpo.log_probs(exact, ids)
        plain = LlamaForCausalLM(config).double()
        plain.load_state_dict(state)
        base_logp = grpo.log_probs(plain, ids)  # the adapter switched off
    old, _, weight = grpo.make_inputs(LOSS["old_noise"], ids, logp)
    ref = base_logp.float()
    adv = grpo.advantages(name, LOSS, old, ref, mask).float()
    arguments = (name, LOSS, ids, mask, old.double(), ref.double(), adv.double(), weight.double())
    steps, kept = grpo.run(exact, *arguments)
    steps32, kept32 = grpo.run(single, *arguments)
    measured = dict(
        loss=max(abs(a["loss"] - b["loss"]) for a, b in zip(steps, steps32)),
        logp=((kept["logp"] - kept32["logp"].double()).abs() * mask).max().item(),
        grad_rel_to_max=max((kept["grads"][n] - kept32["grads"][n].double()).abs().max().item() / kept["grads"][n].abs().max().item()
                            for n in start),
        params_step3=grpo.worst(kept["params_step3"], kept32["params_step3"]))
    floors = grpo.TOLERANCE
    tolerance = dict(loss_abs=max(floors["loss_abs"], 20 * measured["loss"]), logp_abs=max(floors["logp_abs"], 20 * measured["logp"]),
                     grad_max_abs_relative_to_tensor_max=max(floors["grad_max_abs_relative_to_tensor_max"], 20 * measured["grad_rel_to_max"]),
                     params_step3_abs=max(floors["params_step3_abs"], 20 * measured["params_step3"]))

    case = folder / name
    for part in ("model", "adapter"):
        (case / part).mkdir(parents=True, exist_ok=True)
    (case / "model" / "config.json").write_text(json.dumps(
        dict(settings, architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", torch_dtype="float32",
             attention_bias=False, mlp_bias=False), indent=1) + "\n")
    save_file({n: t.contiguous() for n, t in stored.items()}, case / "model" / "model.safetensors")
    (case / "adapter" / "adapter_config.json").write_text(json.dumps(
        dict(peft_type="LORA", task_type="CAUSAL_LM", base_model_name_or_path="../model", r=rank, lora_alpha=alpha, lora_dropout=0.0,
             target_modules=targets, bias="none", fan_in_fan_out=False, inference_mode=True), indent=1) + "\n")
    save_file({n: t.contiguous() for n, t in start.items()}, case / "adapter" / "adapter_model.safetensors")
    save_file(dict(input_ids=ids, response_mask=mask.float(), old_logp=old, ref_logp=ref, lengths=torch.tensor(grpo.LENGTHS), advantages=adv),
              case / "inputs.safetensors")
    save_file(dict(logp=kept["logp"].float(), base_logp=base_logp.float()), case / "expected_token.safetensors")
    save_file({n: t.float().contiguous() for n, t in kept["grads"].items()}, case / "expected_grads.safetensors")
    save_file({n: t.float().contiguous() for n, t in kept["params_step3"].items()}, case / "expected_params_step3.safetensors")
    (case / "case.json").write_text(json.dumps(dict(
        case=name, family="llama_lora", generator="tests/oracle/gen_llama_lora.py", seed=seed, rank=rank, alpha=alpha, targets=targets,
        versions=dict(torch=torch.__version__, transformers=transformers.__version__), config=settings,
        loss=dict(LOSS, kind="grpo", temperature=1.0), optimizer=dict(lr=grpo.LR, weight_decay=grpo.DECAY, max_grad_norm=grpo.MAX_NORM),
        expected_steps=steps, oracle="plain torch in float64", measured_fp32_vs_fp64=measured, tolerance=tolerance,
        tolerance_derivation="20 times the float32 reference's own error, not below the floors of gen_llama_grad_algorithms.py"), indent=1) + "\n")
    print(f"{name}: loss {steps[0]['loss']:.4f}, float32 gradients off by {measured['grad_rel_to_max']:.1e} of the largest")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/llama_lora")
    torch.set_num_threads(1)
    for number, (name, case) in enumerate(CASES.items()):
        make_case(folder, name, *case, 200 + number)


if __name__ == "__main__":
    main()
