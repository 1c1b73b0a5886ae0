#!/usr/bin/env bash
# Builds, tests, measures and packages LlasaNative. `./build.sh help` lists what it can do.
# Everything that is not a missing tool is build.cake's business.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
usage: ./build.sh [TARGET] [--option value ...]

  test        build, check the bindings, run native tests (on the CPU, and the CUDA kernels on a simulator) and managed ones
              (default)
  demo        train the tiny world by GRPO and write artifacts/demo/index.html   [--seed N]
  bench       microbenchmarks and a GRPO step against the machine's roofs
  faults      kill, starve and corrupt training runs at length [--kills N --seed N]; counts in artifacts/faults
  sanitize    native tests under AddressSanitizer and UBSan, on the CPU's code and on the kernels (Sanitize-Threads: under
              ThreadSanitizer)
  test-cudasim  the part of test that runs the CUDA kernels on a simulator [--filter PATTERN]
  package     NuGet packages and the self-contained program, in artifacts/package
  format      check formatting
  bindings    regenerate the bindings from native/include/llasa_native.h
  cuda-archs  compile the CUDA backend for every architecture and write docs/kernels/registers.md (needs nvcc)
  gpu-check   tests, compute-sanitizer, benchmarks and a training run on this machine's GPU
  clean       remove build/ and artifacts/

  --with-cuda-toolkit   also install Debian's nvidia-cuda-toolkit (5 GB), adding its component to apt's sources if need
                        be; where it cannot be had, a warning says so and the rest goes on
  any task of build.cake can be named too; other options are passed on to it
TEXT
}

target=Test
with_cuda=0
options=()
if [[ $# -gt 0 && $1 != --* ]]; then
  case $1 in
    help) usage; exit 0 ;;
    test) target=Test ;;
    demo) target=Demo ;;
    bench) target=Bench ;;
    faults) target=Faults ;;
    sanitize) target=Sanitize ;;
    package) target=Package ;;
    format) target=Format-Check ;;
    bindings) target=Bindings-Generate ;;
    test-cudasim) target=Test-Cudasim ;;
    cuda-archs) target=Cuda-Archs ;;
    gpu-check) exec native/gpu-check.sh "${@:2}" ;;
    clean) rm -rf build artifacts; exit 0 ;;
    *) target=$1 ;;
  esac
  shift
fi
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --with-cuda-toolkit) with_cuda=1 ;;
    --*=*) options+=("$1") ;;
    --*) if [[ $# -gt 1 && $2 != --* ]]; then options+=("$1=$2"); shift; else options+=("$1=true"); fi ;;
    *) echo "build.sh: unexpected argument '$1'" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

# ------------------------------------------------------------------------------ what a fresh machine lacks
lacking=() # Debian packages
reasons=()
need() { # package, why, command that succeeds when it is there
  if ! eval "$3" >/dev/null 2>&1; then
    lacking+=("$1")
    reasons+=("  $1: $2")
  fi
}
has_header() { echo "#include <$1>" | "${CXX:-c++}" -E -x c++ - "${@:2}" >/dev/null; }
openblas_flags=(-I/usr/include/x86_64-linux-gnu/openblas-pthread -I/usr/include/openblas)

need g++ "compiles the native library (C++20)" "command -v ${CXX:-c++}"
need cmake "configures the native build" "command -v cmake"
need ninja-build "runs the native build" "command -v ninja"
need libopenblas-pthread-dev "matrix products on the CPU, linked statically" "has_header cblas.h ${openblas_flags[*]}"
case $target in
  Demo | Package | Bench | Bindings-Generate) ;;
  *) need libgtest-dev "the native tests" "has_header gtest/gtest.h" ;;
esac
case $target in
  Test | Default | Bindings-*) need clang "the bindings check reads the C header through it" "command -v clang" ;;
esac
if [[ $target == Bench ]]; then
  need libbenchmark-dev "the microbenchmarks" "has_header benchmark/benchmark.h"
fi
if [[ $target =~ ^(Test|Default|Cuda-Archs)$ && -n $(command -v nvcc) ]]; then
  need g++-11 "the newest host compiler that nvcc of CUDA 11 takes" "command -v g++-11 || nvcc --version | grep -E 'release 1[2-9]'"
fi

