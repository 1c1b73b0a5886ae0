#!/usr/bin/env bash
# ./build.sh fresh: what somebody meets on a new machine. Makes Debian systems by debootstrap, lends each this machine's
# .NET SDK and NuGet packages, and runs `./build.sh demo --steps 3` and the native and managed tests in a clone of HEAD
# inside. Needs root, debootstrap and some 3 GB of disk for the one that is being tried. One line per system;
# artifacts/fresh/summary.json; exit status 1 if one fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
out=$root/artifacts/fresh

# Name, Debian release, and packages that are there before us.
systems=(
  "bookworm|bookworm|"
  "bookworm-reference-blas|bookworm|libblas-dev liblapack-dev libatlas-base-dev"
  "trixie|trixie|"
)

keep=0
wanted=()
for argument in "$@"; do
  case $argument in
    --keep) keep=1 ;;
    -*)
      echo "usage: ./build.sh fresh [--keep] [NAME ...]" >&2
      exit 2
      ;;
    *) wanted+=("$argument") ;;
  esac
done
for name in "${wanted[@]}"; do
  [[ " ${systems[*]%%|*} " == *" $name "* ]] || {
    echo "fresh: '$name', expected ${systems[*]%%|*}" >&2
    exit 2
  }
done
refuse() {
  echo "fresh: $1" >&2
  exit 1
}
[[ $(id -u) == 0 ]] || refuse "chroots need root; run it as root or in a container"
command -v debootstrap >/dev/null || refuse "debootstrap is not here; install the package debootstrap"
command -v git >/dev/null || refuse "git is not here"
command -v dotnet >/dev/null || refuse ".NET SDK is not here"
if [[ -n $(git status --porcelain --untracked-files=no) ]]; then
  echo "fresh: WARNING: the clones hold HEAD, without the changes of this working tree" >&2
fi

# In a mount namespace of its own: whatever ends this script, its mounts end with it.
if [[ -z ${LLASA_FRESH_NAMESPACE:-} ]]; then
  LLASA_FRESH_NAMESPACE=1 exec unshare --mount --propagation private "$root/tests/fresh/fresh.sh" "$@"
fi

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/llasa-fresh.XXXXXX")
leave() { # ends what still runs in a system (build servers), and unmounts whatever is mounted below it
  local mount process
  for process in /proc/[0-9]*; do
    if [[ $(readlink "$process/root") == "$1"* ]]; then kill -9 "${process#/proc/}" || true; fi
  done
  for mount in $(awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r); do
    umount "$mount" || umount --lazy "$mount"
  done
}
remove() { # a system or all of them, never through a mount
  leave "$1"
  if ! grep -q " $1/" /proc/mounts; then rm -rf --one-file-system "$1"; fi
}
finish() {
  if [[ $keep == 1 ]]; then
    leave "$work"
    echo "kept: $work"
  else
    remove "$work"
  fi
}
trap finish EXIT
trap 'exit 130' INT TERM

. tests/machine/debian.sh
mirror=$(debian_mirror)

# The packages of the solution and of the tools, restored here once; the systems need no registry then.
packages=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: *//')
sdk=$(dirname "$(readlink -f "$(command -v dotnet)")")
{ dotnet tool restore && dotnet restore LlasaNative.sln && dotnet restore managed/LlasaNative.Trainer/LlasaNative.Trainer.csproj; } \
  >"$out/restore.log" 2>&1 || refuse "restoring failed: $out/restore.log"

prepare() { # system, release, packages
  local system=$1
  debootstrap --variant=minbase "$2" "$system" ${mirror:+"$mirror"}
  lend_network "$system"
  mkdir -p "$system/opt/dotnet" "$system/opt/packages" "$system/proc" "$system/dev/shm" "$system/root/.nuget"
  mount -t proc proc "$system/proc"
  mount --rbind /dev "$system/dev"
  mount --make-rslave "$system/dev"
  mount --bind "$sdk" "$system/opt/dotnet"
  mount -o remount,bind,ro "$system/opt/dotnet"
  # A copy: restoring writes beside the packages.
  cp -r "$packages/." "$system/opt/packages/"
  if [[ -d ${HOME:-/root}/.nuget/NuGet ]]; then cp -r "${HOME:-/root}/.nuget/NuGet" "$system/root/.nuget/"; fi
  git clone --quiet --no-hardlinks "$root" "$system/root/LlasaNative"
  # What the .NET installer's own list of packages brings, and what a person has who has just cloned.
  inside "$system" "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git ca-certificates $3"
}

inside() { # system, command: runs it there with nothing of this machine's environment but proxies
  env -i HOME=/root LANG=C.UTF-8 TERM=dumb PATH=/opt/dotnet:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DOTNET_ROOT=/opt/dotnet NUGET_PACKAGES=/opt/packages DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
    chroot "$1" /bin/bash -c "cd /root && $2"
}

failed=0
separator=
steps_of() { # name, system, release, packages: sets result and seconds
  result=passed
  seconds=()
  local step started
  for step in prepare demo test; do
    started=$SECONDS
    ( # no `||` behind it: that would let a step go on behind its first fault
      set -e
      case $step in
        prepare) prepare "$2" "$3" "$4" ;;
        demo) inside "$2" "cd LlasaNative && ./build.sh demo --steps 3" ;;
        test) inside "$2" "cd LlasaNative && ./build.sh test --without-kernels" ;;
      esac
    ) >"$out/$1-$step.log" 2>&1 </dev/null
    if [[ $? != 0 ]]; then result="failed in $step"; fi
    seconds+=("\"$step\": $((SECONDS - started))")
    if [[ $result != passed ]]; then return; fi
  done
}

summary=$out/summary.json
printf '{\n  "commit": "%s",\n  "sdk": "%s",\n  "systems": {' "$(git rev-parse HEAD)" "$(dotnet --version)" >"$summary"
for entry in "${systems[@]}"; do
  IFS='|' read -r name release more <<<"$entry"
  if [[ ${#wanted[@]} -gt 0 && " ${wanted[*]} " != *" $name "* ]]; then continue; fi
  system=$work/$name
  mkdir -p "$system"
  set +e # a step that fails is told, and the next system has its turn
  steps_of "$name" "$system" "$release" "$more"
  set -e
  compiler=$(inside "$system" "g++ -dumpfullversion" 2>/dev/null || echo none)
  tests=$(grep -E '^[0-9]+ passed, ' "$out/$name-test.log" 2>/dev/null | tail -n 1 || true)
  cer=$(grep -E '^CER ' "$out/$name-demo.log" 2>/dev/null | tail -n 1 || true)
  if [[ $result != passed ]]; then
    failed=1
    tail -n 20 "$(ls -t "$out/$name"-*.log | head -n 1)" >&2
  fi
  printf '%s\n    "%s": { "release": "%s", "packages": "%s", "result": "%s", "compiler": "g++ %s", "tests": "%s", "demo": "%s", "seconds": { %s } }' \
    "$separator" "$name" "$release" "$more" "$result" "$compiler" "$tests" "$cer" "$(IFS=, && echo "${seconds[*]}" | sed 's/,"/, "/g')" >>"$summary"
  separator=,
  echo "$name (Debian $release${more:+ with $more}, g++ $compiler): $result${tests:+; $tests}${cer:+; ${cer%%;*}} ($(IFS=, && echo "${seconds[*]}" | tr -d '"' | sed 's/,/, /g') s)"
  if [[ $keep == 0 ]]; then remove "$system"; else leave "$system"; fi
done
printf '\n  }\n}\n' >>"$summary"
exit "$failed"
