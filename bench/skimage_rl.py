#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of one Richardson-Lucy iteration of scikit-image in float32: skimage_rl.py [SIDE [PSF]]."""
import sys
import time

import numpy as np
from skimage.restoration import richardson_lucy

side = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
n = int(sys.argv[2]) if len(sys.argv) > 2 else 15
rng = np.random.default_rng(1)
data = rng.random((side, side), dtype=np.float32) + np.float32(0.1)
psf = rng.random((n, n), dtype=np.float32)
psf /= psf.sum()
times = []
for count in (1, 3):
    start = time.perf_counter()
    richardson_lucy(data, psf, num_iter=count)
    times.append(time.perf_counter() - start)
print("%.4f" % ((times[1] - times[0]) / 2))
