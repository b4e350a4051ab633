# fill.sh PAGE.in VERSION [PROGRAM] - writes the page with its version and the program's options.
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
page=$1 version=$2 program=$3
options=$(mktemp)
trap 'rm -f "$options"' EXIT
[ -z "$program" ] || "$program" --print-man-options >"$options"
sed -e "s/@VERSION@/$version/g" -e "/^@OPTIONS@\$/{
r $options
d
}" "$page"
