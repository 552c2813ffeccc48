# SPDX-License-Identifier: GPL-2.0-or-later
# All but main is a library, for the unit tests too.
noinst_LIBRARIES += tgt-glue/libglue.a
tgt_glue_libglue_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tgt_glue_libglue_a_SOURCES = \
	tgt-glue/access.c \
	tgt-glue/access.h \
	tgt-glue/applied.c \
	tgt-glue/applied.h \
	tgt-glue/apply.c \
	tgt-glue/aside.c \
	tgt-glue/aside.h \
	tgt-glue/boot-files.c \
	tgt-glue/boot.c \
	tgt-glue/boot.h \
	tgt-glue/carry.c \
	tgt-glue/carry.h \
	tgt-glue/children.c \
	tgt-glue/children.h \
	tgt-glue/command.h \
	tgt-glue/conf.c \
	tgt-glue/conf.h \
	tgt-glue/connections.c \
	tgt-glue/dnsmasq.c \
	tgt-glue/exports.c \
	tgt-glue/exports.h \
	tgt-glue/files.c \
	tgt-glue/files.h \
	tgt-glue/fleet.c \
	tgt-glue/fleet.h \
	tgt-glue/follow.c \
	tgt-glue/follow.h \
	tgt-glue/ipxe.c \
	tgt-glue/kept.c \
	tgt-glue/kept.h \
	tgt-glue/kin.c \
	tgt-glue/kin.h \
	tgt-glue/live.c \
	tgt-glue/live.h \
	tgt-glue/moves.c \
	tgt-glue/moves.h \
	tgt-glue/names.c \
	tgt-glue/names.h \
	tgt-glue/notes.c \
	tgt-glue/notes.h \
	tgt-glue/opened.c \
	tgt-glue/opened.h \
	tgt-glue/plan.c \
	tgt-glue/plan.h \
	tgt-glue/pool.c \
	tgt-glue/pool.h \
	tgt-glue/portals.c \
	tgt-glue/portals.h \
	tgt-glue/removals.c \
	tgt-glue/removals.h \
	tgt-glue/reset.c \
	tgt-glue/round.c \
	tgt-glue/round.h \
	tgt-glue/rounds.c \
	tgt-glue/rounds.h \
	tgt-glue/secret.c \
	tgt-glue/sessions.c \
	tgt-glue/sessions.h \
	tgt-glue/shard.c \
	tgt-glue/shard.h \
	tgt-glue/share.c \
	tgt-glue/share.h \
	tgt-glue/space.c \
	tgt-glue/space.h \
	tgt-glue/spare.c \
	tgt-glue/spare.h \
	tgt-glue/status-json.c \
	tgt-glue/status-prometheus.c \
	tgt-glue/status-table.c \
	tgt-glue/status.c \
	tgt-glue/status.h \
	tgt-glue/targets.c \
	tgt-glue/targets.h \
	tgt-glue/textfile.c \
	tgt-glue/textfile.h \
	tgt-glue/tgtd.c \
	tgt-glue/tgtd.h \
	tgt-glue/tid.c \
	tgt-glue/tid.h \
	tgt-glue/traffic.c \
	tgt-glue/traffic.h \
	tgt-glue/unseen.c \
	tgt-glue/unseen.h \
	tgt-glue/values.c \
	tgt-glue/values.h \
	tgt-glue/watch.c \
	$(NULL)
LIBGLUE_LIBS = \
	tgt-glue/libglue.a \
	$(LIBVHDFS_LIBS) \
	$(INOTIFYTOOLS_LIBS) \
	$(JANSSON_LIBS) \
	$(NULL)

sbin_PROGRAMS += tgt-glue/tgt-glue
tgt_glue_tgt_glue_SOURCES = tgt-glue/main.c
tgt_glue_tgt_glue_CPPFLAGS = $(AM_CPPFLAGS) -DCONFDIR='"$(confdir)"'
tgt_glue_tgt_glue_LDADD = $(LIBGLUE_LIBS)

dist_bashcompletion_DATA += contrib/completion/tgt-glue
dist_doc_DATA += contrib/fleet.conf.example

# Where tgt-glue and the units look for their files.  A directory that is there
# stays as it is.
install-data-local:
	test -d "$(DESTDIR)$(sysconfdir)/vhdfs" || \
		$(INSTALL) -d -m 755 "$(DESTDIR)$(sysconfdir)/vhdfs"
uninstall-local:
	-rmdir "$(DESTDIR)$(sysconfdir)/vhdfs" 2>/dev/null
