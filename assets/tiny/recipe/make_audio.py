"""Speaks the sentences with espeak-ng: 16 kHz clips for training, validation and test, and training clips of other voices."""

import random
import subprocess
from multiprocessing import Pool

import numpy as np
from scipy.signal import resample_poly

from common import Clips, Stage, arguments, load_config, sentences, skip_if_done, to_int16

WAV_HEADER = 44  # bytes espeak-ng writes before the samples
LOUD = 0.004
MARGIN = 640  # samples kept around the speech, 40 ms
SILENCE = (640, 960)  # samples of silence before and after


def speak(job):
    """(text, voice, speed, pitch) -> int16 samples at 16 kHz."""
    text, voice, speed, pitch = job
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    wave = np.frombuffer(wav[WAV_HEADER:], dtype=np.int16).astype(np.float32) / 32768
    wave = resample_poly(wave, 320, 441).astype(np.float32)  # from 22.05 kHz
    loud = np.nonzero(np.abs(wave) > LOUD)[0]
    wave = np.pad(wave[max(0, loud[0] - MARGIN):loud[-1] + MARGIN], SILENCE)
    return to_int16(wave * min(1.0, 0.8 / np.abs(wave).max()))


def jobs(config):
    """Clip set -> what to speak."""
    standard = (config["voice"], config["speed"], config["pitch"])
    made = {split: [(text, *standard) for text in sentences(split)] for split in ("train", "validation", "test")}
    rng = random.Random(config["variant_seed"])
    made["variants"] = [
        (text, rng.choice(config["variant_voices"]), rng.randint(*config["variant_speed"]), rng.randint(*config["variant_pitch"]))
        for text in sentences("train")[:config["variants"]]]
    made["validation_other_voice"] = [(text, "en-us+f2", *standard[1:]) for text in sentences("validation")]
    return made


def main():
    options = arguments(__doc__)
    stage = Stage(options.work, "make_audio")
    skip_if_done(stage)
    seconds = {}
    with Pool(options.processes) as pool:
        for name, work in jobs(load_config()["audio"]).items():
            waves = pool.map(speak, work, chunksize=50)
            Clips.save(options.work, name, waves)
            lengths = np.array([len(w) for w in waves]) / 16000
            seconds[name] = [round(float(f(lengths)), 3) for f in (np.mean, np.min, np.max)]
            stage.log(clips=name, count=len(waves), mean_min_max_seconds=seconds[name])
    stage.finish(mean_min_max_seconds=seconds)


if __name__ == "__main__":
    main()
