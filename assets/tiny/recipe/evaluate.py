"""Final numbers of finished models on the test sentences, which no other stage looks at.

    python3 evaluate.py --models DIR     DIR holds xcodec2/, whisper/ and, when it is finished, policy/;
                                         default: the work folder
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


def speaking(models, codec, ears, texts, team):
    """The policy's numbers: sampled with each seed, and greedy."""
    voice, sampling = policy.load(os.path.join(models, "policy")), load_config()["sampling"]
    longest = sampling["longest"]
    runs = {f"sampled_seed_{seed}": listen(voice, codec, ears, texts, team, seed, sampling["temperature"],
                                           sampling["top_p"], longest) for seed in SEEDS}
    mean = float(np.mean([run["cer"] for run in runs.values()]))
    return {**runs, "greedy": listen(voice, codec, ears, texts, team, 0, 0, 1.0, longest), "sampled_cer_mean": mean}


def run(options, team):
    torch.set_grad_enabled(False)
    codec = Xcodec2Model.from_pretrained(os.path.join(options.models, "xcodec2"))
    ears = recogniser.load(os.path.join(options.models, "whisper"))
    names = [n for n in ("policy", "xcodec2", "whisper") if os.path.exists(os.path.join(options.models, n))]
    results = {"megabytes": {}}
    for name in names:
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
            recogniser=dict(clean=summary(clean_and_coded[:3], texts), coded=summary(clean_and_coded[3:], texts)))
        if "policy" in names:
            results[split]["policy"] = speaking(options.models, codec, ears, texts, team)
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
