"""What all stages share: configuration, sentences, clips on disk, schedules, resuming, data parallelism."""

import argparse
import datetime
import json
import math
import os
import sys
import tempfile
import time
import tomllib

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing

HERE = os.path.dirname(os.path.abspath(__file__))
SENTENCES = os.path.join(HERE, "..", "sentences")
CHARACTERS = " abcdefghijklmnopqrstuvwxyz"
CHARACTER_ID = {c: i + 1 for i, c in enumerate(CHARACTERS)}  # 0 is CTC's blank, or "no character"


def load_config():
    with open(os.path.join(HERE, "config.toml"), "rb") as file:
        return tomllib.load(file)


def arguments(description, **extra):
    """The command line every stage has, plus `extra` (name -> keyword arguments of add_argument)."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--work", default="build/tiny", help="folder for audio, codes, checkpoints and logs")
    parser.add_argument("--processes", type=int, default=1, help="data-parallel processes, one thread each")
    for name, options in extra.items():
        parser.add_argument(f"--{name}", **options)
    options = parser.parse_args()
    options.work = os.path.abspath(options.work)
    os.makedirs(options.work, exist_ok=True)
    return options


def sentences(split):
    with open(os.path.join(SENTENCES, f"{split}.txt"), encoding="utf-8") as file:
        return file.read().splitlines()


# ------------------------------------------------------------------------------------ clips


class Clips:
    """Waveforms of different lengths: `<name>.i16` (one after another) and `<name>.npy` (offsets)."""

    def __init__(self, work, name):
        stem = os.path.join(work, "audio", name)
        self.offsets = np.load(stem + ".npy")
        self.samples = np.memmap(stem + ".i16", np.int16, "r")

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        return self.samples[self.offsets[index]:self.offsets[index + 1]].astype(np.float32) / 32767

    @staticmethod
    def save(work, name, waves):
        stem = os.path.join(work, "audio", name)
        os.makedirs(os.path.dirname(stem), exist_ok=True)
        np.concatenate(waves).astype(np.int16).tofile(stem + ".i16")
        np.save(stem + ".npy", np.cumsum([0] + [len(w) for w in waves]))

    @staticmethod
    def exist(work, name):
        return os.path.exists(os.path.join(work, "audio", name + ".npy"))


def to_int16(wave):
    return (np.clip(wave, -1, 1) * 32767).astype(np.int16)


def save_rows(path, rows):
    """Integer rows of different lengths in one .npz file."""
    np.savez(path, values=np.concatenate(rows), offsets=np.cumsum([0] + [len(r) for r in rows]))


def load_rows(path):
    with np.load(path) as data:
        return np.split(data["values"], data["offsets"][1:-1])


def same_length_batches(lengths, largest):
    """Indices in groups of equal length, at most `largest` each: nothing needs padding or a mask."""
    by_length = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(int(length), []).append(index)
    return [rows[k:k + largest] for _, rows in sorted(by_length.items()) for k in range(0, len(rows), largest)]


# ------------------------------------------------------------------------------------ training


def cosine(step, steps, peak, warmup, floor):
    """Learning rate of step 0..steps-1."""
    return peak * min(1.0, (step + 1) / warmup) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def constant_then_line(step, constant, decay, peak, warmup, floor):
    """Learning rate of step 0..constant+decay-1. How long to train can be decided late: until the decay nothing depends on it."""
    fallen = max(0, step - constant) / decay
    return peak * min(1.0, (step + 1) / warmup) * (1 - (1 - floor) * fallen)


def generator(seed, step):
    """Random numbers of one step: they depend on nothing that happened before, so a resumed run draws the same."""
    return np.random.default_rng([seed, step])


class Team:
    """The processes that train one model together; alone, it does nothing."""

    def __init__(self, rank=0, size=1):
        self.rank, self.size = rank, size

    @property
    def leads(self):
        return self.rank == 0

    def share(self, rows):
        return rows[self.rank::self.size]

    def add_gradients(self, parameters):
        """Sum over the processes. Losses are divided by the whole batch's count beforehand."""
        if self.size == 1:
            return
        flat = torch.cat([p.grad.flatten() for p in parameters])
        dist.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters])):
            parameter.grad.copy_(part.view_as(parameter))

    def add(self, *numbers):
        total = torch.tensor(numbers, dtype=torch.float64)
        if self.size > 1:
            dist.all_reduce(total)
        return total.tolist()


def _member(rank, function, options, meeting_point):
    torch.set_num_threads(1)
    if options.processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank,
                                world_size=options.processes, timeout=datetime.timedelta(hours=6))
    function(options, Team(rank, options.processes))
    if options.processes > 1:
        dist.destroy_process_group()


def run_as_team(function, options):
    """function(options, team) in `options.processes` processes."""
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = os.path.join(folder, "rendezvous")
        if options.processes == 1:
            _member(0, function, options, meeting_point)
        else:
            torch.multiprocessing.spawn(_member, (function, options, meeting_point), options.processes)


class Stage:
    """A stage's folder: `log.jsonl`, `state.pt` to resume from, `done.json` with its final numbers."""

    def __init__(self, work, name, team=None):
        self.folder, self.team = os.path.join(work, name), team or Team()
        os.makedirs(self.folder, exist_ok=True)
        self.started = time.monotonic()

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def done(self):
        return os.path.exists(self.path("done.json"))

    def log(self, **values):
        if not self.team.leads:
            return
        values = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        values["seconds"] = round(time.monotonic() - self.started, 1)
        line = json.dumps(values)
        print(os.path.basename(self.folder), line, flush=True)
        with open(self.path("log.jsonl"), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def finish(self, **values):
        self.log(**values)
        if self.team.leads:
            with open(self.path("done.json"), "w", encoding="utf-8") as file:
                json.dump(values, file, indent=1)

    def save(self, step, **parts):
        """State after `step` steps; replaces the old one in one move, so a kill leaves one of the two."""
        if not self.team.leads:
            return
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save({"step": step, **state}, self.path("state.tmp"))
        os.replace(self.path("state.tmp"), self.path("state.pt"))

    def resume(self, **parts):
        """Number of steps already done; the parts are put back where they were."""
        if not os.path.exists(self.path("state.pt")):
            return 0
        state = torch.load(self.path("state.pt"), weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return state["step"]


def skip_if_done(stage):
    if stage.done:
        print(f"{os.path.basename(stage.folder)}: done already", flush=True)
        sys.exit(0)


def set_learning_rate(optimiser, rate):
    for group in optimiser.param_groups:
        group["lr"] = rate


# ------------------------------------------------------------------------------------ character error rate


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        diagonal, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            diagonal, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, diagonal + (x != y))
    return row[-1]


def character_error_rate(heard, meant):
    return sum(map(edit_distance, heard, meant)) / sum(map(len, meant))
