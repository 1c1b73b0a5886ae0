"""Does supervised training take the memory of its models, however many utterances there are?

    python3 tests/corpus/memory.py [RESULT.json]      after ./build.sh demo (or any build of library and program); the standard library alone

Writes corpora of 15,000 and of 45,000 utterances as Parquet, each in one row group (`llasa prepare`), has `llasa sft` train on them for as many
steps in turn, A-B-A-B, and compares the peaks of resident memory that the kernel kept of the processes. Fails when the larger corpus takes
more by a quarter of what its codes alone would take in memory. LLASA names the program, SIZES=1500,15000 other sizes.

What has a bound grows to it first: the tokenizer's cache of words, what .NET compiles of code that runs long, the Parquet library's pool.
15,000 utterances fill these, 1,500 do not.
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
SIZES = tuple(int(n) for n in os.environ.get("SIZES", "15000,45000").split(","))
CODES, STEPS, ROUNDS = (250, 400), 6, 3
CODE_BYTES = 4


def run(*arguments):
    """Runs the program; its peak of resident memory in bytes, and its processor seconds."""
    process = subprocess.Popen([*LLASA, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
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
    if sys.argv[1:]:
        pathlib.Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")
    if growth > in_memory / 4:
        raise SystemExit(f"{large:,} utterances take {growth / 1e6:.1f} MB more than {small:,}; their codes alone are {in_memory / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
