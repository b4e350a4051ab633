#!/usr/bin/env python3
"""Scores of pel-score against scikit-image's, on pictures of several shapes (run by make check-peers).

SPDX-License-Identifier: GPL-3.0-or-later
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)


def pictures(w, h, c, seed):
    """Truth and estimate, as tests/unit/metric.c makes them (with other random numbers)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    truth = np.empty((h, w, c), np.float32)
    estimate = truth.copy()
    for k in range(c):
        t = 0.4 + 0.25 * np.sin(0.11 * x + 0.07 * y + k) * np.cos(0.05 * y) + 0.1 * ((x // 9 + y // 7) % 2)
        truth[:, :, k] = t + 0.03 * random.random((h, w))
        estimate[:, :, k] = 0.9 * t + 0.03 + 0.08 * random.random((h, w))
    return truth, estimate


def write_pfm(path, picture):
    """Portable float map: rows from the bottom, little-endian."""
    with open(path, "wb") as to:
        h, w, c = picture.shape
        to.write(b"%s\n%d %d\n-1.0\n" % (b"PF" if c == 3 else b"Pf", w, h))
        to.write(picture[::-1].astype("<f4").tobytes())


def score(truth, estimate, *options):
    read = subprocess.run(["pel-read", "truth:" + truth, estimate], capture_output=True, check=True)
    table = subprocess.run(["pel-score", "--json", *options], input=read.stdout, capture_output=True, check=True)
    return json.loads(table.stdout.splitlines()[0])


def main():
    worst = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        names = os.path.join(folder, "truth.pfm"), os.path.join(folder, "estimate.pfm")
        for w, h, c, size in [(57, 43, 3, 1.0), (193, 177, 1, 0.8), (64, 64, 1, 255.0), (40, 90, 3, 65535.0)]:
            for border in (0, 6):
                pair = [p * size for p in pictures(w, h, c, w + h)]
                for name, picture in zip(names, pair):
                    write_pfm(name, picture)
                found = score(*names, "--range", str(size), "--border", str(border))
                a, b = (p[border:h - border, border:w - border].astype(np.float64) for p in pair)
                ssim = structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
                                             data_range=size, channel_axis=2)
                psnr = peak_signal_noise_ratio(a, b, data_range=size)
                worst = max(worst, abs(ssim - found["ssim"]))
                failures += not (abs(ssim - found["ssim"]) < 1e-4 and abs(psnr - found["psnr"]) < 1e-3)
                print(f"{w}x{h}x{c} range {size:g} border {border}: SSIM {found['ssim']:.6f} {ssim:.6f}, "
                      f"PSNR {found['psnr']:.4f} {psnr:.4f}")
    print(f"largest difference of SSIM {worst:.2g}; {failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
