# programs.sh - what the suite tests need to know of each program: a new one gets its lines here.
# SPDX-License-Identifier: GPL-3.0-or-later

programs="pel-read pel-write pel-info pel-cat pel-crop pel-tile pel-untile pel-psf pel-blur pel-shake pel-noise
  pel-blind pel-wiener pel-rl pel-tv pel-cnn pel-pnp pel-net pel-train pel-score"

# Those that read a stream on stdin.
readers="pel-write pel-info pel-cat pel-crop pel-tile pel-untile pel-blur pel-shake pel-noise pel-blind pel-wiener
  pel-rl pel-tv pel-cnn pel-pnp pel-train pel-score"

# Those that read one and write one.
filters="pel-cat pel-crop pel-tile pel-blur pel-shake pel-noise pel-blind pel-wiener pel-rl
  pel-tv pel-cnn pel-pnp"

# Arguments with which a program does something quick, into $arguments.
arguments_of() {
  case $1 in
  pel-read) arguments=("$work/night.tif") ;;
  pel-write) arguments=("$work/written-%d.tif") ;;
  pel-crop) arguments=(24x16+2+3) ;;
  pel-tile) arguments=(40x40 --overlap 8) ;;
  pel-psf) arguments=(gauss:1) ;;
  pel-net) arguments=(srcnn -o "$work/net.onnx") ;;
  pel-train) arguments=(-m "$work/grey.onnx" -o "$work/trained.onnx" --batch 1) ;;
  pel-blur) arguments=(-k gauss:1) ;;
  pel-noise) arguments=(0.01) ;;
  pel-blind) arguments=(--size 5 -n 1) ;;
  pel-rl) arguments=(-n 2) ;;
  pel-tv) arguments=(-n 3) ;;
  pel-cnn) arguments=(-m "$work/smooth.onnx") ;;
  pel-pnp) arguments=(-n 2 -m "$work/calm.onnx") ;;
  *) arguments=() ;;
  esac
}

# Streams and pictures that the tests share, in the current folder.
make_fixtures() {
  scene 48x40x1x1 frames 2 roles psf sigma truth mask weather >sound.pel
  scene 96x96x1x1 | pel-write -q --type f32 night.tif
  scene 128x96x1x3 | pel-write -q --type u8 photo.png
  scene 64x64x1x1 stars | pel-write -q stars.fits
  pel-psf gauss:1.5 | pel-write -q --role psf k.tif
  pel-read night.tif | pel-blur -k gauss:1.5 | pel-noise 0.01 --seed 3 >blurred.pel
  model smooth smooth.onnx
  model calm calm.onnx
  pel-net dncnn --depth 2 --width 4 --channels 1 -o grey.onnx
  scene 48x40x1x1 | pel-tile 30x30 --overlap 6 >tiles.pel
}
# A sound stream for a program.
stream_of() {
  case $1 in pel-untile) echo tiles.pel ;; *) echo sound.pel ;; esac
}
