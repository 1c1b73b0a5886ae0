"""X-Codec2 in PyTorch: the arithmetic and the parameter names of Hugging Face's `Xcodec2Model`.

Written for training on a CPU, so the two places where the textbook form is slow are written differently
(the result is the same): the anti-aliased activations work on the two phases of the doubled signal instead of
an interleaved one, and overlap-add is four shifted additions, because a frame is always four hops long.

Shapes: B clips, N samples, T frames of `hop` samples, C hidden size.
`tests/oracle/check_xcodec2_torch.py` compares every stage with recorded reference values.
"""

import json
import math
import os

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel
from transformers.audio_utils import mel_filter_bank

from safetensors.torch import load_file, save_file

WINDOW_HOPS = 4  # length of one inverse-STFT frame, in hops


# ------------------------------------------------------------------------------------ input features


def _povey_window(length):
    return torch.hann_window(length, periodic=False, dtype=torch.float64).pow(0.85)


class SemanticFeatures(nn.Module):
    """Waveform [B, N] -> Kaldi log-mel, two frames stacked: [B, N // 320, 160]. What Wav2Vec2-BERT reads."""

    FRAME, STEP, FFT = 400, 160, 512

    def __init__(self):
        super().__init__()
        bank = mel_filter_bank(
            self.FFT // 2 + 1, 80, 20, 8000, 16000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
        )
        self.register_buffer("bank", torch.tensor(bank, dtype=torch.float64), persistent=False)
        self.register_buffer("window", _povey_window(self.FRAME), persistent=False)

    @torch.no_grad()
    def forward(self, wave):
        # float64: the variance normalisation below amplifies rounding in quiet bins
        x = F.pad(wave.double(), (160, 160)) * 32768.0
        frames = x.unfold(-1, self.FRAME, self.STEP)
        frames = frames - frames.mean(-1, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], -1)
        power = torch.fft.rfft((frames - 0.97 * previous) * self.window, self.FFT).abs().square()
        mel = (power @ self.bank).clamp(min=1.192092955078125e-07).log()
        mel = (mel - mel.mean(1, keepdim=True)) / (mel.var(1, keepdim=True) + 1e-7).sqrt()
        pairs = mel.shape[1] // 2
        return mel[:, : 2 * pairs].reshape(len(mel), pairs, 160).float()


def pad_to_frames(wave, hop=320):
    """Appends 1 to `hop` zeros (a whole hop when the length already fits), as the reference extractor does."""
    return F.pad(wave, (0, hop - wave.shape[-1] % hop))


# ------------------------------------------------------------------------------------ acoustic encoder


def _kaiser_sinc(cutoff, half_width, taps):
    """Low-pass filter with unit sum; `taps` is even."""
    attenuation = 2.285 * (taps // 2 - 1) * math.pi * 4 * half_width + 7.95
    beta = 0.1102 * (attenuation - 8.7) if attenuation > 50 else 0.0
    if 21 <= attenuation <= 50:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    window = torch.kaiser_window(taps, beta=beta, periodic=False, dtype=torch.float32)
    time = torch.arange(-taps // 2, taps // 2) + 0.5
    taps_ = 2 * cutoff * window * torch.sinc(2 * cutoff * time)
    return taps_ / taps_.sum()


class _SnakeParameters(nn.Module):
    """Holder, so that the names read `<activation>.act.alpha|beta`."""

    def __init__(self, channels):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))


