# Example scripts.
examplesdir = $(docdir)/examples
dist_examples_SCRIPTS = examples/demo.sh examples/microscopy.sh examples/astronomy.sh examples/compare.sh \
  examples/turned.sh examples/train-denoiser.sh
EXTRA_DIST += examples/pictures/detail-blurred.jpg examples/pictures/detail-blind-pnp.jpg examples/pictures/detail-sharp.jpg
