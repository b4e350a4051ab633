# Tests: `make check` runs all of TESTS.  unit/: a C program each, on tests/unit/check.h.

# Sanitizers: memory that cannot be had is an error to report, not a crash.
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
  ASAN_OPTIONS=$${ASAN_OPTIONS:+$$ASAN_OPTIONS:}allocator_may_return_null=1; \
  LSAN_OPTIONS=$${LSAN_OPTIONS:+$$LSAN_OPTIONS:}suppressions='$(abs_top_srcdir)/tests/lsan.supp':print_suppressions=0; \
  export top_srcdir top_builddir ASAN_OPTIONS LSAN_OPTIONS;
EXTRA_DIST += tests/unit/check.h tests/lib.sh tests/lsan.supp $(shell_tests)
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = bash
TESTS += $(unit_tests) $(shell_tests)
shell_tests =
unit_tests =

# A synthetic picture, and a blur that is not the same everywhere, for the tests of the programs.
check_PROGRAMS += $(unit_tests) tests/scene tests/turn tests/model
tests_scene_SOURCES = tests/scene.c
tests_turn_SOURCES = tests/turn.c
tests_model_SOURCES = tests/model.c
tests_model_LDADD = libpellucid-nn.la $(LDADD)
LDADD += -lm

unit_tests += tests/unit/base
tests_unit_base_SOURCES = tests/unit/base.c
unit_tests += tests/unit/wiener tests/unit/tv
tests_unit_wiener_SOURCES = tests/unit/wiener.c
tests_unit_tv_SOURCES = tests/unit/tv.c
unit_tests += tests/unit/hqs
tests_unit_hqs_SOURCES = tests/unit/hqs.c
shell_tests += tests/cli/pnp.sh tests/cli/pnp-uncertainty.sh
unit_tests += tests/unit/blind tests/unit/resize tests/unit/sources
tests_unit_sources_SOURCES = tests/unit/sources.c
unit_tests += tests/unit/parametric
tests_unit_parametric_SOURCES = tests/unit/parametric.c
tests_unit_blind_SOURCES = tests/unit/blind.c
tests_unit_resize_SOURCES = tests/unit/resize.c
shell_tests += tests/cli/cnn.sh tests/cli/models.sh
shell_tests += tests/cli/blind.sh tests/cli/turned.sh
unit_tests += tests/unit/stream
tests_unit_stream_SOURCES = tests/unit/stream.c
tests_unit_stream_LDADD = $(LDADD) -lz
unit_tests += tests/unit/conv
tests_unit_conv_SOURCES = tests/unit/conv.c
unit_tests += tests/unit/io tests/unit/io-mutate
tests_unit_io_SOURCES = tests/unit/io.c
tests_unit_io_LDADD = libpellucid-io.la $(LDADD)
tests_unit_io_mutate_SOURCES = tests/unit/io-mutate.c
tests_unit_io_mutate_LDADD = libpellucid-io.la $(LDADD)
unit_tests += tests/unit/io-foreign
tests_unit_io_foreign_SOURCES = tests/unit/io-foreign.c
tests_unit_io_foreign_CFLAGS = $(AM_CFLAGS) $(IO_CFLAGS)
tests_unit_io_foreign_LDADD = libpellucid-io.la $(LDADD) $(IO_LIBS)
shell_tests += tests/cli/read-write.sh
unit_tests += tests/unit/metric
tests_unit_metric_SOURCES = tests/unit/metric.c
unit_tests += tests/unit/consistency
tests_unit_consistency_SOURCES = tests/unit/consistency.c
shell_tests += tests/cli/consistency.sh tests/cli/uncertainty.sh
unit_tests += tests/unit/ensemble tests/unit/calibration
tests_unit_ensemble_SOURCES = tests/unit/ensemble.c
tests_unit_calibration_SOURCES = tests/unit/calibration.c
shell_tests += tests/cli/score.sh tests/cli/info.sh tests/cli/cat.sh tests/cli/crop.sh tests/cli/tile.sh

# Numbers against peers (scikit-image and others) where python3 has them: `make check-peers`.
PYTHON3 = python3
peer_tests = tests/peers/score_skimage.py tests/peers/files.py tests/peers/onnx_models.py \
  tests/peers/train_torch.py
EXTRA_DIST += $(peer_tests)
.PHONY: check-peers
check-peers: all
	@status=0; for t in $(peer_tests); do echo "== $$t"; \
	  PATH="$(abs_top_builddir):$$PATH" $(PYTHON3) $(srcdir)/$$t || [ $$? -eq 77 ] || status=1; \
	done; exit $$status
shell_tests += tests/suite/all-programs.sh tests/suite/manual-examples.sh tests/suite/memory.sh \
  tests/cli/restore.sh
