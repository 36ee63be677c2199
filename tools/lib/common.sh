# Shared by the scripts in tools/: messages, packages, builds. Sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# A step of the work, for people. Bold where the output is a terminal.
say() {
  if [ -t 1 ]; then printf '\033[1m==> %s\033[0m\n' "$*"; else printf '==> %s\n' "$*"; fi
}

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Names of the packages of the given sections of packages.txt that are not installed, one per line.
missing_packages() {
  local wanted installed section
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 ~ /^.i/ { print $2 }')
  wanted=$(for section in "$@"; do
    awk -v want="[$section]" '/^\[/ { on = ($1 == want); next } on && NF && $1 !~ /^#/ { print $1, $2 }' \
      "$root/tools/packages.txt"
  done)
  local package command
  while read -r package command; do
    [ -n "$package" ] || continue
    grep -qxF -- "$package" <<<"$installed" && continue
    [ -n "$command" ] && have "$command" && continue
    echo "$package"
  done <<<"$wanted"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=2 "$@" || return
  # coturn's package starts a server; the tests want nothing but the clients.
  case " $* " in
    *" coturn "*) as_root sh -c 'systemctl disable --now coturn || service coturn stop' >/dev/null 2>&1 || true ;;
  esac
}

# Installs what is missing of the given sections. Says what, touches nothing else, asks the network only then.
ensure_packages() {
  local missing
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "${missing// /}" ] || return 0
  have apt-get || die "needs Debian's apt-get to install: $missing"
  [ "$(id -u)" = 0 ] || have sudo || die "needs root or sudo to install: $missing"
  say "Installing by apt: $missing"
  # shellcheck disable=SC2086
  if ! apt-cache show --no-all-versions $missing >/dev/null 2>&1 || ! apt_install $missing; then
    say "Refreshing the package lists"
    as_root apt-get update || die "apt-get update failed: is there a network?"
    # shellcheck disable=SC2086
    apt_install $missing || die "apt-get could not install all of: $missing"
  fi
}

# configure DIR [meson options]: sets a build directory up, or again when the options or the meson files changed.
configure() {
  local dir=$1 stamp=$1/.sluice-options log=$1/configure.log set_up
  shift
  set_up=(meson setup "$dir" "$root" "$@")
  if [ -f "$dir/build.ninja" ]; then
    set_up=(meson setup --reconfigure "$dir" "$root" "$@")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$*" ]; then set_up=(ninja -C "$dir" build.ninja); fi
  else
    say "Configuring ${dir#"$root"/}"
  fi
  mkdir -p "$dir"
  if ! "${set_up[@]}" >"$log" 2>&1; then
    grep -E 'ERROR' "$log" >&2 || tail -n 5 "$log" >&2
    printf '%s: meson could not configure %s (all of it: %s)\n' "$(basename "$0")" "$dir" "$log" >&2
    return 1
  fi
  printf '%s' "$*" >"$stamp"
}

# The one set of options of build/, so that tools/run and tools/test share it.
release_options=(--buildtype=release -Db_lto=true -Dtests=true)

configure_release() { configure "$root/build" "${release_options[@]}"; }

# Path of the daemon inside build/, as meson knows it.
program_path() {
  meson introspect --targets "$root/build" | /usr/bin/python3 -c '
import json, sys
for target in json.load(sys.stdin):
    if target["name"] == "sluice" and target["type"] == "executable":
        print(target["filename"][0])'
}
