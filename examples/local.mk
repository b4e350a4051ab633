# Example scripts.
examplesdir = $(docdir)/examples
dist_examples_SCRIPTS = examples/demo.sh examples/microscopy.sh examples/astronomy.sh examples/compare.sh \
  examples/turned.sh examples/train-denoiser.sh
