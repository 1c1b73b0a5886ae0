"""Compares the PyTorch X-Codec2 of the tiny world's recipe with recorded reference values.

    python3 tests/oracle/check_xcodec2_torch.py CASE_FOLDER [CASE_FOLDER ...]

A case folder holds `hf/` (checkpoint), `expected.safetensors` and `case.json` with the tolerances. Every stored stage of
decoding and encoding is compared in float32; codes have to be equal. Exit code 1 when anything is off.
"""

import json
import os
import sys

import torch
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "assets", "tiny", "recipe"))

from xcodec2 import Xcodec2Model, pad_to_frames  # noqa: E402


class Report:
    def __init__(self, tolerances):
        self.tolerances, self.failures = tolerances, 0

    def compare(self, name, got, expected, kind):
        got = got.detach()
        if kind == "audio_codes":
            worst, limit = int((got != expected).sum()), 0
        else:
            worst, limit = (got.double() - expected.double()).abs().max().item(), self.tolerances[kind]
        ok = got.shape == expected.shape and worst <= limit
        self.failures += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name:34s} worst {worst:.3e} limit {limit:.3e}")


def record_outputs(modules):
    """Names -> outputs of those modules during the calls that follow."""
    outputs = {}

    def keep(name):
        return lambda module, args, out: outputs.__setitem__(name, out)

    for name, module in modules.items():
        module.register_forward_hook(keep(name))
    return outputs


def check_decoding(model, expected, report):
    decoder = model.decoder
    stages = {name: getattr(decoder, name) for name in (
        "fc", "embed", "prior_resnet_block1", "prior_resnet_block2", "post_resnet_block1", "post_resnet_block2",
        "final_layer_norm")}
    stages |= {f"layer{i}": layer for i, layer in enumerate(decoder.layers)}
    stages |= {"stft_pred": decoder.head.linear, "project_out": model.quantizer.project_out}
    seen = record_outputs(stages)
    index = 0
    while f"dec{index}.audio_codes" in expected:
        audio = model.decode(expected[f"dec{index}.audio_codes"][0])
        report.compare(f"dec{index}.audio", audio[None], expected[f"dec{index}.audio"], "audio_abs")
        for name, value in seen.items():
            key = f"dec{index}.{name}"
            if key in expected:
                value = value.transpose(1, 2) if name == "stft_pred" else value
                report.compare(key, value, expected[key], "stft_pred_abs" if name == "stft_pred" else "intermediates_abs")
        index += 1
    return index


def check_encoding(model, expected, report):
    encoder = model.acoustic_encoder
    seen = record_outputs({"acoustic_conv1": encoder.conv1, "acoustic_block0": encoder.block[0],
                           "acoustic_out": encoder, "semantic_adapter": model.semantic_adapter,
                           "fc_encoder": model.fc_encoder, "project_in": model.quantizer.project_in})
    index = 0
    while f"enc{index}.pcm_int16_as_float" in expected:
        want = lambda name: expected[f"enc{index}.{name}"]  # noqa: E731
        wave = want("pcm_int16_as_float")[None]
        padded = pad_to_frames(wave, model.hop)
        report.compare(f"enc{index}.audio_padded", padded[None], want("audio_padded"), "intermediates_abs")
        report.compare(f"enc{index}.input_features", model.features(padded), want("input_features"),
                       "input_features_abs")
        codes = model.encode(wave)
        report.compare(f"enc{index}.audio_codes", codes[None], want("audio_codes"), "audio_codes")
        bounded = model.quantizer.bound(seen["project_in"])
        seen["bound_once"], seen["bound_twice"] = bounded, model.quantizer.bound(bounded)
        latents = model.quantizer.from_codes(codes).transpose(1, 2)
        report.compare(f"enc{index}.latents", latents, want("latents"), "intermediates_abs")
        for name, value in seen.items():
            for suffix in ("", ".first256cols"):
                key = f"enc{index}.{name}{suffix}"
                if key in expected:
                    report.compare(key, value[..., :256] if suffix else value, expected[key], "intermediates_abs")
        index += 1
    return index


def main(folders):
    torch.set_num_threads(1)
    failures = 0
    for folder in folders:
        with open(os.path.join(folder, "case.json"), encoding="utf-8") as file:
            report = Report(json.load(file)["tolerance"])
        model = Xcodec2Model.from_pretrained(os.path.join(folder, "hf"))
        expected = load_file(os.path.join(folder, "expected.safetensors"))
        print(folder)
        with torch.no_grad():
            decoded, encoded = check_decoding(model, expected, report), check_encoding(model, expected, report)
        print(f"{decoded} decodings and {encoded} encodings, {report.failures} comparisons failed")
        failures += report.failures + (decoded + encoded == 0)
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
