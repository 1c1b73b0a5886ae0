"""What llasa_<backend>_step_bench does, by PyTorch and Transformers: the same shapes, sizes, phases and file.

    python3 native/bench/step/torch_step.py [--out FILE] [--device cuda|cpu] [--compile-until SECONDS] [--SIZE N]...

SIZE is one of those of step.h, as `--layers 1 --new-tokens 16`. Exit code 77, and a last line that says why, where
PyTorch, Transformers or the device are not here; 1 where a phase failed: the file has the others, and what it said.

Models are in bf16 with random weights that are made on the device, attention by scaled_dot_product_attention:

- rollout: `generate` with a static cache, top-p 0.9 at temperature 0.8 as llasa samples, over the head's rows of speech
  alone. It reads each sample's prompt anew and keeps no log-probs. "rollout, dynamic cache" is the same with the cache
  `generate` has by default, "rollout, compiled" the static one with `generate`'s torch.compile (CUDA graphs): it comes
  last, where --compile-until is given, and is left when so many seconds have passed since the script began, which
  is no failure.
- gradient and update: sequences of one length, so that a batch holds no padding; layers recomputed (gradient
  checkpointing), the head's rows of speech alone and all logits of a micro-batch at once; gradients added up in f32,
  clipped by their norm, fused AdamW on f32 values beside the bf16 ones. No entropy.
- vocoder: Transformers' Xcodec2Model where this version has one, else that of assets/tiny/recipe; its last layer in f32.
- recogniser: log-mel on the device, the encoder once, `generate`'s greedy transcript, and the likelihood of a text.
"""

import argparse
import gc
import json
import math
import os
import signal
import sys
import time

BEGAN = time.perf_counter()
os.environ.setdefault("HF_HUB_OFFLINE", "1")
RECIPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "assets", "tiny", "recipe")
SIZES = {"layers": 0, "shrink": 1, "prompts": 8, "samples": 16, "prompt_tokens": 128, "new_tokens": 256,
         "micro_batches": 2, "micro_batch_tokens": 16384, "clips": 8, "codes": 256, "text_tokens": 64}
HOP = 320  # samples of sound for a code


def cannot(why):
    print(f"torch_step: {why}")
    sys.exit(77)


try:
    import torch
    import torch.nn.functional as F
    import transformers
    from transformers import GenerationMixin, LlamaConfig, LlamaForCausalLM, WhisperConfig
    from transformers import WhisperForConditionalGeneration
    from transformers.audio_utils import mel_filter_bank
    from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast
except ImportError as error:
    cannot(f"PyTorch and Transformers are not here: {error}")


def sizes_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--compile-until", type=float, default=0)
    for name, value in SIZES.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    s = parser.parse_args(arguments)
    for name in SIZES:
        if getattr(s, name) < (0 if name == "layers" else 1):
            parser.error(f"--{name.replace('_', '-')}: {getattr(s, name)} is too small")
    if 8 % s.shrink != 0:
        parser.error(f"--shrink: {s.shrink}, expected 1, 2, 4 or 8")
    if s.prompt_tokens < 2:
        parser.error("--prompt-tokens: 1, expected 2 or more")  # RestrictedLlama tells a drawn token by its being alone
    if s.micro_batch_tokens < s.prompt_tokens + s.new_tokens:
        parser.error("a sequence is longer than a micro-batch")
    # The ids of Llasa: codes behind the vocabulary of text, and the one that ends speech a little before them.
    s.text = 128256 // s.shrink
    s.end, s.first_code = s.text + 5, s.text + 8
    s.past_codes = s.first_code + 65536 // s.shrink
    return s


