# Benchmarks: `make bench` builds them.
