# SPDX-License-Identifier: GPL-2.0-or-later
# Named in its folder, for the folder has its name; it is installed as vhdfs.
bin_PROGRAMS += vhdfs/vhdfs
dist_bashcompletion_DATA += contrib/completion/vhdfs
vhdfs_vhdfs_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
vhdfs_vhdfs_LDADD = $(LIBVHDFS_LIBS) $(FUSE_LIBS)
vhdfs_vhdfs_SOURCES = \
	vhdfs/fuse/daemonize.c \
	vhdfs/fuse/daemonize.h \
	vhdfs/fuse/end-signal.h \
	vhdfs/fuse/fast-path.c \
	vhdfs/fuse/fast-path.h \
	vhdfs/fuse/fdstore.c \
	vhdfs/fuse/fdstore.h \
	vhdfs/fuse/fuse3.h \
	vhdfs/fuse/invalidate.c \
	vhdfs/fuse/invalidate.h \
	vhdfs/fuse/main.c \
	vhdfs/fuse/mount-state.c \
	vhdfs/fuse/mount-state.h \
	vhdfs/fuse/mount.c \
	vhdfs/fuse/mount.h \
	vhdfs/fuse/mountpoint.c \
	vhdfs/fuse/mountpoint.h \
	vhdfs/fuse/nodes.c \
	vhdfs/fuse/nodes.h \
	vhdfs/fuse/options.c \
	vhdfs/fuse/options.h \
	vhdfs/fuse/pulse.c \
	vhdfs/fuse/pulse.h \
	vhdfs/fuse/raw-reply.c \
	vhdfs/fuse/raw-reply.h \
	vhdfs/fuse/requests-control.c \
	vhdfs/fuse/requests-file.c \
	vhdfs/fuse/requests-name.c \
	vhdfs/fuse/requests.h \
	vhdfs/fuse/restore-moves.c \
	vhdfs/fuse/restore-moves.h \
	vhdfs/fuse/restore.c \
	vhdfs/fuse/restore.h \
	vhdfs/fuse/server.h \
	vhdfs/fuse/supervisor-internal.h \
	vhdfs/fuse/supervisor-start.c \
	vhdfs/fuse/supervisor-worker.c \
	vhdfs/fuse/supervisor.c \
	vhdfs/fuse/supervisor.h \
	vhdfs/fuse/thread-pool.c \
	vhdfs/fuse/thread-pool.h \
	vhdfs/fuse/upgrade.c \
	vhdfs/fuse/upgrade.h \
	vhdfs/fuse/worker.c \
	vhdfs/fuse/worker.h \
	$(NULL)
