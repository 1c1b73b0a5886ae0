"""Does supervised training take the memory of its models, however many utterances there are?

    python3 tests/corpus/memory.py [--default-budget] [RESULT.json]      after ./build.sh demo (or any build of library and program); the standard library alone

Writes corpora of 1,500 and of 15,000 utterances as Parquet, each in one row group (`llasa prepare`), has `llasa sft` train on them for as many
steps in turn, A-B-A-B, and compares the peaks of resident memory that the kernel kept of the processes. Fails when the larger corpus takes
more by a quarter of what its codes alone would take in memory. LLASA names the program.

.NET collects garbage when new objects fill a budget, by default about the size of the processor's cache, which the smaller corpus does not
fill: BUDGET makes it small for both, so that what is compared is what is kept. `--default-budget` leaves it alone.
"""

import json
import os
import pathlib
import random
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
LLASA = shlex.split(os.environ.get("LLASA", f"dotnet {ROOT}/managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll"))
SIZES, CODES, STEPS, ROUNDS = (1_500, 15_000), (250, 400), 6, 3
BUDGET = 6 << 20  # bytes
CODE_BYTES = 4
DEFAULT = "--default-budget" in sys.argv[1:]
RESULTS = [a for a in sys.argv[1:] if not a.startswith("--")]


def run(*arguments):
    """Runs the program; its peak of resident memory in bytes, and its processor seconds."""
    environment = os.environ if DEFAULT else {**os.environ, "DOTNET_GCGen0MaxBudget": f"{BUDGET:x}"}
    process = subprocess.Popen(
        [*LLASA, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"llasa {arguments[0]} ended with {process.returncode}: {errors}")
    return usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def corpus(folder, size):
    """Texts are all different, codes random: no compression makes either small."""
    source, rng, codes = folder / f"{size}.jsonl", random.Random(size), 0
    with open(source, "w", encoding="utf-8") as file:
        for i in range(size):
            said = [rng.randrange(1024) for _ in range(rng.randint(*CODES))]
            codes += len(said)
            file.write(json.dumps({"text": f"utterance {i} of many", "codes": said}) + "\n")
    run("prepare", source, "-o", folder / str(size), "--test-ratio", "0", "--seed", "1")
    data = folder / str(size) / "train.parquet"
    return {"data": data, "codes": codes, "file_bytes": data.stat().st_size}


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        corpora = {size: corpus(folder, size) for size in SIZES}
        peaks, seconds = {size: [] for size in SIZES}, {size: [] for size in SIZES}
        for turn in range(ROUNDS):
            for size in SIZES:
                peak, used = run(
                    "sft", "--data", corpora[size]["data"], "--steps", STEPS, "--out", folder / f"run-{size}-{turn}", "--set", "run.save_every=0")
                peaks[size].append(peak)
                seconds[size].append(round(used, 1))
    small, large = SIZES
    growth = statistics.median(peaks[large]) - statistics.median(peaks[small])
    in_memory = (corpora[large]["codes"] - corpora[small]["codes"]) * CODE_BYTES
    result = {
        "what": f"peak resident memory of `llasa sft` on the tiny policy, {STEPS} steps of 24 utterances, by utterances in the Parquet file; tests/corpus/memory.py",
        "garbage_budget_bytes": None if DEFAULT else BUDGET,
        "codes_of_an_utterance": list(CODES),
        "corpora": {str(size): {
            "codes": c["codes"], "parquet_bytes": c["file_bytes"], "peak_bytes": peaks[size], "median_peak_bytes": int(statistics.median(peaks[size])),
            "processor_seconds": seconds[size]} for size, c in corpora.items()},
        "growth_bytes": int(growth),
        "codes_more_bytes": in_memory,
        "share": round(growth / in_memory, 3),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if RESULTS:
        pathlib.Path(RESULTS[0]).write_text(text + "\n", encoding="utf-8")
    if growth > in_memory / 4:
        raise SystemExit(f"15,000 utterances take {growth / 1e6:.1f} MB more than 1,500; their codes alone are {in_memory / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
