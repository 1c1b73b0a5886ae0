#!/usr/bin/env python3
"""Trains the tiny world by the native engine and by torch, from the same seed, and compares: steps, seconds, memory.

    ./build.sh engine-torch && ./build.sh Trainer && ./build.sh Native-Library
    tests/engines/engines.py --out engines.json

Three runs of the demo's settings (configs/demo.yaml): native, torch, and native with the products of another instruction set,
which rounds otherwise and so says how far two runs of one engine drift apart. Then a few steps of native and torch for their
seconds and peak memory; --only curves and --only cost do one of both, and leave the other's numbers in the file. The machine
must be idle for the second. Fails when the engines do not agree.
"""
import argparse, json, math, os, pathlib, statistics, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LLASA = ROOT / "managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll"
NORM_BOUND = 1e-4  # both sum some 1e5 products in float32: sqrt(1e5) eps is 4e-5
GAP_BOUND = 1e-4


def train(arguments, name, engine, steps, environment=None):
    """Metrics of each step, processor seconds and peak resident bytes of the process."""
    with tempfile.TemporaryDirectory() as folder:
        program = ["dotnet", arguments.llasa] if arguments.llasa.endswith(".dll") else [arguments.llasa]
        command = program + ["train", "--config", str(ROOT / "configs/demo.yaml"), "--engine", engine, "--steps", str(steps), "--seed", str(arguments.seed),
                           "--out", folder, "--set", "run.time_limit_minutes=0", "--set", "models.policy_type=f32", "--set", "models.scoring_type=f32"]
        process = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{name}: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
        with open(f"{folder}/metrics.jsonl", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        with open(f"{folder}/run.json", encoding="utf-8") as file:
            manifest = json.load(file)
    print(f"{name}: {len(rows)} steps, {usage.ru_utime + usage.ru_stime:.0f} processor seconds, {usage.ru_maxrss / 1024:.0f} MiB", file=sys.stderr)
    return rows, usage, manifest


def curve(rows):
    return [row["reward/cer"] for row in rows]


def paired(a, b):
    """Mean of b - a over steps with its 95 % interval: both draw the same texts at the same step."""
    differences = [y - x for x, y in zip(a, b)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    mean = statistics.mean(differences)
    return {"mean": mean, "ci95": [mean - 1.96 * error, mean + 1.96 * error], "mean_absolute": statistics.mean(map(abs, differences))}


def curves(arguments):
    runs = {name: train(arguments, name, engine, arguments.steps, environment) for name, engine, environment in (
        ("native", "native", None), ("torch", "torch", None), ("native_other_rounding", "native", {"LLASA_ISA": "scalar" if arguments.scalar else "avx2"}))}
    manifest = runs["native"][2]
    runs = {name: rows for name, (rows, _, _) in runs.items()}
    norms = {name: rows[0]["optimiser/grad_norm"] for name, rows in runs.items()}
    cer = {name: curve(rows) for name, rows in runs.items()}
    return {
        "steps": arguments.steps,
        "seed": arguments.seed,
        "device": manifest["device"],
        "version": manifest["version"],
        "first_grad_norm": norms,
        "first_grad_norm_relative_difference": abs(norms["torch"] - norms["native"]) / norms["native"],
        "logprob_gap_mean": {name: max(row["policy/logprob_gap_mean"] for row in rows) for name, rows in runs.items()},
        "logprob_gap_max": {name: max(row["policy/logprob_gap_max"] for row in rows) for name, rows in runs.items()},
        "cer_first_10": {name: statistics.mean(values[:10]) for name, values in cer.items()},
        "cer_last_10": {name: statistics.mean(values[-10:]) for name, values in cer.items()},
        "cer_difference": {name: paired(cer["native"], cer[name]) for name in ("torch", "native_other_rounding")},
        "cer": cer,
    }


def cost(arguments):
    result = {"steps": arguments.cost_steps}
    for engine in ("native", "torch"):
        rows, usage, manifest = train(arguments, engine, engine, arguments.cost_steps)
        later = rows[1:]  # the first step warms up
        result[engine] = {
            "seconds_per_step": statistics.median(row["seconds/step"] for row in later),
            "seconds_gradient": statistics.median(row["seconds/gradient"] for row in later),
            "seconds_update": statistics.median(row["seconds/update"] for row in later),
            "processor_seconds": usage.ru_utime + usage.ru_stime,
            "peak_resident_bytes": usage.ru_maxrss * 1024,
        }
        result["device"], result["version"] = manifest["device"], manifest["version"]
    return result


def faults(result):
    if "curves" in result:
        got = result["curves"]
        if not got["first_grad_norm_relative_difference"] <= NORM_BOUND:
            yield f"first gradient norms differ by {got['first_grad_norm_relative_difference']:.1e}, expected at most {NORM_BOUND}"
        if not got["logprob_gap_max"]["torch"] <= GAP_BOUND:
            yield f"log-prob gap under torch is {got['logprob_gap_max']['torch']:.1e}, expected at most {GAP_BOUND}"
        low, high = got["cer_difference"]["torch"]["ci95"]
        if not low <= 0 <= high:
            yield f"CER under torch minus CER under native is {low:.4f} to {high:.4f} at 95 %, expected 0 in between"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="JSON file; what it holds of the half that is not run stays")
    parser.add_argument("--llasa", default=str(LLASA), help="the program; default: the build of these sources")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--cost-steps", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scalar", action="store_true", help="the third run computes without AVX2, for machines that have no more than that")
    parser.add_argument("--only", choices=["curves", "cost"])
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    result = json.loads(out.read_text()) if out.exists() else {}
    result["what"] = "The demo's settings (configs/demo.yaml) trained by the native engine and by torch, from the same seed"
    result["how"] = "tests/engines/engines.py"
    if arguments.only != "cost":
        result["curves"] = curves(arguments)
    if arguments.only != "curves":
        result["cost"] = cost(arguments)
    out.write_text(json.dumps(result, indent=1) + "\n")
    found = list(faults(result))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
