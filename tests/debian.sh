#!/usr/bin/env bash
# Runs scripts of this repository as a new user of another Debian would: in a system of its own in a folder, with what it
# packages (13: g++ 14 and Highway 1.2). Needs root, for chroot. usage: tests/debian.sh [RELEASE [COMMAND]]
#   tests/debian.sh                                         Debian 13: examples/run.sh, then tests/run.sh
#   tests/debian.sh bookworm "examples/run.sh"              bare Debian 12
#   tests/debian.sh trixie "CXX=clang++-19 tests/run.sh"    another compiler
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
require debootstrap

release=${1:-trixie} command=${2:-examples/run.sh && tests/run.sh -DNIBBLE_WERROR=ON}
root=${BUILD_DIR:-build/debian}/$release
mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Origin: Debian' | head -n 1)
if [ ! -e "$root/ready" ]; then
  mkdir -p "$root"
  quietly debootstrap --variant=minbase --include=ca-certificates "$release" "$root" "$mirror"
  touch "$root/ready"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
mkdir -p "$root/nibble"
find "$root/nibble" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +  # files that are no more
git ls-files -z | tar -c --null -T - | tar -x -C "$root/nibble"
chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  bash -c "cd /nibble && $command"
echo "$release: done in $SECONDS s"
