"""Writes the fixtures tests/fixtures/pitch/*: synthetic speech and its fundamental frequency as Praat sees it.

Usage: gen_pitch.py [FOLDER]        (needs the program `praat`, Debian package praat)

Praat speaks a sentence with its built-in eSpeak voices and tracks it with its autocorrelation method (Boersma 1993,
"To Pitch (ac)"), which shares no step with YIN. A case is voice.wav (16 kHz, 16 bits) and case.json with "times" (s) and
"hertz" (0 = unvoiced) of Praat's frames.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

CASES = {
    "male": ("Male1", "Where is the white ship? The big doctor waits.", 1.0),
    "female": ("Female1", "I painted two happy boxes.", 1.0),
    "high": ("Female1", "A dark baby waits outside.", 1.8),
}
LOWEST, HIGHEST = 60, 500
TRACKING = f"0.01, {LOWEST}, 15, 0, 0.03, 0.45, 0.01, 0.35, 0.14, {HIGHEST}"
SCRIPT = """
form case
 sentence text
 sentence voice
 real adjustment
 sentence out
endform
Create SpeechSynthesizer: "English (Great Britain)", voice$
Speech output settings: 16000, 0.01, adjustment, 1.0, 175, "IPA"
To Sound: text$, "no"
Scale peak: 0.9
Save as WAV file: out$ + ".wav"
To Pitch (ac): %s
n = Get number of frames
writeFile: out$ + ".txt", ""
for i to n
 t = Get time from frame number: i
 f = Get value in frame: i, "Hertz"
 if f = undefined
  f = 0
 endif
 appendFileLine: out$ + ".txt", fixed$(t, 6), " ", fixed$(f, 4)
endfor
""" % TRACKING


def main() -> None:
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "fixtures" / "pitch")
    version = subprocess.run(["praat", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    for name, (voice, text, adjustment) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "case.praat")
            script.write_text(SCRIPT)
            out = pathlib.Path(folder, "voice")
            subprocess.run(["praat", "--run", str(script), text, voice, str(adjustment), str(out)], check=True)
            case = target / name
            case.mkdir(parents=True, exist_ok=True)
            (case / "voice.wav").write_bytes(out.with_suffix(".wav").read_bytes())
            frames = [tuple(map(float, line.split())) for line in out.with_suffix(".txt").read_text().splitlines()]
        (case / "case.json").write_text(json.dumps({
            "what": f"eSpeak voice {voice}, pitch x {adjustment}: {text}",
            "script": "tests/oracle/gen_pitch.py",
            "reference": f"{version}, To Pitch (ac): {TRACKING}",
            "times": [t for t, _ in frames],
            "hertz": [f for _, f in frames],
        }, separators=(",", ":")) + "\n")
        print(name, len(frames), "frames,", sum(f > 0 for _, f in frames), "voiced")


main()
