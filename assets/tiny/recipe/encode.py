"""Speech codes of the clips, and what the codec makes of them (`<set>_coded`: the recogniser's stage B learns from it)."""

import os

import torch

from common import (Clips, Stage, arguments, load_config, load_rows, run_as_team, same_length_batches, save_rows,
                    skip_if_done, to_int16)
from xcodec2 import Xcodec2Model

LARGEST_BATCH = 16


def encode_set(model, work, name, count, stage, team):
    """This process's share of a clip set, kept in a part file."""
    part = stage.path(f"{name}.{team.rank}of{team.size}")
    if os.path.exists(part + ".waves.npz"):
        return
    clips = Clips(work, name)
    lengths = [len(clips[i]) // model.hop for i in range(min(count, len(clips)))]
    rows, codes, waves = [], [], []
    for number, batch in enumerate(team.share(same_length_batches(lengths, LARGEST_BATCH))):
        frames = (lengths[batch[0]] + 1) * model.hop  # encode() appends 1 to `hop` zeros: to this length for each
        padded = torch.zeros(len(batch), frames - 1)
        for row, index in zip(padded, batch):
            row[:len(clips[index])] = torch.tensor(clips[index])
        made = model.encode(padded)
        rows += batch
        codes += list(made.numpy().astype("int16"))
        waves += [to_int16(wave) for wave in model.decode(made).numpy()]
        if number % 100 == 99:
            stage.log(clips=name, encoded_by_first_process=len(rows))
    save_rows(part + ".codes.npz", codes)
    save_rows(part + ".rows.npz", [[row] for row in rows])
    save_rows(part + ".waves.npz", waves)


def merge(work, name, stage, size):
    together = {}
    for rank in range(size):
        part = stage.path(f"{name}.{rank}of{size}")
        indices = [int(row[0]) for row in load_rows(part + ".rows.npz")]
        for index, codes, wave in zip(indices, load_rows(part + ".codes.npz"), load_rows(part + ".waves.npz")):
            together[index] = codes, wave
    ordered = [together[index] for index in range(len(together))]
    os.makedirs(os.path.join(work, "codes"), exist_ok=True)
    save_rows(os.path.join(work, "codes", f"{name}.npz"), [codes for codes, _ in ordered])
    Clips.save(work, f"{name}_coded", [wave for _, wave in ordered])
    used = torch.bincount(torch.cat([torch.tensor(codes).long() for codes, _ in ordered])).double()
    share = used[used > 0] / used.sum()
    return dict(clips=len(ordered), mean_codes=round(float(used.sum()) / len(ordered), 2), codes_used=len(share),
                code_perplexity=round(float(torch.exp(-(share * share.log()).sum())), 1))


def run(options, team):
    stage = Stage(options.work, "encode", team)
    model = Xcodec2Model.from_pretrained(os.path.join(options.work, "xcodec2"))
    counts = {"validation": 10 ** 9, "test": 10 ** 9, "train": load_config()["encode"]["train_clips"]}
    for name, count in counts.items():
        encode_set(model, options.work, name, count, stage, team)
    team.add(0)  # wait for the others
    if team.leads:
        stage.finish(**{name: merge(options.work, name, stage, team.size) for name in counts})


if __name__ == "__main__":
    options = arguments(__doc__)
    skip_if_done(Stage(options.work, "encode"))
    run_as_team(run, options)
