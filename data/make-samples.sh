#!/bin/bash
# make-samples.sh - makes data/samples from Debian packages: run by hand, when the samples change.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/make-samples.sh [FOLDER]     writes to FOLDER (default data/samples)
#
# Needs apt, dpkg, ImageMagick, python3 with numpy, scipy and astropy. data/README.md names authors
# and licences.
set -eu
to=$(realpath "${1:-$(dirname "$0")/samples}")
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
mkdir -p "$to"

cd "$packages"
apt-get -q download lomiri-wallpapers-16.04 python-drizzle-testdata
for deb in *.deb; do dpkg -x "$deb" .; done

# photograph NAME SOURCE CROP NOTE: reduced by 3 or more in linear light, so that what is left is
# sharp to the pixel and free of noise and JPEG blocks, then cut to 768x512.
photograph() {
  convert "usr/share/backgrounds/$2" -auto-orient -colorspace RGB -filter Lanczos \
    -resize 768x -colorspace sRGB -gravity "$3" -crop 768x512+0+0 +repage -strip \
    -set comment "$4" -sampling-factor 1x1 -quality 92 "$to/$1"
}
photograph brook.jpg life_by_Aitzol_Berasategi.jpg center \
  'Life, (c) 2018 Aitzol Berasategi, CC BY 4.0; reduced and cut'
photograph mountain.jpg picosdeeuropa_by_Aitzol_Berasategi.jpg center \
  'Picos de Europa, (c) 2018 Aitzol Berasategi, CC BY 4.0; reduced and cut'
photograph fig.jpg Picture_0B_by_freespace.jpg center \
  'Picture 0B, (c) 2018 Trevor "Freespace", CC BY 4.0; reduced and cut'

/usr/bin/python3 - usr/share/python-drizzle/test_data/j8bt06nyq_flt.fits "$to" <<'PYTHON'
"""A cutout of the frame with its headers, and the PSF as its stars show it."""
import sys
import numpy as np
from astropy.io import fits
from scipy import ndimage

source, to = sys.argv[1:]
X, Y, SIZE = 560, 640, 160   # 0-based corner of the cutout in the frame
RADIUS = 10                  # of the PSF

with fits.open(source) as frame:
    science, error, quality = (frame[n].data for n in ("SCI", "ERR", "DQ"))
    out = fits.HDUList([fits.PrimaryHDU(header=frame[0].header)])
    for name in ("SCI", "ERR", "DQ"):
        hdu = frame[name]
        header = hdu.header.copy()
        header["CRPIX1"] -= X
        header["CRPIX2"] -= Y
        header["LTV1"] = -float(X)
        header["LTV2"] = -float(Y)
        header.add_history(f"Cutout [{X + 1}:{X + SIZE},{Y + 1}:{Y + SIZE}] of j8bt06nyq_flt.fits")
        cut = hdu.data[Y:Y + SIZE, X:X + SIZE].copy()
        out.append(fits.ImageHDU(cut, header))
    out[0].header["FILENAME"] = "cluster.fits"
    out.writeto(f"{to}/cluster.fits", overwrite=True, checksum=True)

# Bright stars that are whole, unsaturated, and as alone as they are in a cluster: what is left of
# neighbours goes with the median.
sky = np.median(science)
r = RADIUS + 2
yy, xx = np.mgrid[-r:r + 1, -r:r + 1]
distance = np.hypot(xx, yy)
peak = ndimage.maximum_filter(science, 2 * RADIUS + 1)
stars = []
for y, x in zip(*np.nonzero((science == peak) & (science > 3000) & (science < 60000))):
    if min(x, y) < r or x + r >= science.shape[1] or y + r >= science.shape[0]:
        continue
    box = science[y - r:y + r + 1, x - r:x + r + 1] - sky
    core = distance <= 4
    if np.any(quality[y - 4:y + 5, x - 4:x + 5] & 31743) or np.max(box[distance > 6]) > 0.25 * box[r, r]:
        continue
    cy, cx = (np.sum(v * box * core) / np.sum(box * core) for v in (yy, xx))
    centred = ndimage.shift(box, (-cy, -cx), order=3)[2:-2, 2:-2]
    centred -= np.percentile(centred[distance[2:-2, 2:-2] > RADIUS - 2], 25)
    stars.append(centred / np.sum(centred * (distance[2:-2, 2:-2] <= 4)))
assert len(stars) >= 10
psf = np.median(stars, axis=0)
taper = np.clip(RADIUS + 0.5 - np.hypot(*np.mgrid[-RADIUS:RADIUS + 1, -RADIUS:RADIUS + 1]), 0, 1)
psf = np.maximum(psf, 0) * taper
psf = (psf / psf.sum()).astype(np.float32)
hdu = fits.PrimaryHDU(psf)
hdu.header["OBJECT"] = "PSF"
hdu.header["NSTARS"] = (len(stars), "stars that the median was taken of")
hdu.header.add_history("Median of centred stars of HST ACS/HRC F606W frame j8bt06nyq_flt.fits")
hdu.writeto(f"{to}/cluster-psf.fits", overwrite=True, checksum=True)
print(f"cluster-psf.fits: median of {len(stars)} stars, peak {psf.max():.4f}")
PYTHON
ls -l "$to"
