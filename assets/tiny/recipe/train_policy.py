"""Supervised training of the policy: text prompt -> speech codes. It stops short on purpose: GRPO is to have work to do.

Cross-entropy of the codes, plus an auxiliary loss of a linear head on a middle layer: which characters are being spoken next
(align.py says so). The head makes the policy find its place in the text much sooner; it is no part of the saved model.
"""

import json
import os

import numpy as np
import torch
import torch.nn.functional as F

import policy
import recogniser
from common import (CHARACTER_ID, Stage, arguments, constant_then_line, edit_distance, generator, load_config, load_rows,
                    run_as_team, sentences, set_learning_rate, skip_if_done)
from xcodec2 import Xcodec2Model

AHEAD = 3  # characters the auxiliary head names
BATCHES_SORTED_TOGETHER = 24  # sentences are sorted by length within this many batches
EVALUATION_BATCH = 100
SHORTEST_SPEECH = 2  # codes; a shorter answer counts as silence


def batches(seed, epoch, lengths, size):
    """Index batches of one epoch: random order, similar lengths together."""
    rng = generator(seed, epoch)
    order, made = rng.permutation(len(lengths)), []
    chunk = BATCHES_SORTED_TOGETHER * size
    for start in range(0, len(order), chunk):
        rows = order[start:start + chunk]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        together = [rows[k:k + size] for k in range(0, len(rows) - size + 1, size)]
        made += [together[k] for k in rng.permutation(len(together))]
    return made


def next_characters(text, alignment, positions):
    """[positions, AHEAD] character ids: the one at the aligned place in the text and its followers, 0 past the end."""
    ids = [CHARACTER_ID[c] for c in text] + [0] * (AHEAD + 1)
    places = [*alignment[:positions], *[len(text)] * (positions - len(alignment))]
    return [ids[p:p + AHEAD] for p in map(int, places)]


def to_waves(codec, responses):
    waves = []
    for tokens in responses:
        codes = policy.codes_of(tokens)
        if len(codes) < SHORTEST_SPEECH:
            waves.append(np.zeros(recogniser.WINDOW, np.float32))
        else:
            waves.append(codec.decode(torch.tensor(codes)[None])[0].clamp(-1, 1).numpy())
    return waves


def listen(model, codec, ears, texts, team, seed, temperature, top_p, longest):
    """What the recogniser hears when the policy speaks `texts`: character error rate, share of exact sentences, share of
    samples that ended, mean number of codes, mean negative log-likelihood of the texts."""
    numbers = list(range(len(texts)))
    errors = characters = exact = ended = codes = loss = 0
    for start in range(0, len(texts), EVALUATION_BATCH):
        mine = team.share(numbers[start:start + EVALUATION_BATCH])
        wanted = [texts[n] for n in mine]
        said = policy.sample(model, wanted, mine, seed, temperature, top_p, longest)
        heard, losses = recogniser.score(ears, to_waves(codec, said), wanted)
        errors += sum(map(edit_distance, heard, wanted))
        characters += sum(map(len, wanted))
        exact += sum(h == w for h, w in zip(heard, wanted))
        ended += sum(tokens[-1] == policy.END for tokens in said)
        codes += sum(len(policy.codes_of(tokens)) for tokens in said)
        loss += sum(losses)
    errors, characters, exact, ended, codes, loss = team.add(errors, characters, exact, ended, codes, loss)
    return dict(cer=errors / characters, exact=exact / len(texts), ended=ended / len(texts), codes=codes / len(texts),
                nll=loss / len(texts))


def validation_loss(model, texts, responses):
    """Mean cross-entropy per response token."""
    total = count = 0
    with torch.no_grad():
        for start in range(0, len(texts), 25):
            prompts = [policy.prompt(t) for t in texts[start:start + 25]]
            last, _, targets, mask = policy.response_states(model, prompts, responses[start:start + 25], 0)
            losses = F.cross_entropy(model.lm_head(last).transpose(1, 2), targets, reduction="none")
            total, count = total + (losses * mask).sum().item(), count + mask.sum().item()
    return total / count


def load_examples(work, split):
    texts = sentences(split)
    responses = [policy.response(row) for row in load_rows(os.path.join(work, "codes", f"{split}.npz"))]
    return texts[:len(responses)], responses


