# SPDX-License-Identifier: GPL-2.0-or-later
# The library that the programs, nbdkit's plugin and the tests share.
noinst_LIBRARIES += vhdfs/libvhdfs.a

vhdfs_libvhdfs_a_CPPFLAGS = $(AM_CPPFLAGS) $(UUID_CFLAGS) $(ISAL_CFLAGS) \
	$(JANSSON_CFLAGS)
vhdfs_libvhdfs_a_CFLAGS = $(AM_CFLAGS) $(PIC_CFLAGS)
vhdfs_libvhdfs_a_SOURCES = \
	vhdfs/base/bytes.h \
	vhdfs/base/cleanup.h \
	vhdfs/base/crc32c.c \
	vhdfs/base/crc32c.h \
	vhdfs/base/error.c \
	vhdfs/base/error.h \
	vhdfs/base/fold.c \
	vhdfs/base/fold.h \
	vhdfs/base/guid.c \
	vhdfs/base/guid.h \
	vhdfs/base/json.c \
	vhdfs/base/json.h \
	vhdfs/base/log.c \
	vhdfs/base/log.h \
	vhdfs/base/notify.c \
	vhdfs/base/notify.h \
	vhdfs/base/printable.c \
	vhdfs/base/printable.h \
	vhdfs/base/size.c \
	vhdfs/base/size.h \
	vhdfs/base/utf16.c \
	vhdfs/base/utf16.h \
	vhdfs/chain/chain-internal.h \
	vhdfs/chain/chain-open.c \
	vhdfs/chain/chain.c \
	vhdfs/chain/chain.h \
	vhdfs/chain/family.c \
	vhdfs/chain/family.h \
	vhdfs/chain/flat.c \
	vhdfs/chain/flat.h \
	vhdfs/chain/handover.c \
	vhdfs/chain/handover.h \
	vhdfs/chain/layers.c \
	vhdfs/chain/lookup.c \
	vhdfs/chain/lookup.h \
	vhdfs/chain/place.c \
	vhdfs/chain/unit.c \
	vhdfs/chain/warning.c \
	vhdfs/format/bits.h \
	vhdfs/format/foreign.c \
	vhdfs/format/foreign.h \
	vhdfs/format/image.c \
	vhdfs/format/image.h \
	vhdfs/format/pages.c \
	vhdfs/format/pages.h \
	vhdfs/format/raw.c \
	vhdfs/format/raw.h \
	vhdfs/format/space.c \
	vhdfs/format/space.h \
	vhdfs/format/vhd-check.c \
	vhdfs/format/vhd-create.c \
	vhdfs/format/vhd-driver.h \
	vhdfs/format/vhd-end.c \
	vhdfs/format/vhd-footer.c \
	vhdfs/format/vhd-header.c \
	vhdfs/format/vhd-layout.h \
	vhdfs/format/vhd-parent.c \
	vhdfs/format/vhd-space.c \
	vhdfs/format/vhd-start.c \
	vhdfs/format/vhd-write.c \
	vhdfs/format/vhd.c \
	vhdfs/format/vhd.h \
	vhdfs/format/vhdx-bat.c \
	vhdfs/format/vhdx-check.c \
	vhdfs/format/vhdx-create.c \
	vhdfs/format/vhdx-end.c \
	vhdfs/format/vhdx-header.c \
	vhdfs/format/vhdx-internal.h \
	vhdfs/format/vhdx-layout.h \
	vhdfs/format/vhdx-locator.c \
	vhdfs/format/vhdx-log.c \
	vhdfs/format/vhdx-logwrite.c \
	vhdfs/format/vhdx-meta.c \
	vhdfs/format/vhdx-region.c \
	vhdfs/format/vhdx-run.c \
	vhdfs/format/vhdx-space.c \
	vhdfs/format/vhdx-writable.c \
	vhdfs/format/vhdx-write.c \
	vhdfs/format/vhdx.c \
	vhdfs/format/vhdx.h \
	vhdfs/io/holder.c \
	vhdfs/io/holder.h \
	vhdfs/io/io-file.c \
	vhdfs/io/io-file.h \
	vhdfs/io/io.c \
	vhdfs/io/io.h \
	vhdfs/io/keep-files.c \
	vhdfs/io/keep-internal.h \
	vhdfs/io/keep-pages.c \
	vhdfs/io/keep-store.c \
	vhdfs/io/keep.c \
	vhdfs/io/keep.h \
	vhdfs/io/wait.c \
	vhdfs/io/wait.h \
	vhdfs/store/reserve.c \
	vhdfs/store/reserve.h \
	vhdfs/store/catalog.c \
	vhdfs/store/child.c \
	vhdfs/store/child.h \
	vhdfs/store/dir.c \
	vhdfs/store/examine.c \
	vhdfs/store/draft.c \
	vhdfs/store/draft.h \
	vhdfs/store/find.c \
	vhdfs/store/inside.h \
	vhdfs/store/kin.c \
	vhdfs/store/look.c \
	vhdfs/store/names.c \
	vhdfs/store/names.h \
	vhdfs/store/store.c \
	vhdfs/store/store.h \
	vhdfs/store/view-io.c \
	vhdfs/store/view.c \
	vhdfs/store/view.h \
	vhdfs/store/watch.c \
	$(NULL)

# What a program that uses the library links with.
LIBVHDFS_LIBS = \
	vhdfs/libvhdfs.a \
	$(UUID_LIBS) \
	$(ISAL_LIBS) \
	$(UNISTRING_LIBS) \
	$(PTHREAD_LIBS) \
	$(NULL)
