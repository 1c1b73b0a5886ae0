#!/usr/bin/env python3
"""What an ear hears that never rewarded: CMU PocketSphinx with its acoustic model of US English, on two policies of the tiny world.

    tests/second-ear/second_ear.py LLASA BEFORE AFTER OUTPUT.json

LLASA is the program, BEFORE and AFTER are directories of policies. Both say the 400 test sentences once with the same seeds
(`llasa compare --sounds`); PocketSphinx listens with a grammar in which any word of the tiny world may follow any other. Needs Debian's pocketsphinx and
pocketsphinx-en-us; nothing else than Python's standard library.
"""

import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = ROOT / "assets" / "tiny" / "sentences"
MODEL = Path("/usr/share/pocketsphinx/model/en-us")
RESAMPLES = 10_000
SEED = 1


def run(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout


def texts(split):
    return (SENTENCES / f"{split}.txt").read_text().split("\n")[:-1]


def vocabulary():
    words = sorted({word for split in ("train", "validation", "test") for text in texts(split) for word in text.split()})
    known = {line.split(" ", 1)[0] for line in (MODEL / "cmudict-en-us.dict").read_text().split("\n")}
    unknown = [word for word in words if word not in known]
    if unknown:
        raise SystemExit(f"PocketSphinx's dictionary lacks {unknown}")
    return words


def listen(folder, names, words):
    """Transcripts of FOLDER/NAME.wav."""
    (folder / "clips").write_text("".join(f"{name}\n" for name in names))
    (folder / "words.jsgf").write_text(f"#JSGF V1.0;\ngrammar words;\npublic <words> = ( {' | '.join(words)} )+;\n")
    # 44 bytes of header before the samples; every other setting is the model's or the program's own.
    run(["pocketsphinx_batch", "-hmm", MODEL / "en-us", "-dict", MODEL / "cmudict-en-us.dict", "-jsgf", folder / "words.jsgf", "-adcin", "yes",
         "-adchdr", "44", "-cepdir", folder, "-cepext", ".wav", "-ctl", folder / "clips", "-hyp", folder / "heard", "-logfn", folder / "log"])
    lines = (folder / "heard").read_text().split("\n")[:-1]
    if len(lines) != len(names):
        raise SystemExit(f"{folder}/heard: {len(lines)} transcripts, expected {len(names)}")
    # "words of the transcript (name score)"; a word that the dictionary has in several ways may carry a number.
    return [" ".join(word.split("(")[0] for word in line.rsplit("(", 1)[0].split()) for line in lines]


def edits(a, b):
    """Levenshtein distance of characters."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def rate(pairs):
    return sum(e for e, _ in pairs) / sum(n for _, n in pairs)


def interval(before, after):
    """95 % percentiles of the difference of error rates, texts drawn with replacement, the same of both sides."""
    draw = random.Random(SEED)
    differences = []
    for _ in range(RESAMPLES):
        chosen = draw.choices(range(len(before)), k=len(before))
        differences.append(rate([after[i] for i in chosen]) - rate([before[i] for i in chosen]))
    differences.sort()
    return [differences[round(q * (RESAMPLES - 1))] for q in (0.025, 0.975)]


def main(llasa, before, after, output):
    sentences, words = texts("test"), vocabulary()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run([llasa, "compare", before, after, "--names", "before,after", "--samples", 1, "--seed", SEED, "--clips", 0, "--sounds", "--out", folder])
        names = [f"{i}-1" for i in range(1, len(sentences) + 1)]
        with ThreadPoolExecutor(2) as pool:
            heard = list(pool.map(lambda side: listen(folder / side, names, words), ("sounds-before", "sounds-after")))
        rewarding = json.loads((folder / "comparison.json").read_text())["measures"]["cer"]
    sides = [[(edits(text, said), len(text)) for text, said in zip(sentences, transcripts)] for transcripts in heard]
    result = {
        "what": "CER of CMU PocketSphinx (word-loop grammar over the tiny world's words), which never rewarded, and of the tiny recogniser, which did, "
                "on the test sentences, one sample each, the same seeds",
        "ear": run(["dpkg-query", "-W", "-f", "${Package} ${Version}; ", "pocketsphinx", "pocketsphinx-en-us"]).strip("; "),
        "words": len(words),
        "sentences": len(sentences),
        "seed": SEED,
        "second_ear": {"cer_before": rate(sides[0]), "cer_after": rate(sides[1]), "difference": rate(sides[1]) - rate(sides[0]), "ci95": interval(*sides)},
        "rewarding_ear": rewarding,
    }
    Path(output).write_text(json.dumps(result, indent=1) + "\n")
    ear = result["second_ear"]
    print(f"second ear: CER {100 * ear['cer_before']:.1f} % -> {100 * ear['cer_after']:.1f} %, "
          f"95 % interval of the difference {100 * ear['ci95'][0]:+.1f} to {100 * ear['ci95'][1]:+.1f} points")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
