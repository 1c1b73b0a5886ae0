#!/usr/bin/env bash
# What build.sh asks before it builds, on machines where it once asked wrongly. Needs what the native build needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAILED: $1" >&2; exit 1; }

# A reference BLAS in front of OpenBLAS: its header, and libraries under every name the search knows.
mkdir -p "$scratch/reference/include/openblas" "$scratch/reference/lib/openblas-pthread"
cat >"$scratch/reference/include/cblas.h" <<'C'
enum CBLAS_ORDER { CblasRowMajor = 101, CblasColMajor = 102 };
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans = 112 };
extern "C" void cblas_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
C
cp "$scratch/reference/include/cblas.h" "$scratch/reference/include/openblas/"
echo 'void cblas_sgemm(void) {}' >"$scratch/cblas.c"
"${CC:-cc}" -c -fPIC "$scratch/cblas.c" -o "$scratch/cblas.o"
"${CC:-cc}" -shared "$scratch/cblas.o" -o "$scratch/reference/lib/libblas.so"
for name in libblas libcblas libopenblas libopenblasp openblas-pthread/libopenblas; do
  ar rc "$scratch/reference/lib/$name.a" "$scratch/cblas.o"
  cp "$scratch/reference/lib/libblas.so" "$scratch/reference/lib/$name.so" 2>/dev/null || true
done

probe() { # folder, CMake's arguments: what is lacking
  rm -rf "$scratch/$1"
  cmake -G Ninja -S "$root/cmake/probe" -B "$scratch/$1" -DLLASA_PROBE=openblas "${@:2}" >"$scratch/$1.log" 2>&1 || {
    cat "$scratch/$1.log" >&2
    fail "the probe could not be configured"
  }
  cat "$scratch/$1/lacking"
}

# It is looked past, by the very module the build uses ...
[[ -z $(probe past "-DCMAKE_PREFIX_PATH=$scratch/reference") ]] || fail "a fake cblas.h in front hid OpenBLAS"
! grep -E '^OPENBLAS_(INCLUDE_DIR|LIBRARY).*reference' "$scratch/past/CMakeCache.txt" || fail "a fake BLAS was taken"
# ... and where there is nothing else, OpenBLAS is lacking, as the build would say.
only=("-DCMAKE_PREFIX_PATH=$scratch/reference" -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF -DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF
  "-DCMAKE_MAKE_PROGRAM=$(command -v ninja)" "-DCMAKE_C_COMPILER=$(command -v "${CC:-cc}")" "-DCMAKE_CXX_COMPILER=$(command -v "${CXX:-c++}")")
[[ $(probe only "${only[@]}") == openblas ]] || fail "a reference BLAS passed for OpenBLAS"
! cmake -G Ninja -S "$root/native" -B "$scratch/native" -DLLASA_BUILD_TESTS=OFF "${only[@]}" >"$scratch/native.log" 2>&1 ||
  fail "the native build took a reference BLAS for OpenBLAS"
grep -q "openblas-devel" "$scratch/native.log" || fail "the build does not name Fedora's package: $(cat "$scratch/native.log")"

# Where nothing can be installed, build.sh names the packages of three distributions and stops. A copy of the tree's
# build.sh, beside what it reads, with a PATH of its own: no apt-get, no ninja.
copy=$scratch/copy
mkdir -p "$copy/native/include" "$scratch/bin"
cp build.sh global.json "$copy"
cp -r cmake "$copy"
cp native/CMakeLists.txt "$copy/native"
cp native/include/llasa_native.h "$copy/native/include"
for tool in bash cat cmake date dirname grep id mkdir rm sed sort uname; do ln -s "$(command -v "$tool")" "$scratch/bin/$tool"; done
if PATH=$scratch/bin CXX=$(command -v "${CXX:-c++}") "$copy/build.sh" demo --needs >"$scratch/needs.log" 2>&1; then
  fail "build.sh went on without ninja: $(cat "$scratch/needs.log")"
fi
for line in "ninja-build: runs the native build" "Debian, Ubuntu: apt-get install .*ninja-build" "Fedora: dnf install .*openblas-devel" \
  "Arch: pacman -S .*ninja"; do
  grep -q "$line" "$scratch/needs.log" || fail "build.sh does not say '$line': $(cat "$scratch/needs.log")"
done
echo "probe: ok"
