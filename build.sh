#!/usr/bin/env bash
# Builds, tests, measures and packages LlasaNative. `./build.sh help` lists what it can do.
# Everything that is not a missing tool is build.cake's business.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
usage: ./build.sh [TARGET] [--option value ...]

  test        build, check the bindings, run native tests (on the CPU, and every CUDA kernel on a simulator) and managed ones
              (default)   [--thorough: the tests that take long, too; the whole native suite on the simulator, under sanitizers; what a run
              survives, in short; nvcc, where it is; and warnings are errors; --without-kernels: nothing on the simulator]
  demo        train the tiny world by GRPO and write artifacts/demo/index.html
              [--seed N, and for a short look --steps N or --minutes M]
  fresh       demo and tests on new Debian machines made by debootstrap (as root) [--keep] [NAME ...]
  bench       microbenchmarks and a GRPO step against the machine's roofs
              [--peers: instead the same work by llama.cpp, whisper.cpp and PyTorch in turn with ours, artifacts/bench/peers.json;
              [--rows 1,2,... --rounds N]; tests/peers/setup.sh makes a Debian system that has them]
  faults      kill, starve and corrupt training runs at length [--kills N --seed N]; counts in artifacts/faults
  sanitize    native tests under AddressSanitizer and UBSan, on the CPU's code and on the kernels (Sanitize-Threads: under
              ThreadSanitizer)
  test-cudasim  the part of test --thorough that runs the CUDA kernels on a simulator [--filter PATTERN]
  package     NuGet packages and the self-contained program, in artifacts/package
  engine-whispernet  the Whisper.net engine in build/engines, for ggml files (5 MB)
  engine-onnx   the ONNX Runtime engine in build/engines, for rewards by models of your own (30 MB)
  engine-torch  the TorchSharp engine in build/engines, for --engine torch (its packages take 600 MB)
  format      check formatting
  bindings    regenerate the bindings from native/include/llasa_native.h
  cuda-archs  compile the CUDA backend for every architecture and write docs/kernels/registers.md (needs nvcc)
  gpu-check   tests, benchmarks, compute-sanitizer and a training run on this machine's GPU, in 15 minutes (--dry-run)
  clean       remove build/ and artifacts/

  --with-torch          test: also the TorchSharp engine; its packages take 600 MB, and without them the rest goes on
                        package: also the engine, as a NuGet package and as an archive to unpack over the program
  --needs               install what the target needs and stop
  --strict              warnings of g++, nvcc and C#'s analysers are errors (test --thorough does so, too)
  --with-cuda-toolkit   also install Debian's nvidia-cuda-toolkit (5 GB), adding its component to apt's sources if need
                        be; where it cannot be had, a warning says so and the rest goes on
  any task of build.cake can be named too; other options are passed on to it
TEXT
}

