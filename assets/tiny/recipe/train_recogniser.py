"""Trains the tiny Whisper: stage A on clean clips, stage B (from A) mostly on what the codec makes of them.

Cross-entropy of the transcript plus a CTC loss of a linear head on the encoder. The head speeds learning up a lot and serves
align.py; it is no part of the saved model.
"""

import os

import numpy as np
import torch
import torch.nn.functional as F

import recogniser
from common import (CHARACTER_ID, Clips, Stage, arguments, character_error_rate, cosine, generator, load_config,
                    run_as_team, sentences, set_learning_rate, skip_if_done)

LATEST_START = 3200  # samples


def ctc_head(config):
    return torch.nn.Linear(config["model"]["d_model"], len(CHARACTER_ID) + 1)


def disturb(wave, rng):
    """One training window: random delay, loudness and noise."""
    window = np.zeros(recogniser.WINDOW, np.float32)
    start = int(rng.integers(0, LATEST_START)) if rng.random() < 0.5 else 0
    wave = wave[:len(window) - start] * 10 ** (rng.uniform(-10, 3) / 20)
    window[start:start + len(wave)] = wave
    if rng.random() < 0.4:
        loudness = np.sqrt(np.square(wave).mean()) * 10 ** (-rng.uniform(15, 45) / 20)
        window += rng.standard_normal(len(window), dtype=np.float32) * loudness
    return window


def mask(mel, rng):
    """Blanks a few mel bands or frames, in place."""
    if rng.random() < 0.3:
        band = int(rng.integers(0, 72))
        mel[band:band + int(rng.integers(1, 9))] = mel.mean()
    if rng.random() < 0.3:
        frame = int(rng.integers(0, 200))
        mel[:, frame:frame + int(rng.integers(1, 9))] = mel.mean()


def batch_of(step, seed, size, pools, shares, share_of):
    """(log-mel, texts) of this process's part of a step's batch."""
    rng = generator(seed, step)
    picked = []
    for name in rng.choice(list(shares), size, p=np.array(list(shares.values())) / sum(shares.values())):
        clips, texts = pools[name]
        index = int(rng.integers(len(clips)))
        picked.append((clips, index, texts[index], int(rng.integers(2 ** 31))))
    picked = share_of(picked)
    draws = [np.random.default_rng(own_seed) for *_, own_seed in picked]
    mel = recogniser.log_mel(torch.tensor(np.stack([disturb(p[0][p[1]], d) for p, d in zip(picked, draws)])))
    for row, draw in zip(mel, draws):
        mask(row, draw)
    return mel, [p[2] for p in picked]


def ctc_loss(head, encoded, texts):
    log_probabilities = F.log_softmax(head(encoded), -1).transpose(0, 1)
    targets = [torch.tensor([CHARACTER_ID[c] for c in text]) for text in texts]
    frames = torch.full((len(texts),), len(log_probabilities))
    return F.ctc_loss(log_probabilities, torch.cat(targets), frames, torch.tensor([len(t) for t in targets]),
                      zero_infinity=True)


def validate(model, work):
    texts, numbers = sentences("validation"), {}
    for name in ("validation", "validation_coded"):
        if Clips.exist(work, name):
            clips = Clips(work, name)
            heard, losses = recogniser.score(model, [clips[i] for i in range(len(clips))], texts)
            numbers[f"{name}_cer"] = character_error_rate(heard, texts)
            numbers[f"{name}_nll"] = float(np.mean(losses))
    return numbers


def train(options, team):
    config = load_config()["recogniser"]
    plan = config[f"stage_{options.stage}"]
    stage = Stage(options.work, f"recogniser_{options.stage}", team)
    folder = stage.path("model")
    if options.stage == "a":
        model, head = recogniser.new(config["model"], plan["seed"]), ctc_head(config)
    else:
        before = os.path.join(options.work, "recogniser_a")
        model, head = recogniser.load(os.path.join(before, "model")), ctc_head(config)
        head.load_state_dict(torch.load(os.path.join(before, "ctc_head.pt"), weights_only=True))
    train_texts = sentences("train")
    pools = {name: (Clips(options.work, name), train_texts) for name in plan["mix"]}
    parameters = [*model.parameters(), *head.parameters()]
    parameters = [p for p in parameters if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=plan["learning_rate"], betas=config["betas"],
                                  weight_decay=config["weight_decay"])
    first = stage.resume(model=model, head=head, optimiser=optimiser)
    recent = []
    model.train()
    for step in range(first, plan["steps"]):
        rate = cosine(step, plan["steps"], plan["learning_rate"], config["warmup"], config["floor"])
        set_learning_rate(optimiser, rate)
        mel, texts = batch_of(step, plan["seed"], config["batch"], pools, plan["mix"], team.share)
        encoded = recogniser.encode_audio(model, mel)
        cross_entropy = recogniser.text_losses(model, encoded, texts).mean()
        ctc = ctc_loss(head, encoded, texts)
        optimiser.zero_grad()
        ((cross_entropy + plan["ctc_weight"] * ctc) / team.size).backward()
        team.add_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent.append((cross_entropy.item(), ctc.item()))
        if (step + 1) % 50 == 0:
            means = np.mean(recent[-50:], 0)
            stage.log(step=step + 1, cross_entropy=float(means[0]), ctc=float(means[1]))
        if (step + 1) % config["evaluate_every"] == 0:
            model.eval()
            if team.leads:
                stage.log(step=step + 1, **validate(model, options.work))
            model.train()
            stage.save(step + 1, model=model, head=head, optimiser=optimiser)
    if team.leads:
        recogniser.save(model.eval(), folder)
        torch.save(head.state_dict(), stage.path("ctc_head.pt"))
        stage.finish(steps=plan["steps"], **validate(recogniser.load(folder), options.work))


if __name__ == "__main__":
    options = arguments(__doc__, stage=dict(choices=["a", "b"], required=True))
    skip_if_done(Stage(options.work, f"recogniser_{options.stage}"))
    run_as_team(train, options)
