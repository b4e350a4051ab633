# Manual pages: the OPTIONS section of each comes from the option table of its program.

man_sections1 = $(man_programs:%=man/%.1) man/pel.1
nodist_man_MANS += $(man_sections1) man/pel.5
EXTRA_DIST += $(man_programs:%=man/%.1.in) man/pel.1.in man/pel.5.in man/fill.sh
CLEANFILES += $(man_sections1) man/pel.5

man_programs = pel-read pel-write pel-info pel-cat pel-crop pel-tile pel-untile pel-psf pel-blur \
  pel-shake pel-noise pel-blind pel-wiener pel-rl pel-tv pel-cnn pel-pnp pel-net pel-train pel-score

$(man_programs:%=man/%.1): man/%.1: man/%.1.in %$(EXEEXT) $(srcdir)/man/fill.sh
	$(AM_V_GEN)$(MKDIR_P) man && sh $(srcdir)/man/fill.sh $< $(VERSION) ./$*$(EXEEXT) > $@.tmp && mv $@.tmp $@

man/pel.1 man/pel.5: man/%: man/%.in $(srcdir)/man/fill.sh
	$(AM_V_GEN)$(MKDIR_P) man && sh $(srcdir)/man/fill.sh $< $(VERSION) > $@.tmp && mv $@.tmp $@

# Completion: one file a program, for bash-completion's loader, from the same tables.
completions = $(man_programs:%=completions/%)
completion_DATA = $(completions)
CLEANFILES += $(completions)
EXTRA_DIST += completions/template.bash

$(completions): completions/%: %$(EXEEXT) $(srcdir)/completions/template.bash
	$(AM_V_GEN)$(MKDIR_P) completions && \
	  f=`echo $* | tr - _` && t=$(srcdir)/completions/template.bash && \
	  { sed "/@WORDS@/,\$$d; s/@PROGRAM@/$*/g; s/@FUNCTION@/$$f/g" $$t; ./$*$(EXEEXT) --print-option-words; \
	    sed "1,/@WORDS@/d; s/@PROGRAM@/$*/g; s/@FUNCTION@/$$f/g" $$t; } > $@.tmp && mv $@.tmp $@
