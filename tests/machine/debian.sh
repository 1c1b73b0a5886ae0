# Sourced by scripts that make Debian systems by debootstrap: where packages come from, and how a system reaches it.

# DEBIAN_MIRROR, else the source of this machine's own Debian, else nothing: debootstrap's default.
debian_mirror() {
  local uri=${DEBIAN_MIRROR:-}
  if [[ -n $uri ]]; then echo "$uri"; return; fi
  uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\/debian\/*\) *$/\1/p' | head -n 1) || true
  if [[ -z $uri && -e /etc/apt/sources.list ]]; then
    uri=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\/debian\/*\) .*/\2/p' /etc/apt/sources.list | head -n 1) || true
  fi
  echo "$uri"
}

# How this machine reaches others: names, apt's settings of proxies, certificates for the package ca-certificates to take up.
lend_network() { # system
  local file
  cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
  for file in /etc/apt/apt.conf.d/*; do
    if [[ -e $file ]] && grep -qi 'proxy' "$file"; then cp "$file" "$1/etc/apt/apt.conf.d/"; fi
  done
  if [[ -d /usr/local/share/ca-certificates ]]; then
    mkdir -p "$1/usr/local/share"
    cp -r /usr/local/share/ca-certificates "$1/usr/local/share/"
  fi
}
