# SPDX-License-Identifier: GPL-2.0-or-later
bin_PROGRAMS += vhdfs/vhdfs-img
dist_bashcompletion_DATA += contrib/completion/vhdfs-img

vhdfs_vhdfs_img_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
vhdfs_vhdfs_img_LDADD = $(LIBVHDFS_LIBS) $(JANSSON_LIBS)
vhdfs_vhdfs_img_SOURCES = \
	vhdfs/img/check-report.c \
	vhdfs/img/check-report.h \
	vhdfs/img/check.c \
	vhdfs/img/command.h \
	vhdfs/img/compare.c \
	vhdfs/img/convert.c \
	vhdfs/img/create.c \
	vhdfs/img/delete-snapshot.c \
	vhdfs/img/find-parent.c \
	vhdfs/img/find-parent.h \
	vhdfs/img/image-roots.c \
	vhdfs/img/image-roots.h \
	vhdfs/img/image-store.c \
	vhdfs/img/image-store.h \
	vhdfs/img/info.c \
	vhdfs/img/interrupt.c \
	vhdfs/img/interrupt.h \
	vhdfs/img/main.c \
	vhdfs/img/map.c \
	vhdfs/img/online.c \
	vhdfs/img/online.h \
	vhdfs/img/output.c \
	vhdfs/img/output.h \
	vhdfs/img/pending-writes.c \
	vhdfs/img/pending-writes.h \
	vhdfs/img/rebase-disk.c \
	vhdfs/img/rebase-disk.h \
	vhdfs/img/rebase-image.c \
	vhdfs/img/rebase-image.h \
	vhdfs/img/rebase-room.c \
	vhdfs/img/rebase-room.h \
	vhdfs/img/rebase-options.h \
	vhdfs/img/rebase.c \
	vhdfs/img/remote-uri.c \
	vhdfs/img/remote.h \
	vhdfs/img/rename-recover.c \
	vhdfs/img/rename-recover.h \
	vhdfs/img/rename.c \
	vhdfs/img/replace-image.c \
	vhdfs/img/replace-image.h \
	vhdfs/img/revert.c \
	vhdfs/img/snapshot-path.c \
	vhdfs/img/snapshot-path.h \
	vhdfs/img/snapshot.c \
	vhdfs/img/snapshots.c \
	vhdfs/img/source.c \
	vhdfs/img/source.h \
	vhdfs/img/torn.c \
	vhdfs/img/torn.h \
	$(NULL)

# NBD disks as the source of convert, where libnbd is there.
if HAVE_LIBNBD
vhdfs_vhdfs_img_CPPFLAGS += $(LIBNBD_CFLAGS)
vhdfs_vhdfs_img_LDADD += $(LIBNBD_LIBS)
vhdfs_vhdfs_img_SOURCES += vhdfs/img/remote-nbd.c
else
vhdfs_vhdfs_img_SOURCES += vhdfs/img/remote-none.c
endif
