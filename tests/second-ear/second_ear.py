#!/usr/bin/env python3
"""What an ear hears that never rewarded: CMU PocketSphinx with its acoustic model of US English, in evaluations of the tiny world.

    llasa eval --seed 1 --sounds shipped
    llasa eval --seed 1 --sounds trained --policy artifacts/demo/policy
    tests/second-ear/second_ear.py OUTPUT.json shipped trained

Each folder holds the sounds of one evaluation (`llasa eval --sounds`), all of the same texts with the same seed; the first is what the others are
compared with. PocketSphinx listens with a grammar in which any word of the tiny world may follow any other. Needs Debian's pocketsphinx and
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


def vocabulary():
    words = sorted({word for split in ("train", "validation", "test") for text in (SENTENCES / f"{split}.txt").read_text().splitlines() for word in text.split()})
    known = {line.split(" ", 1)[0] for line in (MODEL / "cmudict-en-us.dict").read_text().split("\n")}
    unknown = [word for word in words if word not in known]
    if unknown:
        raise SystemExit(f"PocketSphinx's dictionary lacks {unknown}")
    return words


def samples(folder):
    """Of each sample of an evaluation: name, text, and what the recogniser that rewards heard."""
    found = []
    for note in sorted(folder.glob("*.txt")):
        fields = dict(line.split(": ", 1) for line in note.read_text().splitlines() if ": " in line)
        found.append((note.stem, fields["text"], fields.get("heard", "")))
    if not found:
        raise SystemExit(f"{folder}: no sounds of `llasa eval --sounds` in it")
    return found


def listen(folder, names, words):
    """Transcripts of FOLDER/NAME.wav."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "clips").write_text("".join(f"{name}\n" for name in names))
        (work / "words.jsgf").write_text(f"#JSGF V1.0;\ngrammar words;\npublic <words> = ( {' | '.join(words)} )+;\n")
        # 44 bytes of header before the samples; every other setting is the model's or the program's own.
        run(["pocketsphinx_batch", "-hmm", MODEL / "en-us", "-dict", MODEL / "cmudict-en-us.dict", "-jsgf", work / "words.jsgf", "-adcin", "yes",
             "-adchdr", "44", "-cepdir", folder, "-cepext", ".wav", "-ctl", work / "clips", "-hyp", work / "heard", "-logfn", work / "log"])
        lines = (work / "heard").read_text().split("\n")[:-1]
    if len(lines) != len(names):
        raise SystemExit(f"{folder}: {len(lines)} transcripts, expected {len(names)}")
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


def rate(texts):
    return sum(e for e, _ in texts) / sum(n for _, n in texts)


def by_text(rows, heard):
    """(edits, characters) of each text, summed over its samples: samples of one text are not independent."""
    sums = {}
    for (name, text, _), said in zip(rows, heard):
        e, n = sums.get(name.split("-")[0], (0, 0))
        sums[name.split("-")[0]] = (e + edits(text, said), n + len(text))
    return list(sums.values())


def interval(before, after):
    """95 % percentiles of the difference of error rates, texts drawn with replacement, the same of both sides."""
    draw = random.Random(SEED)
    differences = []
    for _ in range(RESAMPLES):
        chosen = draw.choices(range(len(before)), k=len(before))
        differences.append(rate([after[i] for i in chosen]) - rate([before[i] for i in chosen]))
    differences.sort()
    return [differences[round(q * (RESAMPLES - 1))] for q in (0.025, 0.975)]


def measured(texts, first):
    return {"cer": rate(texts)} | ({} if texts is first else {"difference": rate(texts) - rate(first), "ci95": interval(first, texts)})


def main(output, folders):
    words = vocabulary()
    rows = {folder: samples(folder) for folder in folders}
    said = {folder: [(name, text) for name, text, _ in rows[folder]] for folder in folders}
    for folder in folders[1:]:
        if said[folder] != said[folders[0]]:
            raise SystemExit(f"{folder}: not the texts and samples of {folders[0]}")
    with ThreadPoolExecutor(2) as pool:
        heard = list(pool.map(lambda folder: listen(folder, [name for name, _, _ in rows[folder]], words), folders))
    second = [by_text(rows[folder], transcripts) for folder, transcripts in zip(folders, heard)]
    rewarding = [by_text(rows[folder], [transcript for _, _, transcript in rows[folder]]) for folder in folders]
    result = {
        "what": "CER of CMU PocketSphinx (word-loop grammar over the tiny world's words), which never rewarded, and of the recogniser that did, of the "
                "same samples; differences from the first, with 95 % of bootstrap resamples of the texts",
        "ear": run(["dpkg-query", "-W", "-f", "${Package} ${Version}; ", "pocketsphinx", "pocketsphinx-en-us"]).strip("; "),
        "words": len(words),
        "texts": len(second[0]),
        "samples": len(rows[folders[0]]),
        "evaluations": {str(folder): {"second_ear": measured(a, second[0]), "rewarding_ear": measured(b, rewarding[0])}
                        for folder, a, b in zip(folders, second, rewarding)},
    }
    Path(output).write_text(json.dumps(result, indent=1) + "\n")
    for folder, ears in result["evaluations"].items():
        ear = ears["second_ear"]
        print(f"{folder}: CER {100 * ear['cer']:.1f} % by the second ear, {100 * ears['rewarding_ear']['cer']:.1f} % by the first" +
              (f"; by the second {100 * ear['ci95'][0]:+.1f} to {100 * ear['ci95'][1]:+.1f} points from the first folder's" if "ci95" in ear else ""))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], [Path(folder) for folder in sys.argv[2:]])
