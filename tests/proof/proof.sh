#!/usr/bin/env bash
# Does the speech get better? Five ways to improve the tiny world's voice on the same texts and seeds: the table of docs/proof.md.
#   tests/proof/proof.sh OUT     after ./build.sh demo or any build of library and program
# SEEDS, STEPS (of GRPO), SENTENCES (held-out), TEXTS (of RAFT's and of the pairs' samples) and DPO_STEPS change what is done; LLASA names the program. What is in OUT already is not done again, so an interrupted table goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:?usage: tests/proof/proof.sh OUT}
seeds=${SEEDS:-1 2 3} steps=${STEPS:-1000} sentences=${SENTENCES:-400} texts=${TEXTS:-1500} dpo_steps=${DPO_STEPS:-100}
read -ra llasa <<< "${LLASA:-dotnet managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll}"
basic=(--set reward.normalization=basic)   # the tiny world's texts are plain lower-case words
mkdir -p "$out"

evaluate() {   # FOLDER SEED ARGUMENTS...
  local folder=$1 seed=$2
  shift 2
  [[ -d $folder/evaluation/sounds && -f $folder/evaluation/summary.json ]] ||
    "${llasa[@]}" eval --limit "$sentences" --seed "$seed" "${basic[@]}" --out "$folder/evaluation" --sounds "$folder/evaluation/sounds" "$@"
}

for seed in $seeds; do
  start="$out/shipped-$seed" best="$out/best4-$seed" raft="$out/raft-$seed" grpo="$out/grpo-$seed" dpo="$out/grpo-dpo-$seed"
  evaluate "$start" "$seed" --samples 2
  evaluate "$best" "$seed" --samples 2 --best-of 4
  [[ -f $out/raft-$seed.parquet ]] || "${llasa[@]}" sample --limit "$texts" --best-of 4 --seed "$seed" "${basic[@]}" --out "$out/raft-$seed.parquet"
  [[ -d $raft/policy ]] || "${llasa[@]}" sft --data "$out/raft-$seed.parquet" --seed "$seed" --steps $((texts / 8)) --set run.save_every=0 --set optimiser.learning_rate=1.25e-4 --out "$raft"
  evaluate "$raft" "$seed" --samples 2 --policy "$raft/policy"
  [[ -d $grpo/policy ]] || "${llasa[@]}" train --config configs/demo.yaml --seed "$seed" --steps "$steps" --set run.time_limit_minutes=0 --set run.save_every=50 --out "$grpo"
  evaluate "$grpo" "$seed" --samples 2 --policy "$grpo/policy"
  [[ -f $out/samples-$seed.parquet ]] || "${llasa[@]}" sample --policy "$grpo/policy" --limit "$texts" --samples 4 --temperature 1 --top-p 1 --seed "$seed" "${basic[@]}" --out "$out/samples-$seed.parquet"
  [[ -f $out/pairs-$seed.parquet ]] || "${llasa[@]}" pair "$out/samples-$seed.parquet" --rule reward --margin 0.1 --length-band 1.25 --out "$out/pairs-$seed.parquet"
  [[ -d $dpo/policy ]] || "${llasa[@]}" dpo --policy "$grpo/policy" --data "$out/pairs-$seed.parquet" --seed "$seed" --steps "$dpo_steps" --set run.save_every=0 --set dpo.batch_size=16 --set optimiser.learning_rate=2e-5 --set dpo.sft_weight=0.1 --out "$dpo"
  evaluate "$dpo" "$seed" --samples 2 --policy "$dpo/policy"
  "${llasa[@]}" report "$start" "$best" "$raft" "$grpo" "$dpo" --names "shipped,best of 4,RAFT,GRPO,GRPO + DPO" --seed "$seed" --out "$out/report-$seed"
  if command -v pocketsphinx_batch >/dev/null; then   # an ear that rewarded none of them
    tests/second-ear/second_ear.py "$out/second-ear-$seed.json" {"$start","$best","$raft","$grpo","$dpo"}/evaluation/sounds
  else
    echo "no second ear: pocketsphinx and pocketsphinx-en-us are not installed"
  fi
done
