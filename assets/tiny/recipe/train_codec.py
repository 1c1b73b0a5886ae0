"""Trains the X-Codec2: waveform in, waveform out through one of 1024 codes per 20 ms; spectral losses only, no GAN.

The acoustic encoder runs at the full sample rate and costs most of the time, so the greater part of the schedule trains
everything else with it silent (its last convolution starts at zero, so switching it on changes nothing at first).
"""

import os

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from common import (Clips, Stage, arguments, cosine, generator, load_config, run_as_team, set_learning_rate,
                    skip_if_done)
from xcodec2 import Xcodec2Model, pad_to_frames

RESOLUTIONS = [(2048, 80), (1024, 80), (512, 64), (256, 32)]  # FFT size, mel bands
LONGEST_DELAY = 3200  # samples a clip shorter than the crop may start late


class SpectralLoss:
    """Mean over four resolutions of: L1 of log-mel + 0.5 L1 of log-magnitude + 0.5 spectral convergence."""

    def __init__(self):
        self.scales = []
        for size, bands in RESOLUTIONS:
            bank = mel_filter_bank(size // 2 + 1, bands, 0, 8000, 16000, norm="slaney", mel_scale="slaney")
            self.scales.append((size, torch.hann_window(size), torch.tensor(bank, dtype=torch.float32)))

    def __call__(self, made, wanted):
        """[B, N] twice."""
        total = 0.0
        for size, window, bank in self.scales:
            spectra = torch.stft(torch.cat([made, wanted]), size, size // 4, window=window, return_complex=True)
            spectra = spectra.abs().clamp(min=1e-5)
            made_mel, wanted_mel = (spectra.transpose(1, 2) @ bank).clamp(min=1e-5).log().chunk(2)
            made_log, wanted_log = spectra.clamp(min=1e-3).log().chunk(2)
            made_size, wanted_size = spectra.chunk(2)
            convergence = (made_size - wanted_size).norm() / wanted_size.norm().clamp(min=1e-2)
            total = total + (made_mel - wanted_mel).abs().mean() + 0.5 * (made_log - wanted_log).abs().mean()
            total = total + 0.5 * convergence
        return total / len(self.scales)


def batch_of(step, config, hop, main_clips, variants):
    """[B, N] of random crops; the same for a given step, whatever happened before."""
    rng = generator(config["seed"], step)
    samples = int(rng.choice(config["crop_frames"])) * hop
    batch = np.zeros((config["batch"], samples), np.float32)
    for row in batch:
        clips = variants if rng.random() < config["variant_share"] else main_clips
        wave = clips[int(rng.integers(len(clips)))]
        if len(wave) >= samples:
            start = int(rng.integers(len(wave) - samples + 1))
            row[:] = wave[start:start + samples]
        else:
            start = int(rng.integers(min(samples - len(wave), LONGEST_DELAY) + 1))
            row[start:start + len(wave)] = wave
    return batch


@torch.no_grad()
def validate(model, loss, clips, count, acoustic):
    """Loss, number of different codes, and perplexity of the codes on whole validation clips."""
    losses, codes = [], []
    for index in range(count):
        wave = pad_to_frames(torch.tensor(clips[index])[None], model.hop)
        made, used = model(wave[:, None], acoustic)
        losses.append(loss(made[:, 0], wave).item())
        codes.append(used.flatten())
    share = torch.bincount(torch.cat(codes)).double()
    share = share[share > 0] / share.sum()
    return dict(validation_loss=float(np.mean(losses)), codes_used=len(share),
                code_perplexity=float(torch.exp(-(share * share.log()).sum())))


def train(options, team):
    config = load_config()["codec"]
    stage = Stage(options.work, "codec", team)
    main_clips, variants, validation = (Clips(options.work, n) for n in ("train", "variants", "validation"))
    torch.manual_seed(config["seed"])
    model = Xcodec2Model(config["model"])
    model.initialise(config["silence_bias"])
    parameters = [p for p in model.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=config["learning_rate"], betas=config["betas"],
                                  weight_decay=config["weight_decay"])
    loss_of, steps = SpectralLoss(), config["silent_steps"] + config["full_steps"]
    first = stage.resume(model=model, optimiser=optimiser)
    recent = []
    model.train()
    for step in range(first, steps):
        set_learning_rate(optimiser, cosine(step, steps, config["learning_rate"], config["warmup"], config["floor"]))
        wave = torch.tensor(team.share(batch_of(step, config, model.hop, main_clips, variants)))
        acoustic = step >= config["silent_steps"]
        made, _ = model(wave[:, None], acoustic)
        loss = loss_of(made[:, 0], wave)
        optimiser.zero_grad(set_to_none=False)
        (loss / team.size).backward()
        for parameter in parameters:  # those that took no part yet
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        team.add_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            stage.log(step=step + 1, loss=float(np.mean(recent[-50:])), gradient_norm=float(norm), acoustic=acoustic)
        if (step + 1) % config["evaluate_every"] == 0 or step + 1 == steps:
            model.eval()
            if team.leads:
                stage.log(step=step + 1, **validate(model, loss_of, validation, config["validation_clips"], acoustic))
            model.train()
            stage.save(step + 1, model=model, optimiser=optimiser)
    if team.leads:
        folder = os.path.join(options.work, "xcodec2")
        model.eval().save_pretrained(folder)
        shipped = Xcodec2Model.from_pretrained(folder)  # float16 weights, as everything after this uses them
        stage.finish(steps=steps, **validate(shipped, loss_of, validation, config["validation_clips"], True))


if __name__ == "__main__":
    options = arguments(__doc__)
    skip_if_done(Stage(options.work, "codec"))
    run_as_team(train, options)