class Report:
    """Times phases and writes the file anew after each, in the layout of step_json (step.cc)."""

    def __init__(self, s):
        self.s, self.phases, self.failed = s, [], {}

    def synchronize(self):
        if self.s.device == "cuda":
            torch.cuda.synchronize()

    def measure(self, name, units, unit, flops, work):
        seconds = []
        for _ in range(2):
            self.synchronize()
            begin = time.perf_counter()
            work()
            self.synchronize()
            seconds.append(time.perf_counter() - begin)
        phase = {"name": name, "first_seconds": seconds[0], "seconds": seconds[1], unit: units}
        if flops > 0:
            phase["product_tflops"] = flops / seconds[1] * 1e-12
        self.phases.append(phase)
        print(f"{name:24} {seconds[1]:9.3f} s, {seconds[0]:9.3f} s the first time; {units} {unit}", flush=True)
        self.write()

    def attempt(self, phase, *arguments):
        """Runs a phase; what goes wrong in it costs itself alone. Returns its result, else None."""
        try:
            return phase(*arguments)
        except Exception as error:  # whatever a version of a package may raise
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            self.failed[phase.__name__.replace("_", " ")] = why
            print(f"torch_step: {phase.__name__}: {why}", flush=True)
            self.write()
            return None
        finally:
            gc.collect()
            if self.s.device == "cuda":
                torch.cuda.empty_cache()

    def write(self):
        if not self.s.out:
            return
        head = {"backend": "torch", "device": torch.cuda.get_device_name() if self.s.device == "cuda" else "cpu",
                "torch": torch.__version__, "transformers": transformers.__version__}
        head |= {name: getattr(self.s, name) for name in SIZES}
        text = "{\n" + "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in head.items())
        if self.failed:
            text += f'  "failed": {json.dumps(self.failed)},\n'
        rounded = [{k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in p.items()} for p in self.phases]
        text += '  "phases": [\n' + ",\n".join("    " + json.dumps(p) for p in rounded) + "\n  ]\n}\n"
        with open(self.s.out, "w", encoding="utf-8") as file:
            file.write(text)


def expect_finite(values, what):
    if not torch.isfinite(values).all():
        raise ValueError(f"{what}: not all are finite")


@torch.no_grad()
def randomise(model):
    """As step.cc: normal numbers of deviation 0.02; scales are 1 and biases 0."""
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            parameter.normal_(0, 0.02)
        else:
            parameter.fill_(0 if name.endswith("bias") else 1)
    return model.eval()


# ---------------------------------------------------------------------------------------------------- policy


class RestrictedLlama(LlamaForCausalLM):
    """Its head knows the tokens that may follow alone: a logit's column is an index into `allowed` (ascending ids). What
    `generate` draws is such an index, which comes back as the one token of the next step."""

    def restrict(self, s):
        self.end, self.first_code = s.end, s.first_code
        ids = torch.cat([torch.tensor([s.end]), torch.arange(s.first_code, s.past_codes)])
        # Buffers: a CUDA graph reads them where they lie and would copy other tensors before each step.
        self.register_buffer("allowed", ids.to(s.device), persistent=False)
        self.register_buffer("rows", self.head().detach().clone(), persistent=False)

    def head(self):
        """[allowed, C]: rows of the embedding, which is the head's matrix; differentiable."""
        weight = self.model.embed_tokens.weight
        return torch.cat([weight[self.end:self.end + 1], weight[self.first_code:]])

    def forward(self, input_ids=None, past_key_values=None, attention_mask=None, position_ids=None, **more):
        if input_ids.shape[1] == 1:
            input_ids = self.allowed[input_ids]
        hidden = self.model(input_ids=input_ids, past_key_values=past_key_values, attention_mask=attention_mask,
                            position_ids=position_ids, use_cache=True).last_hidden_state
        return CausalLMOutputWithPast(logits=F.linear(hidden[:, -1:], self.rows), past_key_values=past_key_values)


def policy(s):
    config = LlamaConfig(
        vocab_size=s.past_codes, hidden_size=2048 // s.shrink, intermediate_size=8192 // s.shrink,
        num_hidden_layers=s.layers or 16, num_attention_heads=32 // s.shrink, num_key_value_heads=8 // s.shrink,
        head_dim=64, max_position_embeddings=s.prompt_tokens + s.new_tokens + 1, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=None)
    with torch.device(s.device):
        model = RestrictedLlama._from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
    model.restrict(s)
    return randomise(model)


