"""The work of the table in docs/performance.md by other programs that are driven from Python.

    python3 tests/peers/peers.py THREADS WORK ARGUMENTS...

Works: train, grpo, vocode, recognise, sample (PyTorch, Transformers), whispercpp (whisper.cpp's library), tokenize (tokenizers).
Writes one line of JSON: units of work per second, of the median repetition after one to warm up, and the most memory.
`./build.sh bench --peers` runs it.
"""
import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
THREADS = int(sys.argv[1])
PROMPT = [50258, 50259, 50359, 50363]  # start, English, transcribe, no timestamps
END_OF_TEXT = 50257


def report(units, repetitions, work):
    seconds = []
    for i in range(repetitions + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    with open("/proc/self/status") as status:
        memory = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    timed = seconds[1:]
    print(json.dumps({"rate": units / sorted(timed)[len(timed) // 2], "seconds": timed, "memory_mib": memory}))


def torch_on_threads():
    import torch
    torch.set_num_threads(THREADS)
    return torch


def products_in(torch, precision):
    """bf16 as PyTorch does it with weights in f32: products in bf16, the rest as it is."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def train(directory, sequences, length, repetitions, precision="f32"):
    torch = torch_on_threads()
    from transformers import LlamaForCausalLM
    model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="sdpa").train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)
    ids = torch.randint(0, model.config.vocab_size, (sequences, length), generator=torch.Generator().manual_seed(3))

    def step():
        with products_in(torch, precision):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    report(sequences * length, repetitions, step)


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
    return row[-1]


def grpo(tiny, repetitions, precision="f32", prompts=8, samples=16, temperature=0.8):
    torch = torch_on_threads()
    import math
    import random
    import torch.nn.functional as F
    sys.path.insert(0, os.path.join(tiny, "recipe"))
    import policy
    import recogniser
    from xcodec2 import Xcodec2Model
    torch.manual_seed(1)
    random.seed(1)
    model, ears = policy.load(os.path.join(tiny, "policy")), recogniser.load(os.path.join(tiny, "whisper"))
    codec = Xcodec2Model.from_pretrained(os.path.join(tiny, "xcodec2"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
    with open(os.path.join(tiny, "sentences", "train.txt")) as file:
        texts = [line.strip() for line in file if line.strip()]
    allowed = sorted({*range(policy.FIRST_CODE, policy.FIRST_CODE + policy.CODES), policy.END})
    others = [i for i in range(model.config.vocab_size) if i not in set(allowed)]
    allowed = torch.tensor(allowed)
    place = torch.zeros(model.config.vocab_size, dtype=torch.long)
    place[allowed] = torch.arange(len(allowed))

    def rollout(chosen):
        encoded = [policy.prompt(text) for text in chosen]
        width = max(map(len, encoded))
        ids, mask = torch.full((prompts, width), policy.PAD), torch.zeros(prompts, width, dtype=torch.long)
        for i, prompt in enumerate(encoded):
            ids[i, width - len(prompt):], mask[i, width - len(prompt):] = torch.tensor(prompt), 1
        with torch.inference_mode():
            drawn = model.generate(
                ids, attention_mask=mask, do_sample=True, temperature=temperature, top_k=0, top_p=1.0, num_return_sequences=samples, max_new_tokens=140,
                eos_token_id=policy.END, pad_token_id=policy.PAD, suppress_tokens=others)[:, width:].tolist()
        return [p for p in encoded for _ in range(samples)], [r[:r.index(policy.END) + 1] if policy.END in r else r for r in drawn]

    def sounds(rows):
        codes, waves, by_length = [policy.codes_of(row) for row in rows], [None] * len(rows), {}
        for i, code in enumerate(codes):
            by_length.setdefault(len(code), []).append(i)
        for length, indices in by_length.items():
            made = codec.decode(torch.tensor([codes[i] for i in indices])) if length else torch.zeros(len(indices), 0)
            for i, wave in zip(indices, made):
                waves[i] = wave.float().numpy()
        return waves

    def learn(encoded, rows, advantages):
        total = sum(map(len, rows))
        for first in range(0, len(rows), 32):
            part = [p + r for p, r in zip(encoded[first:first + 32], rows[first:first + 32])]
            width = max(map(len, part))
            ids, mask = torch.full((len(part), width), policy.PAD), torch.zeros(len(part), width)
            for i, sequence in enumerate(part):
                ids[i, :len(sequence)] = torch.tensor(sequence)
                mask[i, len(sequence) - len(rows[first + i]):len(sequence)] = 1
            states = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            chosen = mask[:, 1:].bool()
            logits = (states[chosen] @ model.lm_head.weight[allowed].T) / temperature
            logprob = F.log_softmax(logits, -1).gather(1, place[ids[:, 1:][chosen]][:, None])[:, 0]
            advantage = advantages[first:first + 32][:, None].expand(-1, width - 1)[chosen]
            ratio = (logprob - logprob.detach()).exp()
            (-torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).sum() / total).backward()

    def step():
        chosen = random.sample(texts, prompts)
        encoded, rows = rollout(chosen)
        spoken = [text for text in chosen for _ in range(samples)]
        heard, nll = recogniser.score(ears, sounds(rows), spoken, batch=128)
        rewards = torch.tensor([
            0.6 * (1 - math.tanh(3 * edit_distance(h, t) / max(1, len(t)))) + 0.4 * math.exp(-n / 3) for h, t, n in zip(heard, spoken, nll)]).view(prompts, samples)
        learn(encoded, rows, ((rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-6)).flatten())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()

    def step_in_precision():
        with products_in(torch, precision):
            step()

    report(1, repetitions, step_in_precision)


def vocode(directory, tiny, codes, repetitions):
    torch = torch_on_threads()
    sys.path.insert(0, os.path.join(tiny, "recipe"))
    from safetensors.torch import load_file
    from xcodec2 import Decoder, Quantizer
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    weights = load_file(os.path.join(directory, "model.safetensors"))
    quantizer, decoder = Quantizer(config), Decoder(config).eval()
    for module, prefix in ((quantizer, "quantizer."), (decoder, "decoder.")):
        module.load_state_dict({k[len(prefix):]: v for k, v in weights.items() if k.startswith(prefix)}, strict=False)
    ids = (torch.arange(codes) * 7919 % 65536)[None]

    @torch.inference_mode()
    def decode():
        decoder(quantizer.from_codes(ids))

    report(codes * 320 / 16000, repetitions, decode)


def targets(clips, tokens):
    return [[PROMPT[i] if i < 4 else 100 + (b * tokens + i) % 977 for i in range(tokens)] for b in range(clips)]


def recognise(directory, clips, tokens, text_tokens, repetitions):
    torch = torch_on_threads()
    import numpy
    import torch.nn.functional as F
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration
    model, features = WhisperForConditionalGeneration.from_pretrained(directory, dtype=torch.float32).eval(), WhisperFeatureExtractor()
    waves = list((numpy.random.default_rng(1).standard_normal((clips, 480000)) * 0.06).astype(numpy.float32))

    @torch.inference_mode()
    def listen():
        encoded = model.model.encoder(features(waves, sampling_rate=16000, return_tensors="pt").input_features).last_hidden_state
        ids, cache = torch.tensor([PROMPT]).repeat(clips, 1), None
        for _ in range(tokens):
            out = model.model.decoder(input_ids=ids, encoder_hidden_states=encoded, past_key_values=cache, use_cache=True)
            cache, logits = out.past_key_values, model.proj_out(out.last_hidden_state[:, -1])
            logits[:, END_OF_TEXT] = -torch.inf
            ids = logits.argmax(-1)[:, None]
        if text_tokens:
            text = torch.tensor(targets(clips, text_tokens))
            out = model.model.decoder(input_ids=text[:, :-1], encoder_hidden_states=encoded)
            F.cross_entropy(model.proj_out(out.last_hidden_state[:, 3:]).transpose(1, 2), text[:, 4:])

    report(clips, repetitions, listen)


def whispercpp(model, clips, tokens, text_tokens, repetitions):
    import ctypes
    import numpy
    # Where Debian builds whisper.cpp with backends of their own, ggml loads them when it is told to.
    ctypes.CDLL("libggml.so.0", mode=ctypes.RTLD_GLOBAL).ggml_backend_load_all()
    library = ctypes.CDLL("libwhisper.so.1")
    library.whisper_init_from_file.restype = ctypes.c_void_p
    library.whisper_get_logits.restype = ctypes.POINTER(ctypes.c_float)
    context = ctypes.c_void_p(library.whisper_init_from_file(model.encode()))
    if not context.value:
        sys.exit(f"whisper.cpp does not load {model}")
    size = library.whisper_n_vocab(context)
    waves = (numpy.random.default_rng(1).standard_normal((clips, 480000)) * 0.06).astype(numpy.float32)
    samples = ctypes.POINTER(ctypes.c_float)

    def call(name, *arguments):
        if getattr(library, name)(context, *arguments, THREADS) != 0:
            sys.exit(f"{name} failed")

    def decode(ids, past):
        call("whisper_decode", (ctypes.c_int * len(ids))(*ids), len(ids), past)
        return numpy.ctypeslib.as_array(library.whisper_get_logits(context), (size,))

    def listen():
        for wave, text in zip(waves, targets(clips, text_tokens)):
            call("whisper_pcm_to_mel", wave.ctypes.data_as(samples), len(wave))
            call("whisper_encode", 0)
            ids, past = PROMPT, 0
            for _ in range(tokens):
                logits = decode(ids, past)
                past += len(ids)
                logits[END_OF_TEXT] = -numpy.inf
                ids = [int(logits.argmax())]
            if text:
                decode(text, 0)

    report(clips, repetitions, listen)


def sample(top_k, top_p, repetitions, rows=16, vocabulary=193800):
    torch = torch_on_threads()
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
    logits = torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(1)) * 3
    warp = LogitsProcessorList([TemperatureLogitsWarper(0.8)] + ([TopKLogitsWarper(int(top_k))] if top_k else []) + [TopPLogitsWarper(top_p)])

    def draw():
        for _ in range(3):
            ids = torch.multinomial(torch.softmax(warp(None, logits.clone()), -1), 1)
            torch.log_softmax(logits / 0.8, -1).gather(1, ids)

    report(3 * rows, int(repetitions), draw)


def tokenize(directory, text, repetitions):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    with open(text, encoding="utf-8", errors="replace", newline="\n") as file:
        content = file.read()
    lines = content.split("\n")
    report(len(content.encode()) / 1e6, repetitions, lambda: [tokenizer.encode(line, add_special_tokens=False) for line in lines])


def number(text):
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


WORKS = {work.__name__: work for work in (train, grpo, vocode, recognise, whispercpp, sample, tokenize)}
WORKS[sys.argv[2]](*map(number, sys.argv[3:]))
