#!/bin/bash
# photos.sh - the photographs that shipped models are trained on, from Debian packages, reduced.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/photos.sh FOLDER       writes FOLDER/*.ppm and, in grey, FOLDER/grey/*.pgm, 8 bits
#   data/models/photos.sh FOLDER N     of the first N rows only
#   data/models/photos.sh FOLDER N 1/2 and each reduced by that: features.onnx has seen 20, halved
#
# photos.tsv names package, file (of an .edj, .rcc or .pk3 the member), how it is reduced, author, licence and checksum of
# each; a file that is not the one named there is refused.  A smaller picture is sharper to the pixel, with less noise and
# JPEG blocks; those with "-" are left out unless a reduction is given.  What is in data/samples is not among them.
# Needs apt-get, dpkg, djpeg (libjpeg-turbo-progs), pamscale (netpbm), edje_decc (libedje-bin), dwebp (webp), unzip and perl.
set -eu -o pipefail
list=$(realpath "$(dirname "$0")/photos.tsv")
mkdir -p "$1/grey"
to=$(realpath "$1")
rows=${2:-100000} all=${3:-}
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
grep -v '^#' "$list" | sed -n "1,${rows}p" >"$packages/list"
cd "$packages"
for package in $(cut -f1 list | sort -u); do
  apt-get -q download "$package"
  dpkg -x "$package"_*.deb "$package"
done

# Writes a member of a Qt resource file (.rcc) to stdout: walks down its tree of nodes, which are 22 bytes since version 2.
rcc_member() {
  perl -0777 -e '
    open my $in, "<:raw", shift or die; my $rcc = <$in>;
    my ($version, $tree, $data, $names) = unpack "x4 N4", $rcc;
    my ($size, $node) = ($version < 2 ? 14 : 22, $tree);
    for my $part (split "/", shift) {
      my ($count, $first, $found) = unpack "x6 N2", substr $rcc, $node;
      for my $child (map { $tree + $size * $_ } $first .. $first + $count - 1) {
        my ($length, $name) = unpack "n x4 a512", substr $rcc, $names + unpack "N", substr $rcc, $child;
        ($name = substr $name, 0, 2 * $length) =~ tr/\0//d;
        $found = $child if $name eq $part;
      }
      $node = $found // die "no $part\n";
    }
    my ($compressed, $offset) = unpack "x4 n x4 N", substr $rcc, $node;
    die "compressed\n" if $compressed;
    print unpack "N/a*", substr $rcc, $data + $offset' "$1" "$2"
}

# Writes package/file, or its member, to stdout as PPM, reduced.
decode() {
  local file=$1 member=$2 reduced=$3
  case $file in
    *.edj)
      (cd "$(dirname "$file")" && { [ -e "$member" ] || edje_decc "$(basename "$file")" >/dev/null 2>&1; })
      file=$(dirname "$file")/$member ;;
    *.rcc) rcc_member "$file" "$member" >.member; file=.member ;;
    *.pk3) unzip -p "$file" "$member" >.member; file=.member ;;
  esac
  case $member in
    *.png) pngtopnm "$file" 2>/dev/null | pamscale -quiet -reduce "${reduced#1/}" ;;
    *.webp) dwebp -quiet -ppm "$file" -o - | pamscale -quiet -reduce "${reduced#1/}" ;;
    *) djpeg -scale "$reduced" "$file" ;;
  esac
}
while IFS=$'\t' read -r package file reduced _ sum; do
  member=${file#*#}
  path=$package/${file%%#*}
  name=$(basename "$member" | sed 's/\.[a-z]*$//; s/ /_/g')
  case $file in
    *'#'*) name=$(basename "${path%.*}")-$name ;;
    */contents/images/*) name=$(basename "${path%/contents/*}") ;;
  esac
  reduced=${all:-$reduced}
  [ "$reduced" != - ] || continue
  echo "$sum  $path" | sha256sum --check --quiet
  set -- $reduced
  decode "$path" "$member" "$1" | if [ $# -gt 1 ]; then pamscale "$2"; else cat; fi >"$to/.new"
  ppmtopgm "$to/.new" >"$to/grey/$name.pgm"
  mv "$to/.new" "$to/$name.ppm"
done <list
