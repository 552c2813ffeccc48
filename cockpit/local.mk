# SPDX-License-Identifier: GPL-2.0-or-later
# The Cockpit page: esbuild makes one script and one style sheet of its sources.
# All of it is in the release archive, so that a build from there needs no esbuild.
cockpit_sources = \
	cockpit/src/action.js \
	cockpit/src/actions.js \
	cockpit/src/dialog.js \
	cockpit/src/dom.js \
	cockpit/src/facts.js \
	cockpit/src/field.js \
	cockpit/src/fleet.js \
	cockpit/src/format.js \
	cockpit/src/health.js \
	cockpit/src/hints.js \
	cockpit/src/icon.js \
	cockpit/src/index.js \
	cockpit/src/long-list.js \
	cockpit/src/low-space.js \
	cockpit/src/machine-log.js \
	cockpit/src/machine-sessions.js \
	cockpit/src/machine.js \
	cockpit/src/master-list.js \
	cockpit/src/masters.js \
	cockpit/src/messages.js \
	cockpit/src/orphans.js \
	cockpit/src/parts.js \
	cockpit/src/permission.js \
	cockpit/src/place.js \
	cockpit/src/rates.js \
	cockpit/src/reading.js \
	cockpit/src/room-filter.js \
	cockpit/src/room-row.js \
	cockpit/src/room-sort.js \
	cockpit/src/room-summary.js \
	cockpit/src/room.js \
	cockpit/src/saved-states.js \
	cockpit/src/space.js \
	cockpit/src/spark.js \
	cockpit/src/state.js \
	cockpit/src/store.js \
	cockpit/src/style.css \
	cockpit/src/tgt-glue.js \
	cockpit/src/theme.js \
	cockpit/src/version-graph.js \
	cockpit/src/version-label.js \
	cockpit/src/versions.js \
	$(NULL)
# The folder as Cockpit serves it.
cockpit_files = \
	cockpit/dist/index.css \
	cockpit/dist/index.html \
	cockpit/dist/index.js \
	cockpit/dist/manifest.json \
	cockpit/dist/patternfly.css \
	$(NULL)
# The manual names them.
cockpit_pictures = \
	man/pictures/cockpit-machine.png \
	man/pictures/cockpit-room.png \
	$(NULL)
EXTRA_DIST += $(cockpit_sources) $(cockpit_files) $(cockpit_pictures) \
	cockpit/index.html \
	cockpit/manifest.json \
	cockpit/vendor/README \
	cockpit/vendor/patternfly.css \
	cockpit/vendor/update \
	$(NULL)
MAINTAINERCLEANFILES = $(cockpit_files)

cockpit/dist/index.js: $(cockpit_sources)
	$(AM_V_GEN)$(MKDIR_P) cockpit/dist && \
		{ test '$(ESBUILD)' != no || { echo "$@: esbuild is needed" >&2; exit 1; }; } && \
		$(ESBUILD) $(srcdir)/cockpit/src/index.js --bundle --minify \
			--format=esm --target=es2022 --log-level=warning \
			--external:../../static/* \
			'--banner:js=/* SPDX-License-Identifier: GPL-2.0-or-later */' \
			'--banner:css=/* SPDX-License-Identifier: GPL-2.0-or-later */' \
			--outdir=cockpit/dist
cockpit/dist/index.css: cockpit/dist/index.js
	@test -f $@ || { rm -f cockpit/dist/index.js && $(MAKE) cockpit/dist/index.js; }
	@touch $@
cockpit/dist/index.html: cockpit/index.html
cockpit/dist/manifest.json: cockpit/manifest.json
cockpit/dist/patternfly.css: cockpit/vendor/patternfly.css
cockpit/dist/index.html cockpit/dist/manifest.json cockpit/dist/patternfly.css:
	$(AM_V_GEN)$(MKDIR_P) cockpit/dist && rm -f $@ && cp $< $@

if WITH_COCKPIT
cockpitdir = $(datadir)/cockpit/vhdfs
cockpit_DATA = $(cockpit_files)
doc_DATA = $(cockpit_pictures)
endif
