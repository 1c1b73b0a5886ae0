#!/usr/bin/env bash
# What fifteen minutes on a rented card need: builds the CUDA backend for the card that is here, tests it, and measures it,
# the most valuable first. Every step has its own time-out, and artifacts/gpu-check/summary.json is written anew after each.
#
#   native/gpu-check.sh [--dry-run] [--budget SECONDS]
#
# --dry-run tells the steps, their time-outs and what must be carried to the card, and runs nothing. --budget is what all
# time-outs come to (900); each keeps its share.
#
# Needs nvcc (11.8 or later), cmake, ninja, GoogleTest and, for the benchmarks, Google Benchmark; nvidia-smi. No .NET, no
# OpenBLAS, no network. What is there it uses: compute-sanitizer, nsys, libllasa_cpu.so (LLASA_CPU_DIR, or beside the
# tree's build) to compare with, `llasa` (LLASA, a command) for two GRPO steps of the tiny world on both backends, and
# PyTorch and Transformers (of LLASA_PYTHON, a command, else python3) for the step that stands beside ours.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/artifacts/gpu-check
build=$root/build/native/cuda-check
tests=$build/tests/llasa_cuda_tests
bench=$build/bench/llasa_cuda_bench

# name, seconds of 900, what it does; in this order.
steps=(
  "versions 10 driver, card, compiler"
  "configure 30 CMake, for the card's architecture alone"
  "build 230 the library, its tests and benchmarks; goes on behind an error, warnings are none"
  "core-tests 50 tensor cores, products, attention, sampling"
  "tests 110 all other native tests"
  "agreement 50 the tiny world on the card against libllasa_cpu.so"
  "step 70 a whole step of Llasa-1B, X-Codec2 and Whisper large-v3 on random weights, phase by phase"
  "torch 100 the same step by PyTorch and Transformers; the summary has both beside each other"
  "benchmarks 75 every kernel at true shapes, by CUDA events"
  "memcheck 50 compute-sanitizer on the tests that run every kernel"
  "racecheck 40 the same, for races in shared memory"
  "profile 40 where a rollout's time goes (nsys)"
  "grpo 45 two GRPO steps of the tiny world on either backend; gradient norms agree within 5 %"
)
carried=(native cmake tests/fixtures assets/tiny)

refuse() {
  echo "gpu-check: $1" >&2
  exit 2
}

core='*Mma*:*Gemm*:*Attention*:*Sampling*:*Linear*'
# Every kernel runs in these (counted on the simulator); the models' own tests would take hours under a checker.
small='Advantage.*:*Activation*:Attention*:*AttentionTest*:*Cast.*:*Conv1d*:Conformer*:DecodeLoop*:Dropout*:Embedding*:Fsq*:Gemm*'
small+=':Istft*:Linear*:*LogprobHead*:Mel.*:Mma*:*Norm*:*Optimizer*:PolicyLoss*:*RopeTest*:Sampling.*:SamplingEdges*:SamplingRows*:Transcript*'

cpu_library() {
  local place
  for place in "${LLASA_CPU_DIR:-}" "$root/build/native/cpu" "$root/build/native/cpu-library" "$root"; do
    if [[ -n $place && -e $place/libllasa_cpu.so ]]; then echo "$place/libllasa_cpu.so" && return; fi
  done
}
llasa_command() {
  if [[ -n ${LLASA:-} ]]; then
    echo "$LLASA"
  elif [[ -x $root/llasa ]]; then
    echo "$root/llasa"
  elif [[ -e $root/managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll ]]; then
    echo "dotnet $root/managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll"
  fi
}
architecture() {
  nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i "${LLASA_DEVICE:-0}" | tr -dc 0-9
}
grpo() { # backend, folder of its library
  LLASA_NATIVE_DIR=$2 LLASA_BACKEND=$1 $(llasa_command) train --out "$out/grpo-$1" --steps 2 --seed 7 --set rollout.prompts_per_step=2 \
    --set rollout.samples_per_prompt=4 --set reward.mode=seed --set run.save_every=0 --set run.samples_every=0 >&2 &&
    sed -n '1s/.*"optimiser\/grad_norm":\([0-9.eE+-]*\).*/\1/p' "$out/grpo-$1/metrics.jsonl"
}

