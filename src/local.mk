# The programs: one file each.

LDADD = libpellucid.la

bin_PROGRAMS += pel
pel_SOURCES = src/pel.c

bin_PROGRAMS += pel-rl
pel_rl_SOURCES = src/pel-rl.c

bin_PROGRAMS += pel-wiener pel-tv
pel_wiener_SOURCES = src/pel-wiener.c
pel_tv_SOURCES = src/pel-tv.c

bin_PROGRAMS += pel-read pel-write
pel_read_SOURCES = src/pel-read.c
pel_read_LDADD = libpellucid-io.la libpellucid.la
pel_write_SOURCES = src/pel-write.c
pel_write_LDADD = libpellucid-io.la libpellucid.la

bin_PROGRAMS += pel-info pel-cat pel-crop pel-tile pel-untile pel-score
pel_info_SOURCES = src/pel-info.c
pel_info_LDADD = libpel-plot.la libpellucid-io.la libpellucid.la
pel_cat_SOURCES = src/pel-cat.c
pel_crop_SOURCES = src/pel-crop.c
pel_tile_SOURCES = src/pel-tile.c
pel_untile_SOURCES = src/pel-untile.c
pel_score_SOURCES = src/pel-score.c src/score-table.c src/score-table.h src/score-fit.c src/score-fit.h

bin_PROGRAMS += pel-psf pel-blur pel-shake pel-noise
pel_psf_SOURCES = src/pel-psf.c
pel_blur_SOURCES = src/pel-blur.c
pel_shake_SOURCES = src/pel-shake.c
pel_noise_SOURCES = src/pel-noise.c

bin_PROGRAMS += pel-blind
pel_blind_SOURCES = src/pel-blind.c

bin_PROGRAMS += pel-cnn
pel_cnn_SOURCES = src/pel-cnn.c src/cnn-uncertainty.c src/cnn-uncertainty.h
pel_cnn_LDADD = libpellucid-nn.la libpellucid.la

bin_PROGRAMS += pel-pnp
pel_pnp_SOURCES = src/pel-pnp.c
pel_pnp_LDADD = libpellucid-nn.la libpellucid.la

bin_PROGRAMS += pel-net
pel_net_SOURCES = src/pel-net.c
pel_net_LDADD = libpellucid-nn.la libpellucid.la

bin_PROGRAMS += pel-train
pel_train_SOURCES = src/pel-train.c
pel_train_LDADD = libpel-train.la libpel-plot.la libpellucid-nn.la libpellucid.la