target=Test
with_cuda=0
only_needs=0
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
    engine-onnx) target=Engine-Onnx ;;
    engine-torch) target=Engine-Torch ;;
    engine-whispernet) target=Engine-WhisperNet ;;
    format) target=Format-Check ;;
    bindings) target=Bindings-Generate ;;
    test-cudasim) target=Test-Cudasim ;;
    cuda-archs) target=Cuda-Archs ;;
    fresh) exec tests/fresh/fresh.sh "${@:2}" ;;
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
    --needs) only_needs=1 ;;
    --*=*) options+=("$1") ;;
    --*) if [[ $# -gt 1 && $2 != --* ]]; then options+=("$1=$2"); shift; else options+=("$1=true"); fi ;;
    *) echo "build.sh: unexpected argument '$1'" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

# ------------------------------------------------------------------------------ what a fresh machine lacks
# Every question is the build's own: tools are tried on what the build gives them, and libraries are left to the find
# modules of CMake (cmake/probe).
declare -A fedora=([g++]=gcc-c++ [libopenblas-pthread-dev]="openblas-devel openblas-static" [libgtest-dev]=gtest-devel
  [libbenchmark-dev]=google-benchmark-devel [g++-11]=gcc-toolset-11-gcc-c++)
declare -A arch=([g++]=gcc [ninja-build]=ninja [libopenblas-pthread-dev]=openblas [libgtest-dev]=gtest
  [libbenchmark-dev]=benchmark [g++-11]=gcc11)
probe=build/probe
lacking=() # Debian packages
reasons=()
need() { # package, why, command that succeeds when it is there
  if ! eval "$3" >>"$probe/tools.log" 2>&1; then
    lacking+=("$1")
    reasons+=("  $1: $2")
  fi
}
try_cxx20() {
  local flags=(-std=c++20)
  if [[ $(uname -m) == x86_64 ]]; then flags+=(-march=x86-64-v4); fi
  "${CXX:-c++}" "${flags[@]}" cmake/probe/cxx20.cc -o "$probe/cxx20"
}
try_cmake() { # as old as the build allows
  local oldest found
  oldest=$(sed -n 's/^cmake_minimum_required(VERSION \([0-9.]*\)).*/\1/p' native/CMakeLists.txt)
  found=$(cmake --version | sed -n 's/^cmake version \([0-9.]*\).*/\1/p')
  printf '%s\n' "$oldest" "$found" | sort -V -C
}
try_clang() { clang -x c -std=c11 -fsyntax-only native/include/llasa_native.h; }
try_host_of_nvcc() { # nvcc of CUDA 11 takes no g++ newer than 11
  ! nvcc --version | grep -q 'release 11\.' || [[ $("${CXX:-c++}" -dumpversion) -lt 12 ]] || command -v g++-11 || command -v g++-10
}
# Which of the named libraries the native build would not find: all of them while it cannot even be configured.
missing_libraries() {
  rm -rf "$probe/cmake"
  if cmake -G Ninja -S cmake/probe -B "$probe/cmake" "-DLLASA_PROBE=$(IFS=';' && echo "$*")" >"$probe/cmake.log" 2>&1; then
    cat "$probe/cmake/lacking"
  else
    printf '%s\n' "$@"
  fi
}
find_lacking() {
  local libraries=(openblas) library
  lacking=() reasons=()
  rm -rf "$probe" && mkdir -p "$probe"
  need g++ "compiles the native library (C++20: GCC 11 or later)" try_cxx20
  need cmake "configures the native build ($(sed -n 's/^cmake_minimum_required(VERSION \([0-9.]*\)).*/\1/p' native/CMakeLists.txt) or later)" try_cmake
  need ninja-build "runs the native build" "ninja --version"
  case $target in
    Demo | Package | Bench | Faults | Bindings-* | Engine-*) ;;
    *) libraries+=(gtest) ;;
  esac
  if [[ $target == Bench ]]; then libraries+=(benchmark); fi
  case $target in
    Test | Default | Bindings-*)
      need clang "the bindings check reads the C header through it" try_clang ;;
  esac
  if [[ $target =~ ^(Test|Default|Cuda-.*|Package)$ && -n $(command -v nvcc) ]]; then
    need g++-11 "the newest host compiler that nvcc of CUDA 11 takes" try_host_of_nvcc
  fi
  for library in $(missing_libraries "${libraries[@]}"); do
    case $library in
      openblas) need libopenblas-pthread-dev "matrix products on the CPU (OpenBLAS, not another BLAS), linked statically" false ;;
      gtest) need libgtest-dev "the native tests" false ;;
      benchmark) need libbenchmark-dev "the microbenchmarks" false ;;
    esac
  done
}
# What to type where this script cannot install.
name_packages() {
  local package on_fedora=() on_arch=()
  for package in "${lacking[@]}"; do
    on_fedora+=("${fedora[$package]:-$package}")
    on_arch+=("${arch[$package]:-$package}")
  done
  echo "  Debian, Ubuntu: apt-get install ${lacking[*]}"
  echo "  Fedora: dnf install ${on_fedora[*]}"
  echo "  Arch: pacman -S ${on_arch[*]}"
}

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

can_install() { command -v apt-get >/dev/null && { [[ ${#as_root[@]} -eq 0 ]] || command -v sudo >/dev/null; }; }

find_lacking
if [[ ${#lacking[@]} -gt 0 ]]; then
  echo "This machine lacks:"
  printf '%s\n' "${reasons[@]}"
  if ! can_install; then
    echo "build.sh: cannot install them (that takes apt-get, as root or with sudo). Install these packages and run again:" >&2
    name_packages >&2
    exit 1
  fi
  echo "Installing: ${as_root[*]} apt-get install --no-install-recommends ${lacking[*]}"
  mkdir -p artifacts/logs
  if ! { "${as_root[@]}" apt-get update &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y --no-install-recommends "${lacking[@]}"; } \
    >artifacts/logs/apt.log 2>&1; then
    tail -n 20 artifacts/logs/apt.log >&2
    echo "build.sh: installing failed; the log is artifacts/logs/apt.log. What is needed:" >&2
    name_packages >&2
    exit 1
  fi
  find_lacking
  if [[ ${#lacking[@]} -gt 0 ]]; then
    echo "build.sh: installed, and still not what the build needs (logs in $probe):" >&2
    printf '%s\n' "${reasons[@]}" >&2
    exit 1
  fi
fi
if [[ $only_needs == 1 ]]; then
  echo "Everything that $target needs is here."
  exit 0
fi

# The CUDA toolkit is asked for, not needed: test-cudasim tests the kernels without it.
install_cuda_toolkit() {
  local packages=(nvidia-cuda-toolkit) free_gb
  if ! can_install; then
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