class _FixedFilter(torch.autograd.Function):
    """conv1d with weights that are not trained. The general backward pass is several times slower than the
    forward one for so few channels; here it is one more forward convolution, with the flipped taps."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return F.conv1d(x, weight)

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        return F.conv1d(grad, weight.transpose(0, 1).flip(-1), padding=weight.shape[-1] - 1), None


class AntiAliasedSnake(nn.Module):
    """x -> upsample by 2 -> x + sin^2(x e^alpha) / (e^beta + 1e-9) -> downsample by 2, on [B, C, T].

    With f the 12-tap filter and e, o the even and odd samples of the doubled signal:
    e[j] = 2 sum_k x[j + k - 3] f[11 - 2k], o[j] = 2 sum_k x[j + k - 2] f[10 - 2k] (k = 0..5), and back
    y[j] = sum_k e[j + k - 2] f[2k + 1] + o[j + k - 3] f[2k]. The borders repeat the first and last sample of
    the signal that is filtered: x going up, the interleaved (e, o) going down.
    """

    def __init__(self, channels):
        super().__init__()
        self.act = _SnakeParameters(channels)
        f = _kaiser_sinc(0.25, 0.3, 12)
        zero = torch.zeros(1)
        even, odd = f.flip(0)[0::2], f.flip(0)[1::2]
        up = 2 * torch.stack([torch.cat([even, zero]), torch.cat([zero, odd])])[:, None]
        down = torch.stack([torch.cat([zero, f[1::2]]), torch.cat([f[0::2], zero])])[None]
        self.register_buffer("up", up, persistent=False)  # [2, 1, 7]
        self.register_buffer("down", down, persistent=False)  # [1, 2, 7]

    def forward(self, x):
        batch, channels, length = x.shape
        x = F.pad(x, (3, 3), mode="replicate").reshape(batch * channels, 1, length + 6)
        z = _FixedFilter.apply(x, self.up).view(batch, channels, 2, length)
        alpha = self.act.alpha.exp()[:, None, None]
        beta = self.act.beta.exp()[:, None, None]
        z = z + torch.sin(z * alpha).square() / (beta + 1e-9)
        first = z[:, :, :1, :1].expand(-1, -1, 2, 3)
        last = z[:, :, 1:, -1:].expand(-1, -1, 2, 3)
        z = torch.cat([first, z, last], -1).view(batch * channels, 2, length + 6)
        return _FixedFilter.apply(z, self.down).view(batch, channels, length)


class ResidualUnit(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.snake1 = AntiAliasedSnake(channels)
        self.conv1 = nn.Conv1d(channels, channels, 7, dilation=dilation, padding=3 * dilation)
        self.snake2 = AntiAliasedSnake(channels)
        self.conv2 = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        return x + self.conv2(self.snake2(self.conv1(self.snake1(x))))


class EncoderBlock(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.res_unit1 = ResidualUnit(channels, 1)
        self.res_unit2 = ResidualUnit(channels, 3)
        self.res_unit3 = ResidualUnit(channels, 9)
        self.snake1 = AntiAliasedSnake(channels)
        self.conv1 = nn.Conv1d(channels, 2 * channels, 2 * stride, stride=stride, padding=math.ceil(stride / 2))

    def forward(self, x):
        return self.conv1(self.snake1(self.res_unit3(self.res_unit2(self.res_unit1(x)))))


class AcousticEncoder(nn.Module):
    """[B, 1, N] -> [B, C, N / product of the strides]."""

    def __init__(self, config):
        super().__init__()
        width, strides = config["encoder_hidden_size"], config["downsampling_ratios"]
        self.conv1 = nn.Conv1d(1, width, 7, padding=3)
        self.block = nn.ModuleList(EncoderBlock(width << i, s) for i, s in enumerate(strides))
        self.snake1 = AntiAliasedSnake(width << len(strides))
        self.conv2 = nn.Conv1d(width << len(strides), config["hidden_size"], 3, padding=1)

    def forward(self, wave):
        x = self.conv1(wave)
        for block in self.block:
            x = block(x)
        return self.conv2(self.snake1(x))


# ------------------------------------------------------------------------------------ semantic branch


class SemanticAdapter(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, 3, padding=1)
        self.conv4 = nn.Conv1d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x):
        # The reference's first ReLU works in place, so what it later adds back is the rectified tensor.
        residual = F.relu(self.conv1(x))
        return self.conv4(self.conv3(F.relu(self.conv2(residual))) + residual)


# ------------------------------------------------------------------------------------ quantizer


class Quantizer(nn.Module):
    """Finite scalar quantization of [B, T, D] to one code per frame; straight-through gradient."""

    def __init__(self, config):
        super().__init__()
        levels = config["quantization_levels"]
        self.project_in = nn.Linear(config["quantization_dim"], len(levels))
        self.project_out = nn.Linear(len(levels), config["quantization_dim"])
        basis = torch.tensor([math.prod(levels[:i]) for i in range(len(levels))])
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("basis", basis, persistent=False)

    def bound(self, z):
        half_range = (self.levels - 1).to(z.dtype) * (1 + 1e-3) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0).to(z.dtype)
        return torch.tanh(z + torch.atanh(offset / half_range)) * half_range - offset

    def forward(self, x):
        bounded = self.bound(self.bound(self.project_in(x)))  # twice: the published model was trained so
        digits = bounded.round()
        half = self.levels // 2
        codes = ((digits.detach().long() + half) * self.basis).sum(-1)
        quantized = (bounded + (digits - bounded).detach()) / half
        return self.project_out(quantized), codes

    def from_codes(self, codes):
        half = self.levels // 2
        digits = (codes[..., None] // self.basis) % self.levels
        return self.project_out(((digits - half) / half).to(self.project_out.weight.dtype))


# ------------------------------------------------------------------------------------ decoder


class ResNetBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm1 = nn.GroupNorm(32, channels, eps=1e-6)
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(32, channels, eps=1e-6)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Every frame sees every frame. The reference rotates queries and keys by an angle that depends on the
    head alone; equal rotations of both leave their product as it is, so there is nothing to compute."""

    def __init__(self, config):
        super().__init__()
        hidden, self.heads, self.head_dim = config["hidden_size"], config["num_attention_heads"], config["head_dim"]
        if config["num_key_value_heads"] != self.heads or config["attention_bias"]:
            raise ValueError("X-Codec2 has one key/value head per query head and no attention biases")
        self.q_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, hidden, bias=False)

    def forward(self, x):
        q, k, v = (p(x).unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)
                   for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.o_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.fc1 = nn.Linear(hidden, 4 * hidden, bias=False)
        self.fc2 = nn.Linear(4 * hidden, hidden, bias=False)

    def forward(self, x):
        return self.fc2(F.silu(self.fc1(x)))


class DecoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = Mlp(config["hidden_size"])
        self.input_layernorm = nn.RMSNorm(config["hidden_size"], eps=config["rms_norm_eps"])
        self.post_attention_layernorm = nn.RMSNorm(config["hidden_size"], eps=config["rms_norm_eps"])

    def forward(self, x):
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class InverseStftHead(nn.Module):
    """[B, T, C] -> log-magnitude and phase of T frames -> [B, 1, T * hop]."""

    def __init__(self, hidden, hop):
        super().__init__()
        self.hop, self.fft = hop, WINDOW_HOPS * hop
        self.linear = nn.Linear(hidden, self.fft + 2)
        self.register_buffer("window", torch.hann_window(self.fft), persistent=False)

    def _overlap_add(self, frames):
        """[B, T, 4 * hop] -> [B, (T + 3) * hop]."""
        batch, count, _ = frames.shape
        parts = frames.view(batch, count, WINDOW_HOPS, self.hop)
        out = sum(F.pad(parts[:, :, k], (0, 0, k, WINDOW_HOPS - 1 - k)) for k in range(WINDOW_HOPS))
        return out.view(batch, -1)

    def forward(self, x):
        log_magnitude, phase = self.linear(x).chunk(2, -1)
        spectrum = torch.polar(log_magnitude.exp().clamp(max=100.0), phase)
        frames = torch.fft.irfft(spectrum, self.fft) * self.window
        envelope = self._overlap_add(self.window.square().expand(1, frames.shape[1], -1))
        edge = (self.fft - self.hop) // 2
        wave = self._overlap_add(frames)[:, edge:-edge] / envelope[:, edge:-edge].clamp(min=1e-11)
        return wave[:, None]


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden = config["hidden_size"]
        self.fc = nn.Linear(hidden + config["semantic_model_config"]["hidden_size"], hidden)
        self.embed = nn.Conv1d(hidden, hidden, 7, padding=3)
        self.prior_resnet_block1 = ResNetBlock(hidden)
        self.prior_resnet_block2 = ResNetBlock(hidden)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config["num_hidden_layers"]))
        self.post_resnet_block1 = ResNetBlock(hidden)
        self.post_resnet_block2 = ResNetBlock(hidden)
        self.final_layer_norm = nn.LayerNorm(hidden, eps=1e-6)
        self.head = InverseStftHead(hidden, math.prod(config["downsampling_ratios"]))

    def forward(self, latents):
        x = self.embed(self.fc(latents).transpose(1, 2))
        x = self.prior_resnet_block2(self.prior_resnet_block1(x)).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        x = self.post_resnet_block2(self.post_resnet_block1(x.transpose(1, 2))).transpose(1, 2)
        return self.head(self.final_layer_norm(x))


