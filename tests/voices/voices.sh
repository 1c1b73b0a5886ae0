#!/usr/bin/env bash
# GRPO with voice prompts on the tiny world: does the error rate fall, and does the voice stay that of the prompt?
#   tests/voices/voices.sh OUT        after ./build.sh demo (or any build of library and program) and ./build.sh engine-onnx
# Voices and the corpus come from assets/tiny/recipe/train_speaker.py (PYTHON names an interpreter with torch, scipy and onnx; espeak-ng has to be
# there), as did the network that tells speakers apart (MODEL names another). What is in OUT already is not done again. SFT_STEPS, STEPS and PROMPTS
# (of GRPO), SENTENCES (held-out), SEED, WEIGHT (of likeness in the reward) and MINUTES (after which GRPO ends) change what is done; LLASA names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:?usage: tests/voices/voices.sh OUT}
sft_steps=${SFT_STEPS:-400} steps=${STEPS:-300} prompts=${PROMPTS:-16} sentences=${SENTENCES:-200} seed=${SEED:-1} weight=${WEIGHT:-0.5}
read -ra llasa <<< "${LLASA:-dotnet managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll}"
mkdir -p "$out"
speaker=$out/speaker model=${MODEL:-tests/voices/speaker.onnx}
[[ -f $speaker/done.json ]] || (out=$(cd "$out" && pwd) && cd assets/tiny/recipe && OMP_NUM_THREADS=1 ${PYTHON:-python3} train_speaker.py --work "$out")
[[ -f $out/voices.jsonl ]] || "${llasa[@]}" encode "$speaker/references" -o "$out/voices.jsonl"

# A policy that has learned to go on in the voice of its prompt, from the shipped one, which knows one voice.
[[ -d $out/cloning/policy ]] || "${llasa[@]}" sft --data "$speaker/corpus.jsonl" --steps "$sft_steps" --seed "$seed" --set run.save_every=50 --set "optimiser.schedule=cosine(final_ratio=0.1)" \
  --set optimiser.learning_rate=1e-3 --out "$out/cloning"

# The onnx component reports in `like` what it rewards.
like="onnx(model=$model,called=like,features=log_mel,similarity=true)"
[[ -d $out/grpo/policy ]] || "${llasa[@]}" train --config configs/demo.yaml --policy "$out/cloning/policy" --seed "$seed" --steps "$steps" --set run.time_limit_minutes="${MINUTES:-0}" --set run.save_every=20 \
  --set rollout.prompts_per_step="$prompts" --set optimiser.learning_rate=2e-4 --set "optimiser.schedule=linear(decay_steps=$((steps / 3)),final_ratio=0.1)" \
  --set data.voices="$out/voices.jsonl" --set "reward.components=utility=1,$like=$weight" --out "$out/grpo"

"${llasa[@]}" compare "$out/cloning/policy" "$out/grpo/policy" --names "SFT,GRPO" --voices "$out/voices.jsonl" --limit "$sentences" --samples 2 --seed "$seed" \
  --set reward.normalization=basic --set "reward.components=utility=1,$like=$weight" --out "$out/comparison"
