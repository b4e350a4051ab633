# Data that ships: what the demonstration and the tests use.
EXTRA_DIST += data/README.md data/make-samples.sh data/samples/brook.jpg data/samples/mountain.jpg \
  data/samples/fig.jpg data/samples/cluster.fits data/samples/cluster-psf.fits