# ------------------------------------------------------------------------------------ the model


class Xcodec2Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.hop = math.prod(config["downsampling_ratios"])
        # SpecAugment would mask frames in training; a codec has to code what it hears.
        semantic = Wav2Vec2BertConfig(**{**config["semantic_model_config"], "apply_spec_augment": False})
        semantic._attn_implementation = "eager"
        self.semantic_encoder = Wav2Vec2BertModel(semantic)
        self.semantic_adapter = SemanticAdapter(semantic.hidden_size)
        self.acoustic_encoder = AcousticEncoder(config)
        width = config["hidden_size"] + semantic.hidden_size
        self.fc_encoder = nn.Linear(width, width)
        self.quantizer = Quantizer(config)
        self.decoder = Decoder(config)
        self.features = SemanticFeatures()

    def semantic(self, features):
        hidden = self.semantic_encoder(input_features=features).last_hidden_state
        return self.semantic_adapter(hidden.transpose(1, 2))

    def quantize(self, wave, features, acoustic=True):
        """wave [B, 1, N], N a multiple of the hop -> (latents [B, T, D], codes [B, T]).

        `acoustic=False` stands for an acoustic encoder whose last convolution is still zero."""
        semantic = self.semantic(features)
        if acoustic:
            other = self.acoustic_encoder(wave)
        else:
            other = semantic.new_zeros(len(wave), self.config["hidden_size"], semantic.shape[-1])
        return self.quantizer(self.fc_encoder(torch.cat([semantic, other], 1).transpose(1, 2)))

    def forward(self, wave, acoustic=True):
        """[B, 1, N] -> (reconstruction [B, 1, N], codes [B, T])."""
        latents, codes = self.quantize(wave, self.features(wave[:, 0]), acoustic)
        return self.decoder(latents), codes

    @torch.no_grad()
    def encode(self, wave):
        """[B, N] of equal length, any N -> codes [B, T]."""
        wave = pad_to_frames(wave, self.hop)
        return self.quantize(wave[:, None], self.features(wave))[1]

    @torch.no_grad()
    def decode(self, codes):
        """[B, T] -> waveform [B, T * hop]."""
        return self.decoder(self.quantizer.from_codes(codes))[:, 0]

    def initialise(self, silence_bias):
        """Start: a silent acoustic branch (it is switched on later, from zero), quiet magnitudes."""
        nn.init.zeros_(self.acoustic_encoder.conv2.weight)
        nn.init.zeros_(self.acoustic_encoder.conv2.bias)
        with torch.no_grad():
            head = self.decoder.head.linear
            head.bias[: head.out_features // 2] = silence_bias

    @classmethod
    def from_pretrained(cls, folder):
        """Weights of any float type, arithmetic in float32."""
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            model = cls(json.load(file))
        tensors = load_file(os.path.join(folder, "model.safetensors"))
        report = model.load_state_dict(tensors, strict=False)
        # A checkpoint may hold the decoder alone; a decoder with gaps, or a name we do not know, is an error.
        gaps = [k for k in report.missing_keys if k.startswith(("decoder.", "quantizer.project_out"))]
        if gaps or report.unexpected_keys:
            raise ValueError(f"{folder}: missing {gaps}, unexpected {report.unexpected_keys}")
        return model.eval()

    def save_pretrained(self, folder, dtype=torch.float16):
        os.makedirs(folder, exist_ok=True)
        names = {torch.float16: "float16", torch.float32: "float32"}
        config = {**self.config, "model_type": "xcodec2", "architectures": ["Xcodec2Model"], "dtype": names[dtype]}
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2)
        extractor = dict(feature_extractor_type="Xcodec2FeatureExtractor", feature_size=80, sampling_rate=16000,
                         padding_value=1.0, hop_length=self.hop)
        with open(os.path.join(folder, "preprocessor_config.json"), "w", encoding="utf-8") as file:
            json.dump(extractor, file)
        tensors = {k: v.to(dtype).contiguous() for k, v in self.state_dict().items()}
        save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
