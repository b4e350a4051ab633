# Data that ships: what the demonstration and the tests use.
EXTRA_DIST += data/README.md data/make-samples.sh data/samples/brook.jpg data/samples/mountain.jpg \
  data/samples/fig.jpg data/samples/cluster.fits data/samples/cluster-psf.fits \
  data/models/photos.sh data/models/photos.tsv data/models/features.sh data/models/denoise.sh data/models/refine.sh \
  data/models/deblur.sh data/models/calibrate.sh

# Models that are installed: found by name.
modelsdir = $(pkgdatadir)/models
dist_models_DATA = data/models/features.onnx data/models/denoise-gray.onnx data/models/denoise-color.onnx \
  data/models/refine.onnx data/models/deblur.onnx data/models/deblur-light.onnx