def token_flops(s):
    """Of one token through layers and head, forward; attention left out."""
    C, layers = 2048 // s.shrink, s.layers or 16
    q, kv = 32 // s.shrink * 64, 8 // s.shrink * 64
    return 2 * (layers * (C * (2 * q + 2 * kv) + 3 * C * 4 * C) + C * (65536 // s.shrink + 1))


def rollout(s, report, model, name="rollout", **settings):
    prompts = torch.tensor([[(p * 7919 + t * 104729) % s.text for t in range(s.prompt_tokens)] for p in range(s.prompts)])
    drawn = s.prompts * s.samples * s.new_tokens

    @torch.no_grad()
    def work():
        model.rows.copy_(model.head())
        ids = prompts.to(s.device)
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=0.8, top_k=0, top_p=0.9,
            num_return_sequences=s.samples, max_new_tokens=s.new_tokens, min_new_tokens=s.new_tokens, **settings)
        tokens = model.allowed[out[:, s.prompt_tokens:]].cpu()
        if tokens.shape != (s.prompts * s.samples, s.new_tokens):
            raise ValueError(f"tokens of shape {list(tokens.shape)}")

    report.measure(name, drawn, "tokens", token_flops(s) * drawn, work)


def static_rollout(s, report, model):
    rollout(s, report, model, cache_implementation="static", disable_compile=True)


def dynamic_rollout(s, report, model):
    rollout(s, report, model, "rollout, dynamic cache")


def compiled_rollout(s, report, model):
    left = s.compile_until - (time.perf_counter() - BEGAN)
    if left <= 0:
        raise TimeoutError("no time was left")

    late = TimeoutError(f"not done within {s.compile_until:g} s of the script's begin")

    def end(*_):
        raise late

    settings = {}
    if s.device == "cpu":  # what `generate` compiles for a card alone unless it is asked
        config = transformers.CompileConfig()
        config._compile_all_devices = True
        settings["compile_config"] = config
    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        rollout(s, report, model, "rollout, compiled", cache_implementation="static", **settings)
    except Exception as error:
        if time.perf_counter() - BEGAN < s.compile_until:
            raise
        raise late from error  # which the compiler may have taken for a fault of its own
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def gradient_and_update(s, report, model):
    length = s.prompt_tokens + s.new_tokens
    per_batch = s.micro_batch_tokens // length
    sequences = per_batch * s.micro_batches
    codes = s.past_codes - s.first_code
    tokens = torch.tensor([[(b * 7919 + t * 104729) % s.text if t < s.prompt_tokens
                            else s.first_code + (b * 7919 + t * 104729) % codes for t in range(length)]
                           for b in range(sequences)])
    advantages = torch.full((per_batch * s.new_tokens,), 0.5, device=s.device)
    weight = 1 / (sequences * s.new_tokens)
    parameters = list(model.parameters())
    masters = [p.detach().float().requires_grad_() for p in parameters]
    for m in masters:
        m.grad = torch.zeros_like(m)
    optimiser = torch.optim.AdamW(masters, lr=1e-6, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, fused=True)

    def micro_batch(ids):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
        rows = hidden[:, s.prompt_tokens - 1:-1].reshape(-1, hidden.shape[-1])
        targets = (ids[:, s.prompt_tokens:] - s.first_code + 1).reshape(-1)
        logprobs = -F.cross_entropy(F.linear(rows, model.head()).float(), targets, reduction="none")
        ratio = (logprobs - logprobs.detach()).exp()
        terms = torch.minimum(advantages * ratio, advantages * ratio.clamp(0.8, 1.2))
        (-weight * terms.sum()).backward()

    def work():
        for ids in tokens.to(s.device).split(per_batch):
            micro_batch(ids)
            for m, p in zip(masters, parameters):
                m.grad += p.grad
                p.grad = None
        norm = torch.nn.utils.clip_grad_norm_(masters, 1.0).item()
        if not (math.isfinite(norm) and norm > 0):
            raise ValueError(f"the gradient's norm is {norm}")
        optimiser.step()
        with torch.no_grad():
            for m, p in zip(masters, parameters):
                p.copy_(m)
                m.grad.zero_()

    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        report.measure("gradient and update", tokens.numel(), "tokens", 4 * token_flops(s) * tokens.numel(), work)
    finally:
        model.gradient_checkpointing_disable()
        model.eval()


# --------------------------------------------------------------------------------------- codec and recogniser


def codec(s):
    """Codes [B, T] -> waveforms [B, T * 320], f32."""
    shape = dict(hidden_size=1024 // s.shrink, intermediate_size=4096 // s.shrink, num_hidden_layers=s.layers or 12,
                 num_attention_heads=16 // s.shrink, num_key_value_heads=16 // s.shrink, head_dim=64,
                 quantization_dim=2048 // s.shrink)
    if hasattr(transformers, "Xcodec2Model"):
        semantic = dict(model_type="wav2vec2-bert", hidden_size=1024 // s.shrink, num_hidden_layers=1)  # is not run
        with torch.device(s.device):
            model = transformers.Xcodec2Model(transformers.Xcodec2Config(semantic_model_config=semantic, **shape))
        print("torch_step: vocoder by Transformers")

        def decode(codes):
            return model.decode(audio_codes=codes[:, None]).audio_values[:, 0]
    else:
        sys.path.insert(0, RECIPE)
        import xcodec2  # of this tree: the same arithmetic and names
        config = shape | dict(
            downsampling_ratios=[2, 2, 4, 4, 5], quantization_levels=[4] * 8, attention_bias=False, rms_norm_eps=1e-6,
            semantic_model_config={"hidden_size": 1024 // s.shrink})
        with torch.device(s.device):
            model = torch.nn.Module()
            model.quantizer, model.decoder = xcodec2.Quantizer(config), xcodec2.Decoder(config)
        print("torch_step: vocoder by assets/tiny/recipe, for these Transformers have no Xcodec2Model")

        def decode(codes):
            return model.decoder(model.quantizer.from_codes(codes))[:, 0]
    randomise(model).to(torch.bfloat16)
    model.decoder.head.float().register_forward_pre_hook(lambda module, inputs: (inputs[0].float(),))
    return decode


def vocoder(s, report):
    decode = codec(s)
    codes = (torch.arange(s.clips * s.codes) * 104729 % 65536).reshape(s.clips, s.codes)
    waveforms = []

    @torch.no_grad()
    def work():
        waveforms[:] = [decode(codes.to(s.device)).cpu()]
        expect_finite(waveforms[0], "samples of sound")

    report.measure("vocoder", codes.numel(), "codes", 0, work)
    return waveforms[0]


def log_mel(waveforms, filters, samples):
    """[B, N] -> [B, bins, samples / 160], what Whisper's feature extractor computes of a window."""
    waveforms = F.pad(waveforms[:, :samples], (0, max(0, samples - waveforms.shape[1])))
    window = torch.hann_window(400, device=waveforms.device)
    power = torch.stft(waveforms, 400, 160, window=window, return_complex=True)[..., :-1].abs().square()
    mel = (filters.T @ power).clamp(min=1e-10).log10()
    return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4


def recogniser(s, report, waveforms):
    vocabulary, width, layers = 51866 // s.shrink, 1280 // s.shrink // 64 * 64, s.layers or 32
    positions, end = 1500 // s.shrink, vocabulary - 1
    config = WhisperConfig(
        vocab_size=vocabulary, num_mel_bins=128, d_model=width, encoder_layers=layers, decoder_layers=layers,
        encoder_attention_heads=width // 64, decoder_attention_heads=width // 64, encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width, max_source_positions=positions, max_target_positions=448, pad_token_id=end,
        bos_token_id=end, eos_token_id=None, decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None)
    with torch.device(s.device):
        model = WhisperForConditionalGeneration._from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
    randomise(model)
    bank = mel_filter_bank(201, 128, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    filters = torch.tensor(bank, dtype=torch.float32, device=s.device)
    if waveforms is None:  # the vocoder failed
        waveforms = torch.randn(s.clips, s.codes * HOP) * 0.1
    prompt = torch.tensor([1, 2, 3, 4])
    text = 5 + (torch.arange(s.clips)[:, None] + torch.arange(s.text_tokens) * 31) % 900
    targets = torch.cat([prompt.expand(s.clips, -1), text], 1)

    @torch.no_grad()
    def work():
        mel = log_mel(waveforms.to(s.device), filters, positions * 2 * 160)
        encoded = BaseModelOutput(model.model.encoder(mel.to(torch.bfloat16)).last_hidden_state)
        start = prompt.expand(s.clips, -1).to(s.device)
        # Whisper's own `generate` would cut sounds and look for languages before it calls this one.
        written = GenerationMixin.generate(
            model, encoder_outputs=encoded, decoder_input_ids=start, do_sample=False, max_new_tokens=s.text_tokens,
            suppress_tokens=[end])
        if written.shape[1] != len(prompt) + s.text_tokens:
            raise ValueError(f"transcripts of {written.shape[1] - len(prompt)} tokens")
        ids = targets.to(s.device)
        logits = model(encoder_outputs=encoded, decoder_input_ids=ids[:, :-1], use_cache=False).logits
        scored = logits[:, len(prompt) - 1:].float().transpose(1, 2)
        nlls = F.cross_entropy(scored, ids[:, len(prompt):], reduction="none").mean(1)
        written.cpu()
        expect_finite(nlls.cpu(), "likelihoods of text")

    report.measure("recogniser", s.clips, "clips", 0, work)


def main(arguments):
    s = sizes_of(arguments)
    if s.device == "cuda" and not torch.cuda.is_available():
        cannot(f"PyTorch {torch.__version__} sees no CUDA device")
    transformers.logging.set_verbosity_error()
    torch.manual_seed(1)
    report = Report(s)
    report.write()
    model = policy(s)
    report.attempt(static_rollout, s, report, model)
    report.attempt(dynamic_rollout, s, report, model)
    report.attempt(gradient_and_update, s, report, model)
    waveforms = report.attempt(vocoder, s, report)
    report.attempt(recogniser, s, report, waveforms)
    if s.compile_until > 0:
        report.attempt(compiled_rollout, s, report, model)
    return 1 if report.failed.keys() - {"compiled rollout"} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
