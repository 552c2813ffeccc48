# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += \
	contrib/bench \
	contrib/check \
	contrib/demo \
	contrib/package \
	contrib/packages \
	contrib/release \
	contrib/reload-mounts \
	$(NULL)

# Units of systemd, with the programs where they are installed.
systemd_units = \
	contrib/systemd/tgt-glue-scrub.service \
	contrib/systemd/tgt-glue-metrics.service \
	contrib/systemd/tgt-glue-status@.service \
	contrib/systemd/tgt-glue-watch.service \
	contrib/systemd/vhdfs-tgtd@.service \
	contrib/systemd/vhdfs@.service \
	$(NULL)
EXTRA_DIST += \
	contrib/systemd/tgt-glue-scrub.service.in \
	contrib/systemd/tgt-glue-scrub.timer \
	contrib/systemd/tgt-glue-metrics.service.in \
	contrib/systemd/tgt-glue-metrics.timer \
	contrib/systemd/tgt-glue-status.socket \
	contrib/systemd/tgt-glue-status@.service.in \
	contrib/systemd/tgt-glue-watch.service.in \
	contrib/systemd/vhdfs-tgtd@.service.in \
	contrib/systemd/tgt.service.d/vhdfs.conf \
	contrib/systemd/vhdfs@.service.in \
	$(NULL)
CLEANFILES += $(systemd_units)
check_DATA += $(systemd_units)
.service.in.service:
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
		sed -e 's|@bindir[@]|$(bindir)|' -e 's|@sbindir[@]|$(sbindir)|' \
		-e 's|@confdir[@]|$(confdir)|' \
		-e '/^@$(UNITS_NOT_FOR)[@]/d' -e 's|^@$(UNITS_FOR)[@]||' \
		$< >$@.tmp && mv $@.tmp $@
SUFFIXES = .service.in .service
$(systemd_units): Makefile
if WITH_SYSTEMD
systemdsystemunit_DATA = $(systemd_units) \
	contrib/systemd/tgt-glue-metrics.timer \
	contrib/systemd/tgt-glue-scrub.timer \
	contrib/systemd/tgt-glue-status.socket
systemdtgtdir = $(systemdsystemunitdir)/tgt.service.d
systemdtgt_DATA = contrib/systemd/tgt.service.d/vhdfs.conf
endif

# A dashboard of Grafana for the metrics of `tgt-glue status --prometheus'.
dist_pkgdata_DATA = contrib/grafana/tgt-glue.json

# Checks, builds and tags what is committed.
release:
	$(top_srcdir)/contrib/release
.PHONY: release
