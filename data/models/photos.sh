#!/bin/bash
# photos.sh - the photographs that shipped models are trained on, from Debian packages, reduced.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/photos.sh FOLDER       writes FOLDER/*.ppm and, in grey, FOLDER/grey/*.pgm, 8 bits
#   data/models/photos.sh FOLDER 20    only the first 20 of the list, all halved: what features.onnx has seen
#
# photos.tsv names package, file (of an .edj the member), how it is reduced, author, licence and checksum of each; a file that
# is not the one named there is refused.  A smaller picture is sharper to the pixel, with less noise and JPEG blocks; those
# with "-" are in the first twenty only.  What is in data/samples is not among them.
# Needs apt-get, dpkg, djpeg (libjpeg-turbo-progs), pamscale (netpbm) and edje_decc (libedje-bin).
set -eu -o pipefail
list=$(realpath "$(dirname "$0")/photos.tsv")
mkdir -p "$1/grey"
to=$(realpath "$1")
first=${2:-0}
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
grep -v '^#' "$list" | if [ "$first" -gt 0 ]; then head -n "$first"; else cat; fi >"$packages/list"
cd "$packages"
for package in $(cut -f1 list | sort -u); do
  apt-get -q download "$package"
  dpkg -x "$package"_*.deb "$package"
done

# Writes package/file to stdout as PPM, reduced.
decode() {
  case $1 in
    *.edj)
      (cd "$(dirname "$1")" && edje_decc "$(basename "$1")" >/dev/null 2>&1)
      pngtopnm "$(dirname "$1")/$2" 2>/dev/null ;;
    *) djpeg -scale "$3" "$1" ;;
  esac
}
while IFS=$'\t' read -r package file reduced _ sum; do
  member=${file#*#}
  path=$package/${file%%#*}
  name=$(basename "$member" | sed 's/\.[a-z]*$//')
  case $file in
    *.edj*) name=$(basename "$path" .edj)-$name ;;
    */contents/images/*) name=$(basename "${path%/contents/*}") ;;
  esac
  [ "$first" -eq 0 ] || reduced=1/2
  [ "$reduced" != - ] || continue
  echo "$sum  $path" | sha256sum --check --quiet
  set -- $reduced
  decode "$path" "$member" "$1" | if [ $# -gt 1 ]; then pamscale "$2"; else cat; fi >"$to/.new"
  ppmtopgm "$to/.new" >"$to/grey/$name.pgm"
  mv "$to/.new" "$to/$name.ppm"
done <list
