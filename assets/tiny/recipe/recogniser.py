"""The tiny Whisper: tokenizer, log-mel, greedy transcript, negative log-likelihood. Architecture and names are Hugging Face's
`WhisperForConditionalGeneration`; only the sizes differ, and the window, which is 3 seconds instead of 30."""

import copy
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.audio_utils import mel_filter_bank

WINDOW_SECONDS = 3
WINDOW = 16000 * WINDOW_SECONDS
SPECIALS = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
            "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]


def _byte_letters():
    """GPT-2's printable letter for each byte, in order of token id."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


BYTE_LETTERS = _byte_letters()
BYTE_ID = {byte: i for i, byte in enumerate(BYTE_LETTERS)}
ID_BYTE = {i: byte for byte, i in BYTE_ID.items()}
SPECIAL_ID = {name: 256 + i for i, name in enumerate(SPECIALS)}
END = SPECIAL_ID["<|endoftext|>"]
PROMPT = [SPECIAL_ID[n] for n in ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")]


def encode_text(text):
    return [BYTE_ID[b] for b in text.encode()]


def decode_text(ids):
    return bytes(ID_BYTE[i] for i in ids if i < 256).decode("utf-8", "replace")


def byte_tokenizer(special_tokens, other_tokens=()):
    """One token per byte, no merges, then the added tokens in order."""
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(BYTE_LETTERS.values())}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special_tokens])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in other_tokens])
    return tokenizer


# ------------------------------------------------------------------------------------ audio


_BANK = torch.tensor(mel_filter_bank(201, 80, 0, 8000, 16000, norm="slaney", mel_scale="slaney"), dtype=torch.float32)
_HANN = torch.hann_window(400)


def log_mel(waves):
    """[B, WINDOW] -> [B, 80, WINDOW / 160], as Whisper computes it."""
    power = torch.stft(waves, 400, 160, window=_HANN, return_complex=True).abs()[..., :-1].square()
    mel = (power.transpose(1, 2) @ _BANK).transpose(1, 2).clamp(min=1e-10).log10()
    mel = torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8.0)
    return (mel + 4.0) / 4.0


def windows(waves):
    """Waveforms of any length -> [B, WINDOW], cut or padded with silence."""
    out = np.zeros((len(waves), WINDOW), np.float32)
    for row, wave in zip(out, waves):
        row[:min(WINDOW, len(wave))] = wave[:WINDOW]
    return torch.tensor(out)


# ------------------------------------------------------------------------------------ model


def new(config, seed):
    torch.manual_seed(seed)
    return WhisperForConditionalGeneration(WhisperConfig(
        **config, pad_token_id=END, bos_token_id=END, eos_token_id=END, decoder_start_token_id=PROMPT[0],
        suppress_tokens=None, begin_suppress_tokens=None))


def load(folder):
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def save(model, folder):
    """float16 weights, config, tokenizer and feature extractor settings."""
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    tokenizer = byte_tokenizer(SPECIALS)
    if tokenizer.encode("a big dog").ids != encode_text("a big dog") or any(
            tokenizer.token_to_id(name) != i for name, i in SPECIAL_ID.items()):
        raise AssertionError("tokenizer.json does not give the ids that the model is trained on")
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    extractor = dict(
        feature_extractor_type="WhisperFeatureExtractor", feature_size=80, sampling_rate=16000, hop_length=160,
        chunk_length=WINDOW_SECONDS, n_fft=400, n_samples=WINDOW, nb_max_frames=WINDOW // 160, padding_value=0.0,
        return_attention_mask=False, padding_side="right", processor_class="WhisperProcessor")
    with open(os.path.join(folder, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(extractor, file, indent=2)


def encode_audio(model, mel):
    return model.model.encoder(mel).last_hidden_state


def text_losses(model, encoded, texts):
    """Mean cross-entropy per transcript token, end of text included, for each text: [B]."""
    rows = [PROMPT + encode_text(t) + [END] for t in texts]
    longest = max(map(len, rows))
    inputs = torch.tensor([r[:-1] + [END] * (longest - len(r)) for r in rows])
    labels = torch.tensor([[-100] * (len(PROMPT) - 1) + r[len(PROMPT):] + [-100] * (longest - len(r)) for r in rows])
    hidden = model.model.decoder(input_ids=inputs, encoder_hidden_states=encoded).last_hidden_state
    losses = F.cross_entropy(model.proj_out(hidden).transpose(1, 2), labels, ignore_index=-100, reduction="none")
    return losses.sum(1) / (labels != -100).sum(1)


@torch.no_grad()
def transcribe(model, encoded, longest=48):
    """Greedy transcripts."""
    batch = len(encoded)
    inputs, cache, steps = torch.tensor([PROMPT]).repeat(batch, 1), None, []
    finished = torch.zeros(batch, dtype=torch.bool)
    for _ in range(longest):
        out = model.model.decoder(input_ids=inputs, encoder_hidden_states=encoded, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        best = model.proj_out(out.last_hidden_state[:, -1]).argmax(-1).masked_fill(finished, END)
        steps.append(best)
        finished |= best == END
        if finished.all():
            break
        inputs = best[:, None]
    rows = torch.stack(steps, 1).tolist()
    return [decode_text(r[:r.index(END)] if END in r else r) for r in rows]


@torch.no_grad()
def score(model, waves, texts, batch=50):
    """(transcripts, mean negative log-likelihoods of the texts)."""
    heard, losses = [], []
    for start in range(0, len(waves), batch):
        encoded = encode_audio(model, log_mel(windows(waves[start:start + batch])))
        heard += transcribe(model, encoded)
        losses += text_losses(model, encoded, texts[start:start + batch]).tolist()
    return heard, losses
