#!/usr/bin/env bash
# Makes the Debian system that `./build.sh bench --peers` finds its peers in: a chroot of sid by debootstrap with PyTorch,
# Transformers, OpenBLAS, llama.cpp and whisper.cpp, as Debian builds them. Nothing of this machine is changed, and nothing
# stays mounted. Run again, it does what is lacking. Needs root, debootstrap and some 2.5 GB of disk.
#   usage: tests/peers/setup.sh [--directory DIR]       (LLASA_PEERS, else ~/.cache/llasa/peers)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/machine/debian.sh

system=${LLASA_PEERS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/llasa/peers}
if [[ $# -gt 0 ]]; then
  [[ $# == 2 && $1 == --directory ]] || {
    echo "usage: tests/peers/setup.sh [--directory DIR]" >&2
    exit 2
  }
  system=$2
fi
packages=(python3-torch python3-transformers python3-safetensors python3-tokenizers libopenblas0-pthread llama.cpp llama.cpp-tools-extra whisper.cpp)

refuse() {
  echo "peers: $1" >&2
  exit 1
}
say() { echo "peers: $1"; }
[[ $(id -u) == 0 ]] || refuse "a chroot needs root; run it as root or in a container, or put llama-bench and the others on PATH"
command -v debootstrap >/dev/null || refuse "debootstrap is not here; install the package debootstrap"

mkdir -p "$system"
system=$(realpath "$system")
log=$system.log
installed() { [[ $(chroot "$system" dpkg-query -W -f '${db:Status-Status}\n' "${packages[@]}" 2>/dev/null | grep -cx installed) == "${#packages[@]}" ]]; }
run() { # what for, command: its output goes to the log, and its end to the screen where it fails
  local purpose=$1
  shift
  if ! "$@" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    refuse "$purpose failed; the log is $log"
  fi
}
inside() {
  env -i HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
    chroot "$system" "$@"
}

: >"$log"
if [[ ! -e $system/etc/debian_version || -e $system/debootstrap ]]; then
  free_gb=$(df --output=avail -BG "$system" | tail -n 1 | tr -dc 0-9)
  ((free_gb >= 4)) || refuse "it takes some 2.5 GB of disk, and 4 while it is made; $system has $free_gb GB"
  mirror=$(debian_mirror)
  say "making Debian sid in $system${mirror:+ from $mirror}"
  rm -rf --one-file-system "$system"
  mkdir -p "$system"
  run "debootstrap" debootstrap --variant=minbase sid "$system" ${mirror:+"$mirror"}
fi
if installed; then
  say "all of ${packages[*]} are here"
else
  say "installing ${packages[*]}"
  lend_network "$system"
  # A mirror that is not the day's own has a list that says of itself that it expired; its signature counts all the same.
  if ! inside apt-get update >>"$log" 2>&1 || grep -qi 'is expired\|is not valid' "$log"; then
    say "the list of packages is called expired: asking again without its date"
    run "apt-get update" inside apt-get -o Acquire::Check-Valid-Until=false update
  fi
  run "apt-get install" inside apt-get install -y --no-install-recommends "${packages[@]}"
  inside apt-get clean
fi
inside dpkg-query -W -f '${Package} ${Version}\n' "${packages[@]}"
say "ready: ./build.sh bench --peers finds them${LLASA_PEERS:+ by LLASA_PEERS=$system}"
