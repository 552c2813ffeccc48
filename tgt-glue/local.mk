# SPDX-License-Identifier: GPL-2.0-or-later
# All but main is a library, for the unit tests too.
noinst_LIBRARIES += tgt-glue/libglue.a
tgt_glue_libglue_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) \
	$(LIBSYSTEMD_CFLAGS) -DLOGDIR='"$(vhdfslogdir)"' \
	-DCONFDIR='"$(confdir)"' \
	-DPKGLIBEXECDIR='"$(pkglibexecdir)"'
dist_pkglibexec_SCRIPTS = tgt-glue/look-into
tgt_glue_libglue_a_SOURCES = \
	tgt-glue/backup/backup.c \
	tgt-glue/backup/backup.h \
	tgt-glue/backup/config-files.c \
	tgt-glue/backup/config-files.h \
	tgt-glue/backup/copy.c \
	tgt-glue/backup/copy.h \
	tgt-glue/backup/restore.c \
	tgt-glue/backup/restore.h \
	tgt-glue/backup/scrub.c \
	tgt-glue/backup/scrub.h \
	tgt-glue/backup/stop.c \
	tgt-glue/backup/stop.h \
	tgt-glue/backup/transfer.c \
	tgt-glue/backup/transfer.h \
	tgt-glue/base/arena.c \
	tgt-glue/base/arena.h \
	tgt-glue/base/events.c \
	tgt-glue/base/events.h \
	tgt-glue/base/hook.c \
	tgt-glue/base/hook.h \
	tgt-glue/base/journal.c \
	tgt-glue/base/journal.h \
	tgt-glue/base/messages.c \
	tgt-glue/base/messages.h \
	tgt-glue/base/textfile.c \
	tgt-glue/base/textfile.h \
	tgt-glue/base/vhdfs-img.c \
	tgt-glue/base/vhdfs-img.h \
	tgt-glue/command/answer.c \
	tgt-glue/command/apply.c \
	tgt-glue/command/backup.c \
	tgt-glue/command/behind.c \
	tgt-glue/command/behind.h \
	tgt-glue/command/boot-files.c \
	tgt-glue/command/boot-script.c \
	tgt-glue/command/boot-script.h \
	tgt-glue/command/check.c \
	tgt-glue/command/command.h \
	tgt-glue/command/disks-remove.c \
	tgt-glue/command/disks.c \
	tgt-glue/command/divergence.c \
	tgt-glue/command/divergence.h \
	tgt-glue/command/dnsmasq.c \
	tgt-glue/command/end-session.c \
	tgt-glue/command/explain.c \
	tgt-glue/command/explain.h \
	tgt-glue/command/family.c \
	tgt-glue/command/family.h \
	tgt-glue/command/free-space.c \
	tgt-glue/command/free-space.h \
	tgt-glue/command/generate.c \
	tgt-glue/command/inotify.c \
	tgt-glue/command/inotify.h \
	tgt-glue/command/ipxe.c \
	tgt-glue/command/keep.c \
	tgt-glue/command/load.c \
	tgt-glue/command/log.c \
	tgt-glue/command/noticed.c \
	tgt-glue/command/noticed.h \
	tgt-glue/command/offer-states.c \
	tgt-glue/command/offer-states.h \
	tgt-glue/command/orphans.c \
	tgt-glue/command/promote.c \
	tgt-glue/command/publish.c \
	tgt-glue/command/reader-ask.c \
	tgt-glue/command/reader.c \
	tgt-glue/command/reader.h \
	tgt-glue/command/rename.c \
	tgt-glue/command/reset.c \
	tgt-glue/command/restore-from.c \
	tgt-glue/command/restore.c \
	tgt-glue/command/retire.c \
	tgt-glue/command/samples.c \
	tgt-glue/command/samples.h \
	tgt-glue/command/secret.c \
	tgt-glue/command/select.c \
	tgt-glue/command/select.h \
	tgt-glue/command/session-events.c \
	tgt-glue/command/session-events.h \
	tgt-glue/command/snapshot.c \
	tgt-glue/command/status-changes.c \
	tgt-glue/command/status-command.c \
	tgt-glue/command/status-follow.c \
	tgt-glue/command/status-follow.h \
	tgt-glue/command/status-json.c \
	tgt-glue/command/status-print.h \
	tgt-glue/command/status-prometheus.c \
	tgt-glue/command/status-table.c \
	tgt-glue/command/status.c \
	tgt-glue/command/status.h \
	tgt-glue/command/unseen-sessions.c \
	tgt-glue/command/unseen-sessions.h \
	tgt-glue/command/version-operand.c \
	tgt-glue/command/version-operand.h \
	tgt-glue/command/versions.c \
	tgt-glue/command/warnings.c \
	tgt-glue/command/warnings.h \
	tgt-glue/command/watch-ends.c \
	tgt-glue/command/watch-ends.h \
	tgt-glue/command/watch-events.c \
	tgt-glue/command/watch-events.h \
	tgt-glue/command/watch-internal.h \
	tgt-glue/command/watch-lock.c \
	tgt-glue/command/watch-lock.h \
	tgt-glue/command/watch-noticed.c \
	tgt-glue/command/watch-noticed.h \
	tgt-glue/command/watch.c \
	tgt-glue/config/acl.c \
	tgt-glue/config/acl.h \
	tgt-glue/config/children.c \
	tgt-glue/config/children.h \
	tgt-glue/config/disks.c \
	tgt-glue/config/disks.h \
	tgt-glue/config/fleet.c \
	tgt-glue/config/fleet.h \
	tgt-glue/config/masters.c \
	tgt-glue/config/masters.h \
	tgt-glue/config/parse.c \
	tgt-glue/config/parse.h \
	tgt-glue/config/read.c \
	tgt-glue/config/read.h \
	tgt-glue/config/resolve.c \
	tgt-glue/config/resolve.h \
	tgt-glue/config/sections.c \
	tgt-glue/config/sections.h \
	tgt-glue/config/shard.c \
	tgt-glue/config/shard.h \
	tgt-glue/config/sources.c \
	tgt-glue/config/sources.h \
	tgt-glue/config/syntax.c \
	tgt-glue/config/syntax.h \
	tgt-glue/config/tid.c \
	tgt-glue/config/tid.h \
	tgt-glue/config/values.c \
	tgt-glue/config/values.h \
	tgt-glue/config/version-mark.c \
	tgt-glue/config/version-mark.h \
	tgt-glue/config/versions.c \
	tgt-glue/config/versions.h \
	tgt-glue/reconcile/ancestors.c \
	tgt-glue/reconcile/ancestors.h \
	tgt-glue/reconcile/boot-resets.c \
	tgt-glue/reconcile/boot-resets.h \
	tgt-glue/reconcile/client-image.c \
	tgt-glue/reconcile/client-image.h \
	tgt-glue/reconcile/client-rename.c \
	tgt-glue/reconcile/client-rename.h \
	tgt-glue/reconcile/clients.c \
	tgt-glue/reconcile/clients.h \
	tgt-glue/reconcile/difference.c \
	tgt-glue/reconcile/difference.h \
	tgt-glue/reconcile/disk-quota.c \
	tgt-glue/reconcile/disk-quota.h \
	tgt-glue/reconcile/execute.c \
	tgt-glue/reconcile/execute.h \
	tgt-glue/reconcile/exports.c \
	tgt-glue/reconcile/exports.h \
	tgt-glue/reconcile/follow.c \
	tgt-glue/reconcile/follow.h \
	tgt-glue/reconcile/image-parent.c \
	tgt-glue/reconcile/image-parent.h \
	tgt-glue/reconcile/image-reset.c \
	tgt-glue/reconcile/image-reset.h \
	tgt-glue/reconcile/image-restore.c \
	tgt-glue/reconcile/image-restore.h \
	tgt-glue/reconcile/image-use.c \
	tgt-glue/reconcile/image-use.h \
	tgt-glue/reconcile/kept-image.c \
	tgt-glue/reconcile/kept-image.h \
	tgt-glue/reconcile/last-applied.c \
	tgt-glue/reconcile/last-applied.h \
	tgt-glue/reconcile/migrate.c \
	tgt-glue/reconcile/migrate.h \
	tgt-glue/reconcile/new-clients.c \
	tgt-glue/reconcile/new-clients.h \
	tgt-glue/reconcile/mount-probe.c \
	tgt-glue/reconcile/mount-probe.h \
	tgt-glue/reconcile/mount-reserve.c \
	tgt-glue/reconcile/mount-reserve.h \
	tgt-glue/reconcile/old-images.c \
	tgt-glue/reconcile/old-images.h \
	tgt-glue/reconcile/orphan-images.c \
	tgt-glue/reconcile/orphan-images.h \
	tgt-glue/reconcile/pass.h \
	tgt-glue/reconcile/plan-print.c \
	tgt-glue/reconcile/plan-resets.c \
	tgt-glue/reconcile/plan.c \
	tgt-glue/reconcile/plan.h \
	tgt-glue/reconcile/quotas.c \
	tgt-glue/reconcile/quotas.h \
	tgt-glue/reconcile/reconcile.c \
	tgt-glue/reconcile/reconcile.h \
	tgt-glue/reconcile/removals.c \
	tgt-glue/reconcile/removals.h \
	tgt-glue/reconcile/report.c \
	tgt-glue/reconcile/report.h \
	tgt-glue/reconcile/saved-states.c \
	tgt-glue/reconcile/saved-states.h \
	tgt-glue/reconcile/shard-pass.c \
	tgt-glue/reconcile/shard-pass.h \
	tgt-glue/reconcile/shard-resets.c \
	tgt-glue/reconcile/shard-resets.h \
	tgt-glue/reconcile/space.c \
	tgt-glue/reconcile/space.h \
	tgt-glue/reconcile/spare.c \
	tgt-glue/reconcile/spare.h \
	tgt-glue/reconcile/targets-conf.c \
	tgt-glue/reconcile/targets-conf.h \
	tgt-glue/tgtd/backing-files.c \
	tgt-glue/tgtd/backing-files.h \
	tgt-glue/tgtd/client.c \
	tgt-glue/tgtd/client.h \
	tgt-glue/tgtd/connections.c \
	tgt-glue/tgtd/opened.c \
	tgt-glue/tgtd/opened.h \
	tgt-glue/tgtd/portals.c \
	tgt-glue/tgtd/portals.h \
	tgt-glue/tgtd/refusals.c \
	tgt-glue/tgtd/refusals.h \
	tgt-glue/tgtd/sessions.c \
	tgt-glue/tgtd/sessions.h \
	tgt-glue/tgtd/state.c \
	tgt-glue/tgtd/state.h \
	tgt-glue/tgtd/traffic.c \
	tgt-glue/tgtd/traffic.h \
	tgt-glue/versions/adopt.c \
	tgt-glue/versions/adopt.h \
	tgt-glue/versions/check-names.c \
	tgt-glue/versions/check-names.h \
	tgt-glue/versions/check-parents.c \
	tgt-glue/versions/check-parents.h \
	tgt-glue/versions/links.c \
	tgt-glue/versions/links.h \
	tgt-glue/versions/look.c \
	tgt-glue/versions/look.h \
	tgt-glue/versions/promote.c \
	tgt-glue/versions/promote.h \
	tgt-glue/versions/publish.c \
	tgt-glue/versions/publish.h \
	tgt-glue/versions/reparent.c \
	tgt-glue/versions/reparent.h \
	tgt-glue/versions/retire.c \
	tgt-glue/versions/retire.h \
	tgt-glue/versions/version-events.c \
	tgt-glue/versions/version-events.h \
	$(NULL)
LIBGLUE_LIBS = \
	tgt-glue/libglue.a \
	$(LIBVHDFS_LIBS) \
	$(INOTIFYTOOLS_LIBS) \
	$(JANSSON_LIBS) \
	$(LIBSYSTEMD_LIBS) \
	$(NULL)

sbin_PROGRAMS += tgt-glue/tgt-glue
tgt_glue_tgt_glue_SOURCES = tgt-glue/command/main.c
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
