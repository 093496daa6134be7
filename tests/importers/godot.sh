#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run Godot 4: tests/importers/godot.sh FOLDER ARGUMENT...   FOLDER is what it must see.
#
# Uses the `godot` on PATH if there is one. Otherwise it needs Linux, root, debootstrap and Debian's archive, and keeps Debian sid in
# $SKEL_BLENDER_CHROOTS/sid (default /var/cache/skel_blender), the folder in which tests/blender keeps its Blender. Exit code 77: can't run here.
set -euo pipefail

folder=$(realpath "$1") && shift
root=${SKEL_BLENDER_CHROOTS:-/var/cache/skel_blender}/sid

cannot() { echo "Godot: $1" >&2; exit 77; }

if command -v godot >/dev/null; then exec godot "$@"; fi
[ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || cannot "no godot on PATH, and only root on Linux can set one up"
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock" && flock 9
if [ ! -e "$root/usr/bin/godot" ]; then
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap >/dev/null; } || cannot "debootstrap is not here"
  if [ ! -e "$root/.ready" ]; then
    rm -rf "$root" && mkdir -p "$root"
    debootstrap --variant=minbase sid "$root" >"$root.log" 2>&1 || { rm -rf "$root"; cannot "Debian's archive can't be reached"; }
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d" # no service may start inside
    [ -e /etc/resolv.conf ] && cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  fi
  DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c "dpkg --configure -a && apt-get -o Acquire::Check-Valid-Until=false update -qq && apt-get install -y -qq --no-install-recommends godot" \
    >>"$root.log" 2>&1 || cannot "Godot could not be installed in $root"
fi
flock -u 9
exec unshare --mount --propagation private bash -c '
  set -e
  root=$1 folder=$2; shift 2
  mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
  mkdir -p "$root$folder"; mount --rbind "$folder" "$root$folder"
  exec chroot "$root" /usr/bin/env PATH=/usr/bin:/bin HOME=/tmp godot "$@"
' godot "$root" "$folder" "$@"
