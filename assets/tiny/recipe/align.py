"""Which character is spoken in which code frame: Viterbi alignment with the recogniser's CTC head (after stage B, on clean clips).

The policy's training uses it for an auxiliary loss. A frame's entry is the index of the character being spoken, or of the next
one while nothing is; the length of the text when all is said. Recogniser frames and codes both last 20 ms.
"""

import os

import torch

import recogniser
from common import CHARACTER_ID, Clips, Stage, arguments, load_config, run_as_team, save_rows, sentences, skip_if_done
from train_recogniser import ctc_head

BATCH = 50
HOP = 320
IMPOSSIBLE = -1e9


def viterbi(log_probabilities, texts, frames):
    """log_probabilities [B, T, 28] -> for each clip, the character index of each of its frames.

    States of a text of length L: 0..2L, odd ones its characters, even ones the blanks around them."""
    batch = len(texts)
    states = 2 * max(map(len, texts)) + 1
    symbols = torch.zeros(batch, states, dtype=torch.long)
    for row, text in zip(symbols, texts):
        row[1:2 * len(text):2] = torch.tensor([CHARACTER_ID[c] for c in text])
    may_skip = torch.zeros(batch, states, dtype=torch.bool)  # the blank between two different characters
    may_skip[:, 2:] = (symbols[:, 2:] != 0) & (symbols[:, 2:] != symbols[:, :-2])
    emission = log_probabilities.gather(2, symbols[:, None].expand(-1, log_probabilities.shape[1], -1))

    best = torch.full((batch, states), IMPOSSIBLE)
    best[:, :2] = emission[:, 0, :2]
    history, came_from = [best], []
    for t in range(1, max(frames)):
        stay = best
        step = torch.cat([torch.full((batch, 1), IMPOSSIBLE), best[:, :-1]], 1)
        skip = torch.cat([torch.full((batch, 2), IMPOSSIBLE), best[:, :-2]], 1).masked_fill(~may_skip, IMPOSSIBLE)
        best, back = torch.stack([stay, step, skip]).max(0)
        best = best + emission[:, t]
        history.append(best)
        came_from.append(back)

    paths = []
    for b, (text, count) in enumerate(zip(texts, frames)):
        end = history[count - 1][b]
        state = 2 * len(text) if end[2 * len(text)] > end[2 * len(text) - 1] else 2 * len(text) - 1
        path = [state]
        for t in range(count - 2, -1, -1):
            state -= int(came_from[t][b, state])
            path.append(state)
        paths.append([s // 2 for s in reversed(path)])
    return paths


@torch.no_grad()
def run(options, team):
    stage = Stage(options.work, "align", team)
    source = os.path.join(options.work, "recogniser_b")
    model, head = recogniser.load(os.path.join(source, "model")), ctc_head(load_config()["recogniser"])
    head.load_state_dict(torch.load(os.path.join(source, "ctc_head.pt"), weights_only=True))
    clips, texts, paths = Clips(options.work, "train"), sentences("train"), []
    for start in range(0, len(clips), BATCH):
        waves = [clips[i] for i in range(start, min(len(clips), start + BATCH))]
        encoded = recogniser.encode_audio(model, recogniser.log_mel(recogniser.windows(waves)))
        frames = [min(encoded.shape[1], -(-len(wave) // HOP)) for wave in waves]
        paths += viterbi(torch.log_softmax(head(encoded), -1), texts[start:start + BATCH], frames)
    save_rows(os.path.join(options.work, "codes", "train_alignment.npz"), paths)
    stage.finish(aligned=len(paths), example=[texts[0], paths[0]])


if __name__ == "__main__":
    options = arguments(__doc__)
    os.makedirs(os.path.join(options.work, "codes"), exist_ok=True)
    options.processes = 1
    skip_if_done(Stage(options.work, "align"))
    run_as_team(run, options)