def train(options, team):
    everything = load_config()
    config, sampling = everything["policy"], everything["sampling"]
    stage = Stage(options.work, "policy_training", team)
    texts, responses = load_examples(options.work, "train")
    prompts = [policy.prompt(t) for t in texts]
    alignments = load_rows(os.path.join(options.work, "codes", "train_alignment.npz"))
    lengths = np.array([len(p) + len(r) for p, r in zip(prompts, responses)])
    validation_texts, validation_responses = load_examples(options.work, "validation")
    codec = Xcodec2Model.from_pretrained(os.path.join(options.work, "xcodec2"))
    ears = recogniser.load(os.path.join(options.work, "whisper"))

    model = policy.new(config["model"], config["seed"])
    head = torch.nn.Linear(config["model"]["hidden_size"], AHEAD * (len(CHARACTER_ID) + 1))
    parameters = [*model.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=config["learning_rate"], betas=config["betas"],
                                  weight_decay=config["weight_decay"])
    first = stage.resume(model=model, head=head, optimiser=optimiser)
    per_epoch, recent, order, order_epoch = len(batches(config["seed"], 0, lengths, config["batch"])), [], None, None
    steps = config["constant_steps"] + config["decay_steps"]
    model.train()
    too_good = False
    for step in range(first, steps):
        set_learning_rate(optimiser, constant_then_line(step, config["constant_steps"], config["decay_steps"],
                                                        config["learning_rate"], config["warmup"], config["floor"]))
        if order_epoch != step // per_epoch:
            order_epoch = step // per_epoch
            order = batches(config["seed"], order_epoch, lengths, config["batch"])
        whole = order[step % per_epoch]
        tokens_of_all = sum(len(responses[i]) for i in whole)
        mine = team.share(whole)
        last, middle, targets, mask = policy.response_states(
            model, [prompts[i] for i in mine], [responses[i] for i in mine], config["alignment_layer"])
        losses = F.cross_entropy(model.lm_head(last).transpose(1, 2), targets, reduction="none")
        cross_entropy = (losses * mask).sum() / tokens_of_all
        spoken = torch.full((len(mine), targets.shape[1], AHEAD), -100)
        for row, i in zip(spoken, mine):
            row[:len(responses[i])] = torch.tensor(next_characters(texts[i], alignments[i], len(responses[i])))
        alignment = F.cross_entropy(head(middle).reshape(-1, len(CHARACTER_ID) + 1), spoken.reshape(-1),
                                    ignore_index=-100, reduction="sum") / (tokens_of_all * AHEAD)
        optimiser.zero_grad()
        (cross_entropy + config["alignment_weight"] * alignment).backward()
        team.add_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent.append((cross_entropy.item() * team.size, alignment.item() * team.size))
        if (step + 1) % 50 == 0:
            means = np.mean(recent[-50:], 0)
            stage.log(step=step + 1, cross_entropy=float(means[0]), alignment=float(means[1]))
        if step + 1 == steps or (step + 1 >= config["evaluate_from"] and (step + 1) % config["evaluate_every"] == 0):
            model.eval()
            result = listen(model, codec, ears, validation_texts, team, config["seed"], sampling["temperature"],
                            sampling["top_p"], sampling["longest"])
            stage.log(step=step + 1, cross_entropy=validation_loss(model, validation_texts, validation_responses),
                      **{f"sampled_{k}": v for k, v in result.items()})
            too_good = result["cer"] < config["sampled_cer_at_least"]
            if team.leads and result["ended"] == 1.0 and not too_good:
                policy.save(model, os.path.join(options.work, "policy"))
                with open(stage.path("chosen.json"), "w", encoding="utf-8") as file:
                    json.dump(dict(step=step + 1, **result), file)
            model.train()
        if (step + 1) % config["save_every"] == 0:
            stage.save(step + 1, model=model, head=head, optimiser=optimiser)
        if too_good:
            break
    if team.leads:
        with open(stage.path("chosen.json"), encoding="utf-8") as file:
            stage.finish(steps=step + 1, chosen=json.load(file))


if __name__ == "__main__":
    options = arguments(__doc__)
    skip_if_done(Stage(options.work, "policy_training"))
    run_as_team(train, options)
