#!/usr/bin/env python3
"""Compares one rank on two threads with two ranks on one thread each: the demo's steps, A-B-A-B, and their first steps' numbers.

    ./build.sh Trainer && ./build.sh Native-Library
    tests/scaling/ranks.py --out ranks.json

Seconds are the medians of steps after the first; processor seconds are of all ranks together, with the models' loading. Both
do the same work: the samples are the same. On a machine that does other work compare processor seconds. Needs Open MPI.
"""
import argparse, json, os, pathlib, resource, statistics, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LLASA = ROOT / "managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll"


def train(arguments, ranks, threads):
    with tempfile.TemporaryDirectory() as folder:
        command = ["dotnet", arguments.llasa] if arguments.llasa.endswith(".dll") else [arguments.llasa]
        command += ["train", "--config", str(ROOT / "configs/demo.yaml"), "--steps", str(arguments.steps), "--seed", "1", "--out", folder,
                    "--threads", str(threads), "--set", "run.time_limit_minutes=0"]
        if ranks > 1:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks)] + command
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = [json.loads(line) for line in open(f"{folder}/metrics.jsonl", encoding="utf-8")]
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    step = statistics.median(row["seconds/step"] for row in rows[1:])
    print(f"{ranks} ranks x {threads} threads: {step:.3f} s a step, {processor:.1f} processor seconds", file=sys.stderr)
    return {"ranks": ranks, "threads": threads, "step_seconds": step, "processor_seconds": processor,
            "phases": {name: statistics.median(row.get(name, 0) for row in rows[1:]) for name in rows[0] if name.startswith("seconds/")},
            "first_grad_norm": rows[0]["optimiser/grad_norm"], "first_reward": rows[0]["reward/mean"],
            "last_cer": statistics.mean(row["reward/cer"] for row in rows[-5:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--llasa", default=str(LLASA))
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    runs = [train(arguments, *shape) for _ in range(arguments.rounds) for shape in ((1, 2), (2, 1))]

    def median(ranks, key):
        return statistics.median(run[key] for run in runs if run["ranks"] == ranks)
    norms = {ranks: median(ranks, "first_grad_norm") for ranks in (1, 2)}
    result = {
        "what": "The demo's steps (configs/demo.yaml) on one rank with two threads and on two ranks with one thread each, A-B-A-B",
        "how": "tests/scaling/ranks.py",
        "load_average": os.getloadavg(),
        "steps": arguments.steps,
        "speed_ratio": median(1, "step_seconds") / median(2, "step_seconds"),
        "processor_ratio": median(1, "processor_seconds") / median(2, "processor_seconds"),
        "first_grad_norm_relative_difference": abs(norms[2] / norms[1] - 1),
        "runs": runs,
    }
    pathlib.Path(arguments.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"speed {result['speed_ratio']:.2f}, processor time {result['processor_ratio']:.2f}, norms differ by {result['first_grad_norm_relative_difference']:.1e}")


if __name__ == "__main__":
    main()
