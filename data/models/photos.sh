#!/bin/bash
# photos.sh - the photographs that shipped models are trained on, from Debian packages, halved.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/photos.sh FOLDER      writes FOLDER/*.ppm, 8 bits
#
# photos.tsv names package, file, author, licence and checksum of each; a file that is not the one named there is refused.
# Half the size is sharper to the pixel, with less noise and JPEG blocks.  What is in data/samples is not among them.
# Needs apt-get, dpkg and djpeg (libjpeg-turbo-progs).
set -eu
list=$(realpath "$(dirname "$0")/photos.tsv")
mkdir -p "$1"
to=$(realpath "$1")
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
cd "$packages"
for package in $(grep -v '^#' "$list" | cut -f1 | sort -u); do
  apt-get -q download "$package"
  dpkg -x "$package"_*.deb "$package"
done
grep -v '^#' "$list" | while IFS=$'\t' read -r package file _ sum; do
  echo "$sum  $package/$file" | sha256sum --check --quiet
  name=$(basename "$file" .jpg)
  djpeg -scale 1/2 "$package/$file" >"$to/.$name"
  mv "$to/.$name" "$to/$name.ppm"
done
