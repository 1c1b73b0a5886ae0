#!/usr/bin/env python3
"""Does a policy become as good on several ranks as on one? The demo's settings on each number of ranks, from the same seed; then test sentences.

    ./build.sh Trainer && ./build.sh Native-Library
    tests/scaling/ranks_cer.py --work artifacts/ranks-cer --out ranks-cer.json

Every policy says the same sentences with the same random numbers, in f32, and `llasa report` draws the paired intervals: of each number of ranks
from every smaller one, and between seeds of one number, where there are several, which is the noise that the former are to be held against. Sums are
rounded otherwise on another number of ranks, so after some steps the samples are others: as by another seed. What is in the work folder already is not
done again. It measures no speed. Needs Open MPI.
"""
import argparse, itertools, json, os, pathlib, shlex, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LLASA = ROOT / "managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll"


class Table:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = pathlib.Path(arguments.work)
        self.llasa = ["dotnet", arguments.llasa] if arguments.llasa.endswith(".dll") else [arguments.llasa]

    def run(self, command, ranks=1):
        """Several ranks have one thread each, one rank has two: as many threads as two ranks."""
        if ranks > 1:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks)] + command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)

    def folder(self, ranks, seed):
        return self.work / f"{ranks}-ranks-seed-{seed}"

    def train(self, ranks, seed):
        folder = self.folder(ranks, seed)
        if not (folder / "policy").is_dir():   # a run that was interrupted goes on
            self.run(self.llasa + ["train", "--config", str(ROOT / "configs/demo.yaml"), "--steps", str(self.arguments.steps), "--seed", str(seed), "--out", str(folder),
                                   "--threads", str(threads(ranks)), "--set", "run.time_limit_minutes=0", "--set", "run.save_every=20", "--set", "run.keep=1"], ranks)
        self.evaluate(folder, "--policy", str(folder / "policy"))

    def evaluate(self, folder, *policy):
        if not (folder / "evaluation/summary.json").is_file():
            self.run(self.llasa + ["eval", "--limit", str(self.arguments.sentences), "--samples", str(self.arguments.samples), "--seed", "1",
                                   "--policy-type", "f32", "--scoring-type", "f32", "--set", "reward.normalization=basic", "--out", str(folder / "evaluation"), *policy])

    def report(self, folders):
        """CER of each, and its paired difference from the first."""
        out = self.work / "report"
        self.run(self.llasa + ["report", *map(str, folders), "--seed", "1", "--out", str(out)])
        return [run["measures"]["cer"] for run in json.loads((out / "report.json").read_text(encoding="utf-8"))["runs"]]


def threads(ranks):
    return 2 if ranks == 1 else 1


def metrics(folder):
    return [json.loads(line) for line in open(folder / "metrics.jsonl", encoding="utf-8")]


def numbers(text):
    return [int(number) for number in text.split(",")]


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} processors, {model}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="folder of runs and evaluations, which stays")
    parser.add_argument("--out", required=True)
    parser.add_argument("--llasa", default=str(LLASA))
    parser.add_argument("--ranks", type=numbers, default=[1, 2, 4])
    parser.add_argument("--seeds", type=numbers, default=[1])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--samples", type=int, default=2, help="of each sentence")
    arguments = parser.parse_args()
    table = Table(arguments)
    # The last commit that changed what is measured; asked now, for the tree may go on meanwhile.
    program = subprocess.run(["git", "log", "-1", "--format=%h", "--", "managed", "native", "bindings", "configs/demo.yaml"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    runs, differences = [], []
    start = table.work / "shipped"
    table.evaluate(start)

    def differ(one, other):   # each is (ranks, seed)
        difference = table.report([table.folder(*one), table.folder(*other)])[1]["difference"]
        differences.append({"of": {"ranks": other[0], "seed": other[1]}, "from": {"ranks": one[0], "seed": one[1]}, **difference})
        print(f"{other} - {one}: {100 * difference['value']:+.2f} points ({100 * difference['low']:+.2f} to {100 * difference['high']:+.2f})", file=sys.stderr)

    for seed in arguments.seeds:
        for ranks in arguments.ranks:
            table.train(ranks, seed)
            folder = table.folder(ranks, seed)
            rows = metrics(folder)
            cer = table.report([start, folder])[1]
            runs.append({"ranks": ranks, "threads": threads(ranks), "seed": seed, "steps": len(rows), "cer": cer["value"], "difference_from_shipped": cer["difference"],
                         "first_grad_norm": rows[0]["optimiser/grad_norm"], "steps_with_the_first_ones_tokens":
                         sum(1 for _ in itertools.takewhile(lambda pair: pair[0]["rollout/tokens"] == pair[1]["rollout/tokens"], zip(rows, metrics(table.folder(arguments.ranks[0], seed)))))})
        for few, many in itertools.combinations(arguments.ranks, 2):
            differ((few, seed), (many, seed))
    for ranks in arguments.ranks:
        for one, other in itertools.combinations(arguments.seeds, 2):
            differ((ranks, one), (ranks, other))
    result = {
        "what": "CER on test sentences after the demo's settings (configs/demo.yaml) on several numbers of ranks; differences are paired, with 95 % of 10,000 bootstrap resamples of the sentences",
        "how": f"tests/scaling/ranks_cer.py {shlex.join(sys.argv[1:])}",
        "machine": machine(),
        "program_of": program,
        "steps": arguments.steps,
        "sentences": arguments.sentences,
        "samples_per_sentence": arguments.samples,
        "evaluated_in": "f32",
        "shipped_cer": table.report([start])[0]["value"],
        "runs": runs,
        "differences": differences,
    }
    pathlib.Path(arguments.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