EXTRA_DIST += tests/suite/programs.sh
unit_tests += tests/unit/network
tests_unit_network_SOURCES = tests/unit/network.c tests/unit/tiles.c tests/unit/tiles.h
tests_unit_network_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_network_LDADD = libpel-nn.la $(LDADD) $(NN_LIBS)
unit_tests += tests/unit/gradients
tests_unit_gradients_SOURCES = tests/unit/gradients.c
tests_unit_gradients_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_gradients_LDADD = libpel-nn.la $(LDADD) $(NN_LIBS)
unit_tests += tests/unit/receptive-field tests/unit/operators
tests_unit_receptive_field_SOURCES = tests/unit/receptive-field.c
tests_unit_receptive_field_LDADD = libpellucid-nn.la $(LDADD)
tests_unit_operators_SOURCES = tests/unit/operators.c
tests_unit_operators_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_operators_LDADD = libpel-nn.la $(LDADD) $(NN_LIBS)
unit_tests += tests/unit/loss tests/unit/loss-networks
tests_unit_loss_networks_SOURCES = tests/unit/loss-networks.c
tests_unit_loss_networks_LDADD = libpellucid-nn.la $(LDADD)
tests_unit_loss_SOURCES = tests/unit/loss.c
tests_unit_loss_LDADD = libpellucid-nn.la $(LDADD)
unit_tests += tests/unit/nets
tests_unit_nets_SOURCES = tests/unit/nets.c
tests_unit_nets_LDADD = libpellucid-nn.la $(LDADD)
shell_tests += tests/cli/net.sh
shell_tests += tests/cli/train.sh tests/cli/mpi.sh
# In a build --with-mpi: no more than that test needs.
.PHONY: check-mpi
mpi_programs = pel-train pel-net pel-crop pel-noise tests/scene tests/ranks
check-mpi: $(BUILT_SOURCES)
	$(MAKE) $(AM_MAKEFLAGS) $(mpi_programs:=$(EXEEXT))
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS=tests/cli/mpi.sh
check_PROGRAMS += tests/ranks
tests_ranks_SOURCES = tests/ranks.c
tests_ranks_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_ranks_LDADD = libpel-train.la $(LDADD)
unit_tests += tests/unit/pairs
tests_unit_pairs_SOURCES = tests/unit/pairs.c
tests_unit_pairs_LDADD = libpellucid-nn.la $(LDADD)
unit_tests += tests/unit/model
tests_unit_model_SOURCES = tests/unit/model.c
tests_unit_model_LDADD = libpellucid-nn.la $(LDADD)
# Gradients node by node, in double: what the fast ones are held to.
gradient_plain = src/lib/nn/gradient/gradient-plain.c src/lib/nn/gradient/gradient-plain.h
unit_tests += tests/unit/gradient-plain tests/unit/gradient
tests_unit_gradient_SOURCES = tests/unit/gradient.c $(gradient_plain)
tests_unit_gradient_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_gradient_LDADD = libpel-nn.la $(LDADD) $(NN_LIBS)
tests_unit_gradient_plain_SOURCES = tests/unit/gradient-plain.c $(gradient_plain)
tests_unit_gradient_plain_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_gradient_plain_LDADD = libpel-nn.la $(LDADD) $(NN_LIBS)
unit_tests += tests/unit/optimizer
tests_unit_optimizer_SOURCES = tests/unit/optimizer.c
tests_unit_optimizer_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_optimizer_LDADD = libpel-train.la $(LDADD)
unit_tests += tests/unit/muon
tests_unit_muon_SOURCES = tests/unit/muon.c
tests_unit_muon_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_muon_LDADD = libpel-train.la $(LDADD)
unit_tests += tests/unit/checkpoint
tests_unit_checkpoint_SOURCES = tests/unit/checkpoint.c
tests_unit_checkpoint_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_checkpoint_LDADD = libpel-train.la $(LDADD)
unit_tests += tests/unit/rl
tests_unit_rl_SOURCES = tests/unit/rl.c
unit_tests += tests/unit/motion
tests_unit_motion_SOURCES = tests/unit/motion.c
unit_tests += tests/unit/psf tests/unit/stats
tests_unit_psf_SOURCES = tests/unit/psf.c
tests_unit_stats_SOURCES = tests/unit/stats.c
shell_tests += tests/cli/psf.sh tests/cli/blur.sh tests/cli/shake.sh tests/cli/noise.sh

# Coverage-guided fuzzers, with --enable-fuzz; unit/stream and unit/io-mutate replay damage in any build.
EXTRA_DIST += tests/fuzz/fuzz-stream.c tests/fuzz/fuzz-file.c tests/fuzz/fuzz-model.c
if FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-stream tests/fuzz/fuzz-file tests/fuzz/fuzz-model
tests_fuzz_fuzz_model_SOURCES = tests/fuzz/fuzz-model.c
tests_fuzz_fuzz_model_LDADD = libpellucid-nn.la $(LDADD)
tests_fuzz_fuzz_model_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_stream_SOURCES = tests/fuzz/fuzz-stream.c
tests_fuzz_fuzz_stream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_file_SOURCES = tests/fuzz/fuzz-file.c
tests_fuzz_fuzz_file_LDADD = libpellucid-io.la $(LDADD)
tests_fuzz_fuzz_file_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
