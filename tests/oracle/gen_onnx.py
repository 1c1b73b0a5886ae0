"""Makes tests/fixtures/onnx: small models, a sound, and what the models say of it.

Features are those of transformers.audio_utils.spectrogram, set as its feature extractors set it where Kaldi's are wanted; outputs are
those of onnx's own reference evaluator.

    python gen_onnx.py ../fixtures/onnx        (pip install onnx transformers)
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

BANDS = 80


def model(nodes, inputs, outputs, constants=(), counts=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs]
        + [helper.make_tensor_value_info(n, TensorProto.INT64, s) for n, s in counts],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
        [onnx.numpy_helper.from_array(a, n) for n, a in constants],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    return made


def level(length):
    """Twice the root mean square, and the largest sample: [batch, 2]."""
    axis = ("axis", np.array([1], np.int64))
    return model(
        [
            helper.make_node("Mul", ["waveform", "waveform"], ["squares"]),
            helper.make_node("ReduceMean", ["squares", "axis"], ["mean"], keepdims=1),
            helper.make_node("Sqrt", ["mean"], ["root"]),
            helper.make_node("Mul", ["root", "two"], ["level"]),
            helper.make_node("ReduceMax", ["waveform", "axis"], ["peak"], keepdims=1),
            helper.make_node("Concat", ["level", "peak"], ["scores"], axis=1),
        ],
        [("waveform", ["batch", length])],
        [("scores", ["batch", 2])],
        [axis, ("two", np.array(2, np.float32))],
    )


def speaker(bands_first):
    """An embedding of 8 numbers: the mean of what is left of a projection above zero."""
    weights = np.random.default_rng(5).standard_normal((BANDS, 8)).astype(np.float32)
    front = [helper.make_node("Transpose", ["feats"], ["frames"], perm=[0, 2, 1])] if bands_first else []
    return model(
        front
        + [
            helper.make_node("MatMul", ["frames" if bands_first else "feats", "weights"], ["projected"]),
            helper.make_node("Relu", ["projected"], ["positive"]),
            helper.make_node("ReduceMean", ["positive", "axis"], ["embs"], keepdims=0),
        ],
        [("feats", ["batch", BANDS, "frames_"] if bands_first else ["batch", "frames_", BANDS])],
        [("embs", ["batch", 8])],
        [("weights", weights), ("axis", np.array([1], np.int64))],
    )


def speaker_lengths():
    """The same embedding of sounds padded to one length: the mean is over each one's own frames."""
    weights = np.random.default_rng(5).standard_normal((BANDS, 8)).astype(np.float32)
    return model(
        [
            helper.make_node("MatMul", ["feats", "weights"], ["projected"]),
            helper.make_node("Relu", ["projected"], ["positive"]),
            helper.make_node("Shape", ["feats"], ["frames"], start=1, end=2),
            helper.make_node("Squeeze", ["frames"], ["frames0"]),
            helper.make_node("Range", ["zero", "frames0", "one"], ["places"]),
            helper.make_node("Unsqueeze", ["lengths", "axis"], ["ends"]),
            helper.make_node("Less", ["places", "ends"], ["within"]),
            helper.make_node("Cast", ["within"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
            helper.make_node("Mul", ["positive", "mask3"], ["own"]),
            helper.make_node("ReduceSum", ["own", "axis"], ["sum"], keepdims=0),
            helper.make_node("Cast", ["ends"], ["counts"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["sum", "counts"], ["embs"]),
        ],
        [("feats", ["batch", "frames_", BANDS])],
        [("embs", ["batch", 8])],
        [("weights", weights), ("axis", np.array([1], np.int64)), ("last", np.array([2], np.int64)), ("zero", np.array(0, np.int64)), ("one", np.array(1, np.int64))],
        [("lengths", ["batch"])],
    )


def mixing():
    """Says that it takes a batch, and gives what each peak is more than the mean of all."""
    return model(
        [
            helper.make_node("ReduceMax", ["waveform", "axis"], ["peak"], keepdims=1),
            helper.make_node("ReduceMean", ["peak", "first"], ["mean"], keepdims=1),
            helper.make_node("Mul", ["mean", "half"], ["less"]),
            helper.make_node("Sub", ["peak", "less"], ["scores"]),
        ],
        [("waveform", ["batch", "samples"])],
        [("scores", ["batch", 1])],
        [("axis", np.array([1], np.int64)), ("first", np.array([0], np.int64)), ("half", np.array(0.5, np.float32))],
    )


def single():
    """Says that it takes a batch, and lays all of it out as one sound, as models that were exported carelessly do."""
    return model(
        [
            helper.make_node("Reshape", ["waveform", "flat"], ["all"]),
            helper.make_node("ReduceMax", ["all", "axis"], ["scores"], keepdims=1),
        ],
        [("waveform", ["batch", "samples"])],
        [("scores", ["out", 1])],
        [("flat", np.array([1, -1], np.int64)), ("axis", np.array([1], np.int64))],
    )


def framed(pooled):
    """Responses of a filter of 25 ms every 10 ms, or the largest, as models that begin with convolutions have them: less sound is an error."""
    weights = np.random.default_rng(7).standard_normal((1, 1, 400)).astype(np.float32)
    return model(
        [
            helper.make_node("Conv", ["waveform", "weights"], ["frames" if pooled else "scores"], strides=[160]),
            *([helper.make_node("ReduceMax", ["frames", "axis"], ["scores"], keepdims=0)] if pooled else []),
        ],
        [("waveform", ["batch", 1, "samples"])],
        [("scores", ["batch", 1] if pooled else ["batch", 1, "frames_"])],
        [("weights", weights), ("axis", np.array([2], np.int64))],
    )


def log_mel(sound, rate):
    length = rate * 25 // 1000
    points = 1 << int(np.ceil(np.log2(length)))
    filters = mel_filter_bank(
        points // 2 + 1, BANDS, 20, rate // 2, rate, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    values = spectrogram(
        sound.astype(np.float64) * 32768,
        window_function(length, "hamming", periodic=False),
        frame_length=length,
        hop_length=rate * 10 // 1000,
        fft_length=points,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
        dtype=np.float64,
    ).T
    return (values - values.mean(0)).astype(np.float32)


def tone(rate, seconds, pitch, seed):
    t = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(t))
    wave = sum(np.sin(2 * np.pi * pitch * h * t * (1 + 0.02 * t)) / h for h in range(1, 12)) * 0.15 + 0.01 * noise
    return np.clip(np.round(wave * 32767), -32768, 32767).astype(np.int16)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    models = {
        "level": level("samples"),
        "level_of_a_second": level(16000),
        "speaker": speaker(False),
        "speaker_bands_first": speaker(True),
        "speaker_lengths": speaker_lengths(),
        "mixing": mixing(),
        "single": single(),
        "framed": framed(True),
        "responses": framed(False),
    }
    for name, made in models.items():
        onnx.save(made, out / f"{name}.onnx")

    rate = 16000
    sounds = {"sound": tone(rate, 0.31, 120, 1), "voice": tone(rate, 0.27, 210, 2)}
    floats = {n: s.astype(np.float32) / np.float32(32768) for n, s in sounds.items()}

    def run(name, value):
        made = models[name]
        return ReferenceEvaluator(made).run(None, {made.graph.input[0].name: value})[0][0]

    features = {n: log_mel(s, rate) for n, s in floats.items()}
    a, b = (run("speaker", features[n][None]).astype(np.float64) for n in ("sound", "voice"))
    second = np.resize(floats["sound"], rate)
    (out / "case.json").write_text(
        json.dumps(
            {
                "sample_rate": rate,
                **{n: s.tolist() for n, s in sounds.items()},
                "frames": len(features["sound"]),
                "log_mel": [float(v) for v in features["sound"].ravel()],
                "level": [float(v) for v in run("level", floats["sound"][None])],
                "level_of_a_second": [float(v) for v in run("level_of_a_second", second[None])],
                "similarity": float(a @ b / np.sqrt((a @ a) * (b @ b))),
            }
        )
    )


if __name__ == "__main__":
    main()
