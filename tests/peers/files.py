#!/usr/bin/env python3
"""Picture files against tifffile, Pillow and astropy: what pel-read makes of theirs, and what they make
of pel-write's (run by make check-peers).

SPDX-License-Identifier: GPL-3.0-or-later
"""
import os
import subprocess
import sys
import tempfile
import warnings
from urllib.parse import unquote

try:
    import numpy as np
    import tifffile
    from astropy.io import fits
    from astropy.wcs import WCS
    from PIL import Image, ImageCms, ImageOps
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

rng = np.random.default_rng(20)
failures = checks = 0


def check(good, what):
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print("FAILED:", what)


def pipe(command):
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True)
    check(run.returncode == 0, f"{command}: {run.stderr.decode().strip()}")
    return run.stdout


def frames(command):
    """The frames of a stream: role, keys, samples of shape c, d, h, w (or bytes)."""
    stream, at, result = pipe(command), 0, []
    while at < len(stream):
        end = at + 64
        while stream[end - 1:end] != b"\n":
            end += 64
        words = stream[at:end].decode().split()
        at = end
        if words[1] == "end":
            continue
        w, h, d, c = map(int, words[2].split("x"))
        count = int(words[4][len("bytes="):])
        keys = dict(word.split("=", 1) for word in words[5:])
        payload = stream[at:at + count]
        if words[3] == "f32le":
            payload = np.frombuffer(payload, "<f4").reshape(c, d, h, w)
        result.append((words[1], {k: unquote(v) for k, v in keys.items()}, payload))
        at += (count + 63) // 64 * 64
    return result


def only(found, role, slot=None):
    return [f for f in found if f[0] == role and (slot is None or f[1].get("slot") == slot)]


def same(what, found, expected, full=1.0, tolerance=1e-6):
    """expected: h, w or h, w, c (pictures), in units of the file."""
    images = only(found, "image")
    check(len(images) == 1, f"{what}: {len(images)} pictures")
    expected = np.asarray(expected, "f8")
    expected = expected[None] if expected.ndim == 2 else np.moveaxis(expected, 2, 0)
    got = images[0][2][:, 0] if images else np.zeros(1)
    check(got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}")
    if got.shape == expected.shape:
        most = np.nanmax(np.abs(got - expected / full))
        check(most <= tolerance, f"{what}: differs by {most}")
        check(np.array_equal(np.isnan(got), np.isnan(expected)), f"{what}: NaN elsewhere")


grey8 = rng.integers(0, 256, (23, 37), "u1")
rgb8 = rng.integers(0, 256, (23, 37, 3), "u1")
rgba8 = rng.integers(0, 256, (23, 37, 4), "u1")
grey16 = rng.integers(0, 65536, (23, 37), "u2")
floats = rng.normal(0, 100, (23, 37)).astype("f4")
ramp = np.add.outer(np.arange(23) * 5, np.arange(37) * 3)
smooth = (ramp[..., None] + np.array([0, 9, 30])).astype("u1")


