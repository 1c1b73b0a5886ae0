"""The tiny Llasa: a `LlamaForCausalLM` that continues a text prompt with speech codes. Tokenizer, prompt, sampler."""

import copy
import os

import numpy as np
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from recogniser import byte_tokenizer, encode_text

CODES = 1024
SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"] + [
    f"<|{kind}_{edge}|>"
    for kind in ("TEXT_GENERATION", "TEXT_UNDERSTANDING", "SPEECH_GENERATION", "SPEECH_UNDERSTANDING")
    for edge in ("START", "END")]
SPECIAL_ID = {name: 256 + i for i, name in enumerate(SPECIALS)}
FIRST_CODE = 256 + len(SPECIALS)
END = SPECIAL_ID["<|SPEECH_GENERATION_END|>"]
PAD = SPECIAL_ID["<|end_of_text|>"]


def _header(role):
    return [SPECIAL_ID["<|start_header_id|>"], *encode_text(role), SPECIAL_ID["<|end_header_id|>"], *encode_text("\n\n")]


def prompt(text):
    """Llasa's chat prompt up to the first speech code, without system message or date."""
    return [SPECIAL_ID["<|begin_of_text|>"], *_header("user"), *encode_text("Convert the text to speech:"),
            SPECIAL_ID["<|TEXT_UNDERSTANDING_START|>"], *encode_text(text), SPECIAL_ID["<|TEXT_UNDERSTANDING_END|>"],
            SPECIAL_ID["<|eot_id|>"], *_header("assistant"), SPECIAL_ID["<|SPEECH_GENERATION_START|>"]]


def response(codes):
    return [FIRST_CODE + int(c) for c in codes] + [END]


def codes_of(tokens):
    return [t - FIRST_CODE for t in tokens if t >= FIRST_CODE]


# ------------------------------------------------------------------------------------ model


def new(config, seed):
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**config, vocab_size=FIRST_CODE + CODES, bos_token_id=SPECIAL_ID["<|begin_of_text|>"],
                                        eos_token_id=END, pad_token_id=PAD))


def load(folder):
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def save(model, folder):
    """float16 weights, config, tokenizer."""
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    tokenizer = byte_tokenizer(SPECIALS, [f"<|s_{i}|>" for i in range(CODES)])
    text = ("<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nConvert the text to speech:"
            "<|TEXT_UNDERSTANDING_START|>a big dog<|TEXT_UNDERSTANDING_END|><|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n<|SPEECH_GENERATION_START|>")
    if (tokenizer.encode(text).ids != prompt("a big dog")
            or tokenizer.encode("<|s_5|><|s_1023|>").ids != [FIRST_CODE + 5, FIRST_CODE + 1023]):
        raise AssertionError("tokenizer.json does not give the ids that the model is trained on")
    tokenizer.save(os.path.join(folder, "tokenizer.json"))


def response_states(model, prompts, responses, layer):
    """Hidden states that predict the response tokens: (last [B, R, C], after `layer` layers [B, R, C], targets [B, R],
    mask [B, R]). Rows are padded on the right, so the causal mask alone keeps padding out."""
    batch, longest = len(prompts), max(map(len, responses))
    ids = torch.full((batch, max(len(p) + len(r) for p, r in zip(prompts, responses))), PAD)
    positions = torch.zeros(batch, longest, dtype=torch.long)
    targets = torch.zeros(batch, longest, dtype=torch.long)
    mask = torch.zeros(batch, longest)
    for i, (p, r) in enumerate(zip(prompts, responses)):
        ids[i, :len(p) + len(r)] = torch.tensor(p + r)
        positions[i, :len(r)] = torch.arange(len(p) - 1, len(p) + len(r) - 1)
        targets[i, :len(r)] = torch.tensor(r)
        mask[i, :len(r)] = 1
    out = model.model(input_ids=ids, use_cache=False, output_hidden_states=True)

    def pick(hidden):
        return hidden.gather(1, positions[..., None].expand(-1, -1, hidden.shape[-1]))

    return pick(out.last_hidden_state), pick(out.hidden_states[layer]), targets, mask


# ------------------------------------------------------------------------------------ sampling


def choose(logits, temperature, top_p, uniforms):
    """Next tokens [B]; `uniforms` [B] decide. Temperature 0 is greedy."""
    if temperature == 0:
        return logits.argmax(-1)
    probabilities, ids = (logits.double() / temperature).softmax(-1).sort(-1, descending=True)
    before = probabilities.cumsum(-1) - probabilities
    probabilities = probabilities * (before < top_p)
    cumulative = probabilities.cumsum(-1)
    place = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True)
    last_kept = (probabilities > 0).sum(-1, keepdim=True) - 1  # rounding may not carry a draw past it
    return ids.gather(1, torch.minimum(place, last_kept))[:, 0]


@torch.no_grad()
def sample(model, texts, numbers, seed, temperature, top_p, longest):
    """Response tokens for each text, END included where it came. The draws of a text depend on `seed` and its number alone,
    so that a sample does not depend on what else is in the batch."""
    prompts = [prompt(t) for t in texts]
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), PAD)
    attention = torch.zeros(len(prompts), width, dtype=torch.long)
    for i, p in enumerate(prompts):
        ids[i, width - len(p):] = torch.tensor(p)
        attention[i, width - len(p):] = 1
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    uniforms = torch.tensor(np.stack([np.random.default_rng([seed, n]).random(longest) for n in numbers]))
    finished, cache, steps = torch.zeros(len(prompts), dtype=torch.bool), DynamicCache(), []
    for step in range(longest):
        hidden = model.model(input_ids=ids, attention_mask=attention, position_ids=positions, past_key_values=cache,
                             use_cache=True).last_hidden_state[:, -1]
        token = choose(model.lm_head(hidden), temperature, top_p, uniforms[:, step]).masked_fill(finished, PAD)
        steps.append(token)
        finished |= token == END
        if finished.all():
            break
        ids, positions = token[:, None], positions[:, -1:] + 1
        attention = torch.cat([attention, torch.ones(len(prompts), 1, dtype=torch.long)], 1)
    rows = torch.stack(steps, 1).tolist()
    return [r[:r.index(END) + 1] if END in r else r for r in rows]