# What a phase of the step takes here and by PyTorch, one object a line: of phases that both files have, if they were made
# with the same sizes. Both have a phase, or a size, in a line. PyTorch's may have a variant's name behind a comma.
beside() {
  [[ -e $out/step.json && -e $out/torch-step.json ]] || return 0
  awk '
    function field(name) {
      return match($0, "\"" name "\": [0-9.e+-]+") ? substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 4) : ""
    }
    FNR == 1 { file++ }
    match($0, /^  "[a-z_]+": [0-9]+,/) {
      if (file == 1) size[$1] = $2
      else if (size[$1] != $2) exit
    }
    match($0, /[{]"name": "[^"]*"/) {
      name = substr($0, RSTART + 10, RLENGTH - 11)
      if (file == 1) ours[name] = field("seconds")
      phase = name
      sub(/,.*/, "", phase)
      if (file == 2 && ours[phase] > 0)
        printf "    {\"name\": \"%s\", \"seconds\": %s, \"torch_seconds\": %s, \"torch_over_ours\": %.3g}\n",
          name, ours[phase], field("seconds"), field("seconds") / ours[phase]
    }' "$out/step.json" "$out/torch-step.json"
}

# One step, in a process of its own, and its time-out. Exit code 77: it cannot run here, and its output says why.
run_step() {
  case $1 in
    versions)
      nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total,clocks.max.sm,power.limit --format=csv && nvcc --version
      ;;
    configure)
      cmake -G Ninja -S "$root/native" -B "$build" -DCMAKE_BUILD_TYPE=Release -DLLASA_BACKEND=cuda -DLLASA_CUDA_ARCHS="$(architecture)" \
        -DLLASA_WARNINGS_AS_ERRORS=OFF -DLLASA_BUILD_TESTS=ON -DLLASA_BUILD_BENCH=ON
      ;;
    build) cmake --build "$build" -j "$(nproc)" -- -k 0 ;;
    core-tests) "$tests" --gtest_brief=1 --gtest_output="json:$out/core-tests.json" --gtest_filter="$core" ;;
    tests) "$tests" --gtest_brief=1 --gtest_output="json:$out/tests.json" --gtest_filter="-$core:Agreement.*" ;;
    agreement)
      LLASA_CPU_LIBRARY=$(cpu_library)
      [[ -n $LLASA_CPU_LIBRARY ]] || { echo "there is no libllasa_cpu.so to compare with (set LLASA_CPU_DIR)" && exit 77; }
      LLASA_CPU_LIBRARY=$LLASA_CPU_LIBRARY "$tests" --gtest_brief=1 --gtest_output="json:$out/agreement.json" --gtest_filter='Agreement.*'
      ;;
    step) "$build/bench/llasa_cuda_step_bench" --out "$out/step.json" ;;
    torch)
      local python=${LLASA_PYTHON:-python3}
      command -v "$python" >/dev/null || { echo "$python is not here" && exit 77; }
      "$python" "$root/native/bench/step/torch_step.py" --out "$out/torch-step.json" --compile-until "$(awk -v s="$2" 'BEGIN { print 0.85 * s }')"
      ;;
    benchmarks) "$bench" --benchmark_out="$out/benchmarks.json" --benchmark_out_format=json ;;
    memcheck | racecheck)
      command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not here" && exit 77; }
      compute-sanitizer --tool "$1" --error-exitcode 9 "$tests" --gtest_brief=1 --gtest_filter="$small"
      ;;
    profile)
      command -v nsys >/dev/null || { echo "nsys is not here" && exit 77; }
      nsys profile --force-overwrite true -o "$out/rollout" "$bench" --benchmark_filter=Rollout && nsys stats --report cuda_gpu_kern_sum "$out/rollout.nsys-rep"
      ;;
    grpo)
      [[ -n $(llasa_command) ]] || { echo "there is no llasa to run (set LLASA)" && exit 77; }
      [[ -n $(cpu_library) ]] || { echo "there is no libllasa_cpu.so to compare with (set LLASA_CPU_DIR)" && exit 77; }
      local cpu cuda
      cpu=$(grpo cpu "$(dirname "$(cpu_library)")") && cuda=$(grpo cuda "$build") || exit 1
      echo "gradient norm: cpu $cpu, cuda $cuda"
      awk -v a="$cpu" -v b="$cuda" 'BEGIN { d = a > b ? a - b : b - a; exit !(a > 0 && d <= 0.05 * a) }'
      ;;
  esac
}

