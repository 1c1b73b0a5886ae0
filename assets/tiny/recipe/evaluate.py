"""Final numbers of three finished models on the test sentences, which no other stage looks at.

    python3 evaluate.py --models DIR     DIR holds policy/, xcodec2/ and whisper/; default: the work folder
"""

import json
import os

import numpy as np
import torch

import policy
import recogniser
from common import Clips, arguments, character_error_rate, load_config, run_as_team, sentences
from train_codec import SpectralLoss
from train_policy import listen
from xcodec2 import Xcodec2Model, pad_to_frames

SEEDS = (1000, 1001)


@torch.no_grad()
def through_codec(codec, clips, rows):
    """(what the codec makes of the clips, its mean spectral loss, how many different codes it used)."""
    loss_of, waves, losses, used = SpectralLoss(), [], [], set()
    for i in rows:
        wave = pad_to_frames(torch.tensor(clips[i])[None], codec.hop)
        codes = codec.encode(wave[:, :-1])  # it appends the last zero itself
        made = codec.decode(codes)
        losses.append(loss_of(made, wave).item())
        waves.append(made[0].clamp(-1, 1).numpy())
        used |= set(codes.flatten().tolist())
    return waves, losses, used


def hear(ears, waves, texts):
    heard, losses = recogniser.score(ears, waves, texts)
    return [sum(h == t for h, t in zip(heard, texts)), sum(losses), character_error_rate(heard, texts) * sum(map(len, texts))]


def summary(totals, texts):
    exact, loss, errors = totals
    return dict(cer=errors / sum(map(len, texts)), exact=exact / len(texts), nll=loss / len(texts))


def run(options, team):
    torch.set_grad_enabled(False)
    sampling = load_config()["sampling"]
    codec = Xcodec2Model.from_pretrained(os.path.join(options.models, "xcodec2"))
    ears = recogniser.load(os.path.join(options.models, "whisper"))
    voice = policy.load(os.path.join(options.models, "policy"))
    results = {"megabytes": {}}
    for name in ("policy", "xcodec2", "whisper"):
        folder = os.path.join(options.models, name)
        results["megabytes"][name] = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)) / 1e6
    for split in options.splits.split(","):
        texts, clips = sentences(split), Clips(options.work, split)
        rows = team.share(list(range(len(texts))))
        mine = [texts[i] for i in rows]
        made, losses, used = through_codec(codec, clips, rows)
        spectral, *clean_and_coded = team.add(sum(losses), *hear(ears, [clips[i] for i in rows], mine), *hear(ears, made, mine))
        results[split] = dict(
            codec=dict(spectral_loss=spectral / len(texts), codes_used_by_first_process=len(used)),
            recogniser=dict(clean=summary(clean_and_coded[:3], texts), coded=summary(clean_and_coded[3:], texts)),
            policy={f"sampled_seed_{seed}": listen(voice, codec, ears, texts, team, seed, sampling["temperature"],
                                                   sampling["top_p"], sampling["longest"]) for seed in SEEDS})
        results[split]["policy"]["greedy"] = listen(voice, codec, ears, texts, team, 0, 0, 1.0, sampling["longest"])
        results[split]["policy"]["sampled_cer_mean"] = float(np.mean(
            [results[split]["policy"][f"sampled_seed_{seed}"]["cer"] for seed in SEEDS]))
    if team.leads:
        text = json.dumps(results, indent=1)
        print(text)
        with open(os.path.join(options.work, options.out), "w", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    options = arguments(__doc__, models=dict(help="folder of the three models"),
                        splits=dict(default="validation,test"), out=dict(default="results.json"))
    options.models = os.path.abspath(options.models or options.work)
    run_as_team(run, options)