# Debian's contrib and non-free components, from the same servers as what is there, in files of our own.
add_non_free() {
  local file name
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file ]] && grep -q '^URIs:.*debian' "$file" || continue
    name=/etc/apt/sources.list.d/llasa-non-free-${file##*/}
    echo "Adding contrib and non-free to apt's sources: $name"
    sed 's/^Components:.*/Components: contrib non-free/' "$file" | "${as_root[@]}" tee "$name" >/dev/null
  done
  if [[ -e /etc/apt/sources.list ]] && grep -q '^deb .*debian.* main' /etc/apt/sources.list; then
    name=/etc/apt/sources.list.d/llasa-non-free.list
    echo "Adding contrib and non-free to apt's sources: $name"
    sed -n 's/^\(deb .*debian.*\) main.*$/\1 contrib non-free/p' /etc/apt/sources.list | "${as_root[@]}" tee "$name" >/dev/null
  fi
}

as_root=()
if [[ $(id -u) != 0 ]]; then
  as_root=(sudo)
fi

if [[ ${#lacking[@]} -gt 0 ]]; then
  echo "This machine lacks:"
  printf '%s\n' "${reasons[@]}"
  if ! command -v apt-get >/dev/null || { [[ ${#as_root[@]} -gt 0 ]] && ! command -v sudo >/dev/null; }; then
    echo "build.sh: cannot install them (needs apt-get, as root or with sudo). Install these packages and run again: ${lacking[*]}" >&2
    exit 1
  fi
  echo "Installing: ${as_root[*]} apt-get install --no-install-recommends ${lacking[*]}"
  mkdir -p artifacts/logs
  if ! { "${as_root[@]}" apt-get update &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y --no-install-recommends "${lacking[@]}"; } \
    >artifacts/logs/apt.log 2>&1; then
    tail -n 20 artifacts/logs/apt.log >&2
    echo "build.sh: installing failed; the log is artifacts/logs/apt.log" >&2
    exit 1
  fi
fi

# The CUDA toolkit is asked for, not needed: test-cudasim tests the kernels without it.
install_cuda_toolkit() {
  local packages=(nvidia-cuda-toolkit) free_gb
  if ! command -v apt-get >/dev/null || { [[ ${#as_root[@]} -gt 0 ]] && ! command -v sudo >/dev/null; }; then
    echo "there is no apt-get, or no sudo to run it"
    return 1
  fi
  free_gb=$(df --output=avail -BG /usr | tail -n 1 | tr -dc 0-9)
  if ((free_gb < 12)); then
    echo "it takes some 8 GB of disk while it is installed, /usr has $free_gb GB"
    return 1
  fi
  if ! grep -rqE '^(Components:|deb ).* non-free( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null; then
    add_non_free >&2
  fi
  mkdir -p artifacts/logs
  if ! timeout 300 "${as_root[@]}" apt-get update >artifacts/logs/apt-cuda.log 2>&1; then
    tail -n 3 artifacts/logs/apt-cuda.log
    return 1
  fi
  case $(apt-cache policy nvidia-cuda-toolkit) in
    *"Candidate: 11."*) packages+=(g++-11) ;; # the newest host compiler that it takes
  esac
  echo "Installing: ${as_root[*]} apt-get install --no-install-recommends ${packages[*]}" >&2
  if ! DEBIAN_FRONTEND=noninteractive timeout 1200 "${as_root[@]}" \
    apt-get install -y --no-install-recommends "${packages[@]}" >>artifacts/logs/apt-cuda.log 2>&1; then
    tail -n 3 artifacts/logs/apt-cuda.log
    return 1
  fi
  "${as_root[@]}" apt-get clean # 2 GB of archives
}
if [[ $with_cuda == 1 ]] && ! command -v nvcc >/dev/null && ! reason=$(install_cuda_toolkit); then
  echo "build.sh: WARNING: nvidia-cuda-toolkit could not be installed: $reason" >&2
  echo "build.sh: WARNING: the kernels will not be compiled for a GPU (./build.sh test-cudasim runs them without one)" >&2
fi

wanted=$(sed -n 's/.*"version": *"\([0-9]*\).*/\1/p' global.json)
if ! command -v dotnet >/dev/null || ! dotnet --list-sdks | grep -q "^$wanted\."; then
  echo "build.sh: .NET SDK $wanted is needed and not here; see https://learn.microsoft.com/dotnet/core/install/linux" >&2
  exit 1
fi

# ---------------------------------------------------------------------------------------------------- build
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1
if ! compgen -G '/usr/lib/*/libicuuc.so*' >/dev/null; then
  export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 # the tools run without ICU; the program itself never needs it
fi
export LLASA_BUILD_STARTED="${LLASA_BUILD_STARTED:-$(date +%s)}" # the demo reports the time since then
if [[ ! -t 1 ]]; then
  export NO_COLOR=1
fi
mkdir -p artifacts/logs
if ! dotnet tool restore >artifacts/logs/tool-restore.log 2>&1; then
  cat artifacts/logs/tool-restore.log >&2
  exit 1
fi
exec dotnet cake build.cake --target="$target" "${options[@]}"