budget=900
dry=
while (($# > 0)); do
  case $1 in
    --run-step) run_step "$2" "$3" && exit 0 || exit $? ;;
    --beside) beside && exit 0 || exit $? ;; # of files that are there: for its test
    --dry-run) dry=1 ;;
    --budget)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || refuse "--budget: \`${2:-}\` is not a number of seconds"
      budget=$2
      shift
      ;;
    *) refuse "\`$1\` is not --dry-run or --budget SECONDS" ;;
  esac
  shift
done

limit() { awk -v share="$1" -v budget="$budget" 'BEGIN { printf "%.1f", share * budget / 900 }'; }
if [[ -n $dry ]]; then
  total=0
  for step in "${steps[@]}"; do
    read -r name seconds what <<<"$step"
    total=$((total + seconds))
    printf '%-11s %7s s  by %7s s  %s\n' "$name" "$(limit "$seconds")" "$(limit $total)" "$what"
  done
  kib=$(cd "$root" && git ls-files -z "${carried[@]}" 2>/dev/null | du -ck --apparent-size --files0-from=- | tail -n 1 | cut -f 1)
  echo "to be carried: ${carried[*]}: $(((kib + 1023) / 1024)) MiB"
  ((total <= 900)) || refuse "the steps come to $total of 900 seconds"
  exit 0
fi

for tool in nvcc cmake nvidia-smi; do
  command -v $tool >/dev/null || refuse "$tool is not here"
done
arch=$(architecture) && [[ -n $arch ]] || refuse "the NVIDIA driver sees no GPU"
((arch >= 80)) || refuse "the card has compute capability $arch (of 10), expected 80 or more"

mkdir -p "$out"
rm -rf "${out:?}"/*
declare -a lines=()
failed=0
started=$SECONDS
for step in "${steps[@]}"; do
  read -r name seconds _ <<<"$step"
  begun=$SECONDS
  by=$(limit "$seconds")
  timeout -k 5 "$by" "${BASH_SOURCE[0]}" --run-step "$name" "$by" >"$out/$name.log" 2>&1
  case $? in
    0) result=ok ;;
    77) result="skipped: $(tail -n 1 "$out/$name.log" | tr -d '"\\')" ;;
    124 | 137) result="timed out" failed=1 ;;
    *) result=failed failed=1 ;;
  esac
  echo "$name: $result"
  lines+=("    \"$name\": {\"result\": \"$result\", \"seconds\": $((SECONDS - begun))}")
  {
    printf '{\n  "arch": "sm_%s",\n  "commit": "%s",\n  "seconds": %d,\n  "steps": {\n' "$arch" \
      "$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)" $((SECONDS - started))
    (IFS=$'\n' && sed '$!s/$/,/' <<<"${lines[*]}")
    printf '  },\n  "step_beside_torch": [\n'
    beside | sed '$!s/$/,/'
    printf '  ]\n}\n'
  } >"$out/summary.json.new" && mv "$out/summary.json.new" "$out/summary.json"
done
cat "$out/summary.json"
exit "$failed"
