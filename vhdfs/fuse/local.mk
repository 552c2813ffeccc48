# SPDX-License-Identifier: GPL-2.0-or-later
# Named in its folder, for the folder has its name; it is installed as vhdfs.
bin_PROGRAMS += vhdfs/vhdfs
dist_bashcompletion_DATA += contrib/completion/vhdfs
vhdfs_vhdfs_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
vhdfs_vhdfs_LDADD = $(LIBVHDFS_LIBS) $(FUSE_LIBS)
vhdfs_vhdfs_SOURCES = \
	vhdfs/fuse/background.c \
	vhdfs/fuse/background.h \
	vhdfs/fuse/direct.c \
	vhdfs/fuse/direct.h \
	vhdfs/fuse/fuse3.h \
	vhdfs/fuse/held.c \
	vhdfs/fuse/held.h \
	vhdfs/fuse/invalidate.c \
	vhdfs/fuse/invalidate.h \
	vhdfs/fuse/loop.c \
	vhdfs/fuse/loop.h \
	vhdfs/fuse/main.c \
	vhdfs/fuse/mount.c \
	vhdfs/fuse/mount.h \
	vhdfs/fuse/nodes.c \
	vhdfs/fuse/nodes.h \
	vhdfs/fuse/options.c \
	vhdfs/fuse/options.h \
	vhdfs/fuse/point.c \
	vhdfs/fuse/point.h \
	vhdfs/fuse/pulse.c \
	vhdfs/fuse/pulse.h \
	vhdfs/fuse/requests.h \
	vhdfs/fuse/requests-file.c \
	vhdfs/fuse/requests-name.c \
	vhdfs/fuse/resume.c \
	vhdfs/fuse/resume.h \
	vhdfs/fuse/state.c \
	vhdfs/fuse/state.h \
	vhdfs/fuse/supervisor.c \
	vhdfs/fuse/supervisor.h \
	vhdfs/fuse/upgrade.c \
	vhdfs/fuse/upgrade.h \
	vhdfs/fuse/worker.c \
	vhdfs/fuse/worker.h \
	$(NULL)
