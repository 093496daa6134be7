#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The extension in the real Blender with a real window: zip built, validated, installed as a user installs it, then drive.py
# presses the buttons.
#
#   tests/blender/real_blender.sh [SUITE...]     Debian suites to take Blender from: trixie (4.3), sid (5.x); default: both
#
# Uses the `blender` on PATH instead if there is one and no suite is named. Otherwise it needs Linux, root, debootstrap and Debian's
# archive, and keeps each suite in a folder of its own under $SKEL_BLENDER_CHROOTS (default /var/cache/skel_blender). Exit code 77:
# can't run here. The real engine takes part if it is installed (bin/skel-blender env) or $SKEL_BLENDER_ENGINE names its Python;
# $SKEL_BLENDER_CLIP: other footage.
# Pictures and logs go to dist/real_blender, the results in JUnit's form to $SKEL_BLENDER_REPORT.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd -P)
python=${SKEL_BLENDER_PYTHON:-python3}
chroots=${SKEL_BLENDER_CHROOTS:-/var/cache/skel_blender}
shots=$repository/dist/real_blender
packages="blender python3-numpy python3-cattr python3-requests xvfb xauth libgl1-mesa-dri imagemagick"

cannot() { echo "real Blender: $1" >&2; exit 77; }

# Make the folder $root of a Debian suite with Blender and a virtual screen in it. Mirrors lag behind: an old list of packages will do.
setup() {
  [ -e "$root/.ready" ] && return
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || cannot "no blender on PATH, and only root on Linux can set one up"
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap >/dev/null; } ||
    cannot "debootstrap is not here"
  rm -rf "$root" && mkdir -p "$root"
  echo "Setting up Debian $1 in $root"
  debootstrap --variant=minbase "$1" "$root" >"$root.log" 2>&1 || { tail -5 "$root.log" >&2; cannot "Debian's archive can't be reached"; }
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d" # no service may start inside
  [ -e /etc/resolv.conf ] && cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c "apt-get -o Acquire::Check-Valid-Until=false update -qq && apt-get install -y -qq --no-install-recommends $packages" \
    >>"$root.log" 2>&1 || { tail -5 "$root.log" >&2; cannot "Blender could not be installed in $root"; }
  touch "$root/.ready"
}

# Run a command inside the folder $root; what the host has in the named folders is seen at the same paths. Mounts vanish with the command.
inside() {
  unshare --mount --propagation private bash -c '
    set -e
    root=$1; shift
    mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount --rbind /sys "$root/sys"
    while [ "$1" != -- ]; do
      if [ -d "$1" ] && [ "$1" != / ] && [ "$1" != /usr ]; then mkdir -p "$root$1"; mount --rbind "$1" "$root$1"; fi
      shift
    done
    shift
    exec chroot "$root" /usr/bin/env PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@"
  ' inside "$root" "$repository" "$work" "$HOME" "$(dirname "$clip")" "$base_python" "$engine_folder" -- "$@"
}

# Everything for one Blender; $1 names it, the rest is how to call a program next to it.
check() {
  local name=$1; shift
  local log=$work/shots/$name.log user=$work/$name
  mkdir -p "$user" "$work/shots"
  local settings=(BLENDER_USER_RESOURCES="$user" HOME="$user" LIBGL_ALWAYS_SOFTWARE=1 SKEL_BLENDER_HOME="$user/engines"
    SKEL_BLENDER_SHOTS="$work/shots/$name" SKEL_BLENDER_RESULT="$work/$name.xml" SKEL_BLENDER_NAME="$name"
    SKEL_BLENDER_ENGINE="$engine" SKEL_BLENDER_CLIP="$clip")
  local result=0
  {
    "$@" env "${settings[@]}" blender --factory-startup --command extension validate "$zip" &&
      "$@" env "${settings[@]}" blender --command extension install-file --repo user_default --enable "$zip" &&
      "$@" env "${settings[@]}" timeout 900 "${screen[@]}" blender --enable-event-simulate --no-window-focus \
        --window-geometry 0 0 1600 900 --python-exit-code 1 --python "$repository/tests/blender/drive.py"
  } >"$log" 2>&1 || result=$?
  grep -aE "^(PASS|FAIL|SKIP)" "$log" || true
  mkdir -p "$shots" && rm -f "$shots/$name"[._]* && cp "$work/shots/$name"[._]* "$shots"
  if [ ! -s "$work/$name.xml" ]; then
    tail -20 "$log" >&2
    echo "<testsuite name=\"$name\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\"/>" >"$work/$name.xml"
    result=1
  fi
  return "$result"
}

main() { # a function, so that a change of this file does not disturb a run
  work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
  zip=$work/skel_blender.zip
  base_python=$("$python" -c 'import sys; print(sys.base_prefix)')
  installed="from skel_blender import environment as e; r = e.default_root(); print(e.engine_python(r) if e.is_ready(r) else '')"
  engine=${SKEL_BLENDER_ENGINE:-$(PYTHONPATH=$repository "$python" -c "$installed")}
  engine_folder=$(dirname "$(dirname "${engine:-$work/x/x}")")
  clip=$(realpath "${SKEL_BLENDER_CLIP:-$repository/tests/data/tfjs_pose1.mp4}")
  "$python" "$repository/build.py" --out "$zip"

  failed=0
  screen=(xvfb-run -a -s "-screen 0 1600x900x24 +extension GLX")
  if [ $# = 0 ] && command -v blender >/dev/null; then
    if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then screen=(); fi
    [ ${#screen[@]} = 0 ] || command -v xvfb-run >/dev/null || cannot "no display and no xvfb-run"
    check system env || failed=1
  else
    [ $# -gt 0 ] || set -- trixie sid
    for suite in "$@"; do
      root=$chroots/$suite
      (setup "$suite") || continue # it has said why; the other suites can still run
      check "$suite" inside || failed=1
    done
    compgen -G "$work/*.xml" >/dev/null || exit 77
  fi
  if [ -n "${SKEL_BLENDER_REPORT:-}" ]; then
    { echo "<testsuites>"; cat "$work"/*.xml; echo "</testsuites>"; } >"$SKEL_BLENDER_REPORT"
  fi
  exit "$failed"
}

main "$@"
