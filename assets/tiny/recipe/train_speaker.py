"""Voices for voice prompts, and a small network that tells them apart by the codec's sound.

Speaks sentences in several voices of espeak-ng, encodes them with the shipped codec, trains an embedding of speakers on what the codec
makes of them, and writes (into WORK/speaker): `speaker.onnx`; `references/*.wav` with `.txt` beside them, the voices that prompts take;
`corpus.jsonl`, utterances for `llasa sft`, each going on in the voice of one of its references.

The network's input is `features=log_mel` of the reward component `onnx` (Kaldi's bands, each band's mean taken out), its output an embedding.
"""

import json
import os
import wave as wavefile

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from common import HERE, Stage, arguments, load_config, same_length_batches, sentences, skip_if_done
from make_audio import speak
from xcodec2 import Xcodec2Model

RATE, BANDS, FRAME, SHIFT, POINTS = 16000, 80, 400, 160, 512
NEEDED = 9  # frames that both convolutions together see


def mel_filters():
    """[points / 2, bands]: triangles in Kaldi's mel scale from 20 Hz."""
    mel = lambda f: 1127 * np.log(1 + f / 700)
    low, step = mel(20), (mel(RATE / 2) - mel(20)) / (BANDS + 1)
    bins = mel(np.arange(POINTS // 2) * RATE / POINTS)[:, None]
    left = low + step * np.arange(BANDS)[None]
    return np.maximum(0, np.minimum((bins - left) / step, (left + 2 * step - bins) / step))


FILTERS = mel_filters()


def log_mel(sound):
    """[frames, bands] of a sound in full scale 1, as LogMelBands in managed/LlasaNative.Onnx computes them."""
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(sound, np.float64) * 32768, FRAME)[::SHIFT]
    frames = frames - frames.mean(1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    spectrum = np.abs(np.fft.rfft((frames - 0.97 * before) * np.hamming(FRAME), POINTS)[:, :POINTS // 2]) ** 2
    values = np.log(np.maximum(spectrum @ FILTERS, 1.1920928955078125e-07))
    return (values - values.mean(0)).astype(np.float32)


class Speaker(nn.Module):
    """Two convolutions over time, mean and spread of what they say, a line to the embedding."""

    def __init__(self, channels, size):
        super().__init__()
        self.first = nn.Conv1d(BANDS, channels, 5)
        self.second = nn.Conv1d(channels, channels, 3, dilation=2)
        self.last = nn.Linear(2 * channels, size)

    def forward(self, bands):
        x = F.relu(self.second(F.relu(self.first(bands.transpose(1, 2)))))
        mean = x.mean(2)
        spread = torch.sqrt((x * x).mean(2) - mean * mean + 1e-5)
        return self.last(torch.cat([mean, spread], 1))


def save_onnx(model, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    nodes = [
        # A sound of fewer frames than the convolutions need is repeated, as np.resize does in training.
        node("Shape", ["feats"], ["length"], start=1, end=2), node("Squeeze", ["length"], ["there"]),
        node("Max", ["there", "needed"], ["frames_"]), node("Range", ["zero", "frames_", "one"], ["places"]),
        node("Mod", ["places", "there"], ["taken"]), node("Gather", ["feats", "taken"], ["whole"], axis=1),
        node("Transpose", ["whole"], ["bands"], perm=[0, 2, 1]),
        node("Conv", ["bands", "w1", "b1"], ["c1"], kernel_shape=[5]), node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[3], dilations=[2]), node("Relu", ["c2"], ["r2"]),
        node("ReduceMean", ["r2", "time"], ["mean"], keepdims=0),
        node("Mul", ["r2", "r2"], ["squares"]), node("ReduceMean", ["squares", "time"], ["of_squares"], keepdims=0),
        node("Mul", ["mean", "mean"], ["of_mean"]), node("Sub", ["of_squares", "of_mean"], ["variance"]),
        node("Add", ["variance", "least"], ["positive"]), node("Sqrt", ["positive"], ["spread"]),
        node("Concat", ["mean", "spread"], ["pooled"], axis=1), node("Gemm", ["pooled", "w3", "b3"], ["embs"], transB=1)]
    values = dict(w1=model.first.weight, b1=model.first.bias, w2=model.second.weight, b2=model.second.bias, w3=model.last.weight, b3=model.last.bias)
    constants = {k: v.detach().numpy() for k, v in values.items()} | dict(
        time=np.array([2], np.int64), zero=np.array(0, np.int64), one=np.array(1, np.int64), needed=np.array(NEEDED, np.int64), least=np.array(1e-5, np.float32))
    graph = helper.make_graph(
        nodes, "speaker", [helper.make_tensor_value_info("feats", TensorProto.FLOAT, ["batch", "frames", BANDS])],
        [helper.make_tensor_value_info("embs", TensorProto.FLOAT, ["batch", model.last.out_features])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, path)


def code(codec, waves, decode):
    """Codes of sounds, and for the first `decode` of them what the codec makes of those."""
    lengths = [len(w) // codec.hop for w in waves]
    codes, sounds = [None] * len(waves), {}
    with torch.no_grad():
        for batch in same_length_batches(lengths, 16):
            padded = torch.zeros(len(batch), (lengths[batch[0]] + 1) * codec.hop - 1)   # encode() appends 1 to `hop` zeros
            for row, index in zip(padded, batch):
                wave = torch.tensor(waves[index].astype(np.float32) / 32767)
                row[:len(wave)] = wave[:len(row)]
            made = codec.encode(padded)
            for index, row in zip(batch, made):
                codes[index] = row.tolist()
            kept = [i for i, index in enumerate(batch) if index < decode]
            if kept:
                sounds |= {batch[i]: sound for i, sound in zip(kept, codec.decode(made[kept]).numpy())}
    return codes, [sounds[i] for i in range(min(decode, len(waves)))]


def collect(config, stage, codec):
    """Per voice: the bands of the training and of the held-out clips; and the files for `llasa`."""
    audio, train, held = load_config()["audio"], sentences("train"), sentences("validation")[:config["held_out"]]
    folder = stage.path("references")
    os.makedirs(folder, exist_ok=True)
    bands, rows = {}, []
    for number, voice in enumerate(config["voices"] + config["others"]):
        spoken = number < len(config["voices"])
        texts = train[number * config["utterances"]:][:config["utterances"] if spoken else config["clips"]]
        say = lambda text: speak((text, voice, audio["speed"], audio["pitch"]))
        codes, sounds = code(codec, [say(text) for text in texts], config["clips"])
        _, heard = code(codec, [say(text) for text in held], len(held))
        bands[voice] = [log_mel(s) for s in sounds], [log_mel(s) for s in heard]
        stage.log(voice=voice, clips=len(texts))
        for i in range(config["references"] if spoken else 0):
            name = f"{voice}-{i:02}"
            with wavefile.open(os.path.join(folder, name + ".wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(say(texts[i]).tobytes())
            with open(os.path.join(folder, name + ".txt"), "w", encoding="utf-8") as file:
                file.write(texts[i] + "\n")
        for i in range(config["references"], len(texts) if spoken else 0):
            reference = i % config["references"]
            rows.append(dict(text=texts[i], codes=codes[i], voice=f"references/{voice}-{reference:02}.wav", voice_text=texts[reference]))
    with open(stage.path("corpus.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return bands


def similarities(embed, clips):
    """Cosines of every two clips of one voice, and of every two of different ones."""
    vectors = {v: F.normalize(torch.cat([embed(torch.tensor(c)[None]) for c in rows]), dim=1) for v, rows in clips.items()}
    same = torch.cat([(v @ v.T)[torch.triu_indices(len(v), len(v), 1).unbind()] for v in vectors.values()])
    names = list(vectors)
    different = torch.cat([(vectors[a] @ vectors[b].T).flatten() for i, a in enumerate(names) for b in names[i + 1:]])
    return same.numpy(), different.numpy()


def equal_error(same, different):
    thresholds = np.sort(np.concatenate([same, different]))
    missed = np.searchsorted(np.sort(same), thresholds) / len(same)
    taken = 1 - np.searchsorted(np.sort(different), thresholds) / len(different)
    return float(((missed + taken) / 2)[np.argmin(np.abs(missed - taken))])


def main():
    options = arguments(__doc__)
    stage = Stage(options.work, "speaker")
    skip_if_done(stage)
    torch.set_num_threads(1)
    config = load_config()["speaker"]
    torch.manual_seed(config["seed"])
    bands = collect(config, stage, Xcodec2Model.from_pretrained(os.path.join(HERE, "..", "xcodec2")))
    names = list(bands)
    model = Speaker(config["channels"], config["size"])
    centres = nn.Parameter(torch.randn(len(names), config["size"]))
    optimiser = torch.optim.AdamW([*model.parameters(), centres], config["learning_rate"], weight_decay=config["weight_decay"])
    rng = np.random.default_rng(config["seed"])
    for step in range(config["steps"]):
        chosen = rng.integers(len(names), size=config["batch"])
        crops = []
        for voice in chosen:
            clip = bands[names[voice]][0][rng.integers(len(bands[names[voice]][0]))]
            start = rng.integers(max(1, len(clip) - config["crop"]))
            crops.append(np.resize(clip[start:start + config["crop"]], (config["crop"], BANDS)))
        cosines = F.normalize(model(torch.tensor(np.stack(crops))), dim=1) @ F.normalize(centres, dim=1).T
        margin = config["margin"] * F.one_hot(torch.tensor(chosen), len(names))
        loss = F.cross_entropy(config["scale"] * (cosines - margin), torch.tensor(chosen))
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = config["learning_rate"] * (1 - step / config["steps"])
        optimiser.step()
        if step % 200 == 199:
            stage.log(step=step + 1, loss=loss.item())
    model.eval()
    with torch.no_grad():
        same, different = similarities(model, {v: held for v, (_, held) in bands.items() if v in config["voices"]})
    save_onnx(model, stage.path("speaker.onnx"))
    stage.finish(bytes=os.path.getsize(stage.path("speaker.onnx")), voices=config["voices"], held_out_clips_per_voice=config["held_out"],
                 same_mean=float(same.mean()), different_mean=float(different.mean()), equal_error=equal_error(same, different))


if __name__ == "__main__":
    main()
