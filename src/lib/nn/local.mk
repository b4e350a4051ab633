pelinclude_HEADERS += include/pellucid/model.h
libpellucid_nn_la_SOURCES += src/lib/nn/lookup.c src/lib/nn/operator.h
