#!/usr/bin/env bash
# Checks the CUDA backend on this machine's GPU and writes artifacts/gpu-check/summary.json: native tests,
# compute-sanitizer on small cases, microbenchmarks, and a GRPO step of the tiny world on the GPU against the CPU.
# Needs nvcc, cmake, ninja, GoogleTest, Google Benchmark and OpenBLAS; for the last part LLASA, a command that runs
# `llasa` (default: the self-contained program or the build of this tree), and libllasa_cpu.so beside it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/artifacts/gpu-check
build=$root/build/native/cuda-check

refuse() {
  echo "gpu-check: $1" >&2
  exit 1
}
command -v nvcc >/dev/null || refuse "nvcc is not here; install the CUDA toolkit (11.8 or later)"
command -v cmake >/dev/null || refuse "cmake is not here"
command -v nvidia-smi >/dev/null || refuse "no NVIDIA driver is installed (nvidia-smi is not here)"
device=$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader -i "${LLASA_DEVICE:-0}" 2>/dev/null) ||
  refuse "the NVIDIA driver sees no GPU"
name=${device%,*}
arch=$(tr -dc 0-9 <<<"${device##*,}")
((arch >= 80)) || refuse "$name has compute capability ${device##*, }, expected 8.0 or later"

mkdir -p "$out"
rm -f "$out"/*
echo "checking $name (sm_$arch); logs are in $out"
cmake -G Ninja -S "$root/native" -B "$build" -DCMAKE_BUILD_TYPE=Release -DLLASA_BACKEND=cuda -DLLASA_CUDA_ARCHS="$arch" \
  -DLLASA_BUILD_TESTS=ON -DLLASA_BUILD_BENCH=ON >"$out/configure.log" 2>&1 || refuse "configuring failed: $out/configure.log"
cmake --build "$build" >"$out/build.log" 2>&1 || refuse "building failed: $out/build.log"
tests=$build/tests/llasa_cuda_tests

# Each step: "ok", "failed" or "skipped"; a failed one does not keep the others from running.
declare -A result
step() { # name, command...
  local step=$1
  shift
  if "$@" >"$out/$step.log" 2>&1; then result[$step]=ok; else result[$step]=failed; fi
  echo "$step: ${result[$step]}"
}
# The tests that compare the GPU with the CPU on the tiny world need the CPU's library.
cpu_library=
for place in "${LLASA_CPU_DIR:-}" "$root/build/native/cpu" "$root/build/native/cpu-library" "$root"; do
  if [[ -z $cpu_library && -n $place && -e $place/libllasa_cpu.so ]]; then cpu_library=$place/libllasa_cpu.so; fi
done
if [[ -n $cpu_library ]]; then
  export LLASA_CPU_LIBRARY=$cpu_library
  step tests "$tests" --gtest_brief=1 --gtest_output="json:$out/tests.json"
else
  step tests "$tests" --gtest_brief=1 --gtest_output="json:$out/tests.json" --gtest_filter='-Agreement.*'
  result[agreement]=skipped
  echo "agreement: skipped, there is no libllasa_cpu.so to compare with (set LLASA_CPU_DIR)"
fi
# Every kernel runs in these (counted on the simulator); the models' own tests would take hours there.
small='Advantage.*:*Activation*:Attention*:*AttentionTest*:*Cast.*:*Conv1d*:Conformer*:DecodeLoop*:Dropout*:Embedding*:Fsq*:Gemm*'
small+=':Istft*:Linear*:*LogprobHead*:Mel.*:Mma*:*Norm*:*Optimizer*:PolicyLoss*:*RopeTest*:Sampling.*:SamplingEdges*:Transcript*'
for tool in memcheck racecheck; do
  if command -v compute-sanitizer >/dev/null; then
    step "$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 "$tests" --gtest_brief=1 --gtest_filter="$small"
  else
    result[$tool]=skipped
    echo "$tool: skipped, compute-sanitizer is not here"
  fi
done
step benchmarks "$build/bench/llasa_cuda_bench" --benchmark_out="$out/benchmarks.json" --benchmark_out_format=json

llasa=${LLASA:-}
if [[ -z $llasa && -x $root/llasa ]]; then llasa=$root/llasa; fi
if [[ -z $llasa && -e $root/managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll ]]; then
  llasa="dotnet $root/managed/LlasaNative.Trainer/bin/Release/net10.0/llasa.dll"
fi
grpo() { # backend, folder of its library
  LLASA_NATIVE_DIR=$2 LLASA_BACKEND=$1 $llasa train --out "$out/grpo-$1" --steps 2 --seed 7 --set rollout.prompts_per_step=2 \
    --set rollout.samples_per_prompt=4 --set reward.mode=seed --set run.save_every=0 --set run.samples_every=0
}
# The gradient norm of step 1, which both take from the same weights. Samples may differ where rounding crosses a
# border of the draw, so the norms are told, and must agree within 5 %.
agree() {
  local cpu gpu
  cpu=$(sed -n '1s/.*"optimiser\/grad_norm":\([0-9.eE+-]*\).*/\1/p' "$out/grpo-cpu/metrics.jsonl")
  gpu=$(sed -n '1s/.*"optimiser\/grad_norm":\([0-9.eE+-]*\).*/\1/p' "$out/grpo-cuda/metrics.jsonl")
  echo "gradient norm: cpu $cpu, cuda $gpu"
  awk -v a="$cpu" -v b="$gpu" 'BEGIN { d = a > b ? a - b : b - a; exit !(a > 0 && d <= 0.05 * a) }'
}
if [[ -n $llasa ]]; then
  step grpo-cpu grpo cpu "${LLASA_CPU_DIR:-$root/build/native/cpu}"
  step grpo-cuda grpo cuda "$build"
  step grpo-agree agree
else
  result[grpo-cpu]=skipped
  echo "grpo: skipped, there is no llasa to run (set LLASA)"
fi

failed=0
{
  printf '{\n  "device": "%s",\n  "arch": "sm_%s",\n  "driver": "%s",\n  "nvcc": "%s",\n  "commit": "%s",\n  "steps": {' "$name" "$arch" \
    "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i "${LLASA_DEVICE:-0}")" \
    "$(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')" "$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)"
  separator=
  for key in "${!result[@]}"; do
    printf '%s\n    "%s": "%s"' "$separator" "$key" "${result[$key]}"
    separator=,
    if [[ ${result[$key]} == failed ]]; then failed=1; fi
  done
  printf '\n  }\n}\n'
} >"$out/summary.json"
cat "$out/summary.json"
exit "$failed"
