#!/usr/bin/env bash
# Trains the tiny world by every algorithm with one budget and three seeds; prints the table of docs/algorithms.md.
#   tests/algorithms/table.sh OUT     after ./build.sh demo or any build of library and program
# STEPS, SENTENCES (held-out, one sample each), SEEDS and THREADS change the budget; LLASA names the program. A run whose
# summary is in OUT already is not repeated, so an interrupted table goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:?usage: tests/algorithms/table.sh OUT}
steps=${STEPS:-80} sentences=${SENTENCES:-400} seeds=${SEEDS:-1 2 3} threads=${THREADS:-0}
read -ra llasa <<< "${LLASA:-dotnet managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll}"

budget=(rollout.prompts_per_step=8 rollout.samples_per_prompt=8 "run.steps=$steps" "optimiser.schedule=linear(decay_steps=$((steps / 3)),final_ratio=0.1)" optimiser.warmup_steps=2
  optimiser.learning_rate=1.25e-4 run.time_limit_minutes=0)
# label | settings over the budget
rows=(
  "grpo|algorithm=grpo"
  "dr_grpo|algorithm=dr_grpo"
  "dapo|algorithm=dapo loss.min_group_deviation=0.02"
  "gspo, 2 updates|algorithm=gspo update.mini_batch_prompts=4"
  "rloo|algorithm=rloo"
  "reinforce_plus_plus|algorithm=reinforce_plus_plus"
  "grpo, 2 epochs of 2 updates|algorithm=grpo update.epochs=2 update.mini_batch_prompts=4 loss.importance=token"
  "grpo, LoRA of rank 8|algorithm=grpo lora.rank=8 lora.alpha=16 optimiser.learning_rate=1.25e-3"
)

number() { grep -o "\"$2\": *-\?[0-9.eE+-]*" "$1" | tail -1 | sed 's/.*: *//'; }
# Mean and sum of a metric over the steps of a run.
mean() { grep -o "\"$2\":[0-9.eE+-]*" "$1" | awk -F: '{ s += $2; n++ } END { printf "%.2f", n ? s / n : 0 }'; }
sum() { grep -o "\"$2\":[0-9.eE+-]*" "$1" | awk -F: '{ s += $2 } END { printf "%d", s }'; }

echo "| algorithm | seed | CER before | CER after | s per step | groups left out | groups drawn again |"
echo "|---|---|---|---|---|---|---|"
for seed in $seeds; do
  for row in "${rows[@]}"; do
    label=${row%%|*}
    mkdir -p "$out"
    run="$out/$(echo "$label" | tr -c 'a-z0-9_\n' '-')-$seed"
    if [[ ! -f $run/summary.json ]]; then
      set=()
      for setting in "${budget[@]}" ${row#*|}; do set+=(--set "$setting"); done
      # `demo` fails when the error rate did not fall: that too is a row of the table.
      "${llasa[@]}" demo --threads "$threads" --seed "$seed" --limit "$sentences" --samples 1 --clips 0 --out "$run" "${set[@]}" \
        > "$run.log" 2>&1 || [[ -f $run/summary.json ]] || { tail -3 "$run.log" >&2; exit 1; }
    fi
    metrics=$run/run/metrics.jsonl
    printf '| %s | %s | %.4f | %.4f | %s | %s | %s |\n' "$label" "$seed" "$(number "$run/summary.json" cer_before)" \
      "$(number "$run/summary.json" cer_after)" "$(mean "$metrics" 'seconds\/step')" "$(sum "$metrics" 'rollout\/groups_flat')" \
      "$(sum "$metrics" 'rollout\/groups_redrawn')"
  done
done