def tiff_in():
    cases = [
        ("grey8", grey8, 255, {}), ("grey16", grey16, 65535, {}), ("floats", floats, 1, {}),
        ("rgb", rgb8, 255, {"photometric": "rgb"}), ("big", grey16, 65535, {"bigtiff": True}),
        ("big-endian", floats, 1, {"byteorder": ">"}), ("deflate", grey16, 65535, {"compression": "zlib"}),
        ("predictor", grey16, 65535, {"compression": "zlib", "predictor": True}),
        ("tiles", rgb8, 255, {"tile": (16, 32), "photometric": "rgb"}),
        ("doubles", floats.astype("f8") / 7, 1, {}), ("halves", (floats / 64).astype("f2"), 1, {}),
        ("signed", grey16.astype("i4").astype("i2"), 1, {}),
    ]
    for name, samples, full, options in cases:
        tifffile.imwrite("a.tif", samples, **options)
        same(f"TIFF {name}", frames("pel-read a.tif 2>/dev/null"), samples, full, 2e-5)
    tifffile.imwrite("a.tif", 255 - grey8, photometric="miniswhite")
    same("TIFF white is 0", frames("pel-read a.tif"), grey8, 255)
    tifffile.imwrite("a.tif", np.moveaxis(rgb8, 2, 0), photometric="rgb", planarconfig="separate")
    same("TIFF planes", frames("pel-read a.tif"), rgb8, 255)
    for compression in "tiff_lzw", "packbits", "tiff_adobe_deflate":
        Image.fromarray(rgb8).save("a.tif", compression=compression)
        same(f"TIFF {compression}", frames("pel-read a.tif"), rgb8, 255)
    Image.fromarray(smooth).save("a.tif", compression="jpeg", quality=95)
    same("TIFF of JPEG", frames("pel-read a.tif"), np.asarray(Image.open("a.tif")), 255, 2.01 / 255)
    volume = rng.integers(0, 65536, (5, 23, 37), "u2")
    tifffile.imwrite("v.tif", volume, imagej=True, resolution=(1 / 0.065, 1 / 0.065),
                     metadata={"axes": "ZYX", "unit": "um", "spacing": 0.2})
    found = only(frames("pel-read --volume v.tif"), "image")[0]
    check(found[2].shape == (1, 5, 23, 37), f"volume of {found[2].shape}")
    check(np.abs(found[2][0] - volume / 65535).max() < 1e-6, "volume")
    check(found[1].get("px") == "0.065um,0.065um,0.2um", f"px={found[1].get('px')}")
    check(len(only(frames("pel-read v.tif"), "image")) == 5, "a sequence of 5 pages")
    tifffile.imwrite("o.ome.tif", volume, metadata={
        "axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.12,
        "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 0.4, "PhysicalSizeZUnit": "µm"})
    for found in only(frames("pel-read o.ome.tif"), "image"):
        check(found[1].get("px") == "0.1um,0.12um,0.4um", f"OME: px={found[1].get('px')}")


def tiff_out():
    pipe("pel-read --volume v.tif | pel-write w.tif")
    with tifffile.TiffFile("w.tif") as tiff:
        info = tiff.imagej_metadata
        check(info is not None and info.get("slices") == 5 and abs(info.get("spacing") - 0.2) < 1e-9 and
              info.get("unit") in ("um", "micron"), f"ImageJ sees {info}")
        check(np.array_equal(tiff.asarray(), tifffile.imread("v.tif")), "volume to TIFF and back")
    tifffile.imwrite("a.tif", floats)
    for options in "", "--compress":
        pipe(f"pel-read a.tif | pel-write --type u16 {options} b.tif 2>/dev/null")
        check(np.array_equal(tifffile.imread("b.tif") if not options else np.asarray(Image.open("b.tif")),
                             np.floor(np.clip(floats, 0, 1) * 65535.0 + 0.5)), f"u16 {options}")
    pipe("pel-read a.tif | pel-write b.tif")
    check(np.array_equal(tifffile.imread("b.tif"), floats), "floats to TIFF and back")
    Image.fromarray(rgba8).save("a.png")
    pipe("pel-read a.png | pel-write b.tif")
    check(np.array_equal(np.asarray(Image.open("b.tif")), rgba8), "RGBA to TIFF")


def png():
    for name, samples in ("grey", grey8), ("rgb", rgb8):
        Image.fromarray(samples).save("a.png")
        same(f"PNG {name}", frames("pel-read a.png"), samples, 255)
        pipe("pel-read a.png | pel-write b.png")
        check(np.array_equal(np.asarray(Image.open("b.png")), samples), f"PNG {name} written")
    Image.fromarray(rgba8).save("a.png")
    found = frames("pel-read a.png")
    same("PNG RGBA", found, rgba8[..., :3], 255)
    check(np.abs(only(found, "alpha")[0][2][0, 0] - rgba8[..., 3] / 255.0).max() < 1e-6, "PNG alpha")
    pipe("pel-read a.png | pel-write b.png")
    check(np.array_equal(np.asarray(Image.open("b.png")), rgba8), "PNG RGBA written")
    Image.fromarray(grey8 > 99).save("a.png")
    same("PNG of one bit", frames("pel-read a.png"), grey8 > 99)
    palette = Image.fromarray(smooth).quantize(13)
    palette.save("a.png")
    same("PNG palette", frames("pel-read a.png"), np.asarray(palette.convert("RGB")), 255)
    tifffile.imwrite("a.tif", grey16)
    pipe("pel-read a.tif | pel-write b.png")
    check(np.array_equal(np.asarray(Image.open("b.png")).astype(int), grey16.astype(int)), "PNG of 16 bits")


def jpeg():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for orientation in range(1, 9):
        picture = Image.fromarray(smooth)
        exif = picture.getexif()
        exif[0x0112] = orientation
        exif[0x010F] = "Maker"
        picture.save("a.jpg", quality=95, exif=exif, icc_profile=profile, progressive=orientation % 2 == 0)
        upright = np.asarray(ImageOps.exif_transpose(Image.open("a.jpg")))
        same(f"JPEG orientation {orientation}", frames("pel-read a.jpg"), upright, 255, 2.01 / 255)
        for name in "b.jpg", "b.png":
            pipe(f"pel-read a.jpg | pel-write --quality 100 {name}")
            back = Image.open(name)
            check(back.size == (upright.shape[1], upright.shape[0]), f"{name}: size {back.size}")
            check(back.getexif().get(0x0112) == 1 and back.getexif().get(0x010F) == "Maker", f"{name}: EXIF")
            check(back.info.get("icc_profile") == profile, f"{name}: ICC profile")
            difference = np.abs(np.asarray(back).astype(int) - upright).max()
            check(difference <= 4, f"{name}: differs by {difference}")
    pipe("pel-read a.jpg | pel-write --bare b.jpg")
    check("icc_profile" not in Image.open("b.jpg").info, "--bare")
    Image.fromarray(grey8).save("a.jpg", quality=90)
    same("JPEG grey", frames("pel-read a.jpg"), np.asarray(Image.open("a.jpg")), 255, 1.01 / 255)


def header_of(picture):
    header = fits.Header()
    cards = {"OBJECT": "M 51", "EXPTIME": 30.5, "GAIN": 2.1, "RDNOISE": 5.0, "BUNIT": "electron",
             "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 10.0, "CRPIX2": 20.0, "CRVAL1": 202.4,
             "CRVAL2": 47.1, "CD1_1": -1e-4, "CD1_2": 1e-5, "CD2_1": 1e-5, "CD2_2": 1e-4}
    header.update(cards)
    header["HISTORY"] = "first"
    header["COMMENT"] = "a comment"
    header["LONGSTR"] = "x" * 100 + "'quoted'"
    return header, cards


def fits_files():
    data = rng.normal(100, 10, (23, 37)).astype("f4")
    data[3, 4] = data[17, 30] = np.nan
    header, cards = header_of(data)
    fits.writeto("a.fits", data, header, checksum=True)
    found = frames("pel-read a.fits")
    same("FITS", found, data[::-1])
    keys = only(found, "image")[0][1]
    check(float(keys["gain"]) == 2.1 and float(keys["readnoise"]) == 5.0, f"keys {keys}")
    pipe("pel-read a.fits | pel-write b.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open("b.fits", checksum=True) as back:
            back.verify("exception")
            check(back[0].data.dtype == ">f4" and np.array_equal(back[0].data, data, equal_nan=True), "FITS data")
            for name, value in cards.items():
                check(back[0].header.get(name) == value, f"card {name}: {back[0].header.get(name)}")
            check(back[0].header["LONGSTR"] == header["LONGSTR"], "a long string")
            check("first" in back[0].header["HISTORY"] and len(back[0].header["HISTORY"]) > 1, "HISTORY")
    pipe("pel-read a.fits | pel-crop 20x15+10+5 | pel-write b.fits")
    back = fits.open("b.fits")[0]
    y, x = np.argwhere(data == back.data[3, 4])[0]
    was, now = WCS(header).wcs_pix2world([[x, y]], 0), WCS(back.header).wcs_pix2world([[4, 3]], 0)
    check(np.abs(was - now).max() < 1e-9, f"WCS after a crop: {was}, {now}")
    for dtype in "i2", "u2", "i4", "u1":
        samples = rng.integers(0, 250, (23, 37)).astype(dtype)
        fits.writeto("i.fits", samples, overwrite=True)
        same(f"FITS {dtype}", frames("pel-read i.fits 2>/dev/null"), samples[::-1])
        if dtype != "u2":
            fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(samples)]).writeto("i.fits.fz", overwrite=True)
            same(f"FITS {dtype} in tiles", frames("pel-read i.fits.fz 2>/dev/null"), samples[::-1])
    cube = rng.normal(0, 1, (4, 23, 37)).astype("f4")
    fits.writeto("c.fits", cube)
    check(np.array_equal(only(frames("pel-read --volume c.fits"), "image")[0][2][0], cube[:, ::-1]), "cube")
    for option in "", "--volume":
        pipe(f"pel-read {option} c.fits | pel-write d.fits")
        check(np.array_equal(fits.getdata("d.fits"), cube), f"cube to FITS and back {option}")
    quality = np.zeros((23, 37), "i2")
    quality[7, 8] = 4
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI"), fits.ImageHDU(np.abs(cube[0]), name="ERR"),
                  fits.ImageHDU(quality, name="DQ")]).writeto("e.fits")
    found = frames("pel-read e.fits")
    check(np.array_equal(only(found, "sigma")[0][2][0, 0], np.abs(cube[0])[::-1]), "ERR to sigma")
    mask = only(found, "mask")[0][2][0, 0][::-1]
    check(mask[7, 8] == 0 and mask[0, 0] == 1, "DQ to mask")
    bad = bytearray(open("a.fits", "rb").read())
    bad[-2881] ^= 1 if len(bad) > 2881 else 0
    open("bad.fits", "wb").write(bad)
    run = subprocess.run(["pel-read", "bad.fits"], capture_output=True)
    check(run.returncode == 1 and b"checksum" in run.stderr.lower(), f"a wrong checksum: {run.stderr}")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for test in tiff_in, tiff_out, png, jpeg, fits_files:
        test()
    os.chdir("/")
print(checks, "comparisons,", failures, "failures")
sys.exit(failures > 0)
