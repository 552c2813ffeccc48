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
	vhdfs/chain/chain-map.c \
	vhdfs/chain/chain-map.h \
	vhdfs/chain/chain-open.c \
	vhdfs/chain/chain.c \
	vhdfs/chain/chain.h \
	vhdfs/chain/copyup.c \
	vhdfs/chain/lock-upgrade.c \
	vhdfs/chain/lock-upgrade.h \
	vhdfs/chain/map-cache.c \
	vhdfs/chain/map-cache.h \
	vhdfs/chain/parent-cache.c \
	vhdfs/chain/parent-cache.h \
	vhdfs/chain/parent-image.c \
	vhdfs/chain/parent-warning.c \
	vhdfs/format/bits.h \
	vhdfs/format/extent-set.c \
	vhdfs/format/extent-set.h \
	vhdfs/format/foreign.c \
	vhdfs/format/foreign.h \
	vhdfs/format/image.c \
	vhdfs/format/image.h \
	vhdfs/format/raw.c \
	vhdfs/format/raw.h \
	vhdfs/format/registry.c \
	vhdfs/format/registry.h \
	vhdfs/format/table-cache.c \
	vhdfs/format/table-cache.h \
	vhdfs/format/vhd-check.c \
	vhdfs/format/vhd-create.c \
	vhdfs/format/vhd-footer.c \
	vhdfs/format/vhd-header.c \
	vhdfs/format/vhd-internal.h \
	vhdfs/format/vhd-layout.h \
	vhdfs/format/vhd-parent.c \
	vhdfs/format/vhd-space.c \
	vhdfs/format/vhd-truncation.c \
	vhdfs/format/vhd-writable.c \
	vhdfs/format/vhd-write.c \
	vhdfs/format/vhd.c \
	vhdfs/format/vhd.h \
	vhdfs/format/vhdx-bat.c \
	vhdfs/format/vhdx-check.c \
	vhdfs/format/vhdx-create.c \
	vhdfs/format/vhdx-file.c \
	vhdfs/format/vhdx-header.c \
	vhdfs/format/vhdx-internal.h \
	vhdfs/format/vhdx-layout.h \
	vhdfs/format/vhdx-locator.c \
	vhdfs/format/vhdx-log-sequence.c \
	vhdfs/format/vhdx-log-sequence.h \
	vhdfs/format/vhdx-log-write.c \
	vhdfs/format/vhdx-log.c \
	vhdfs/format/vhdx-meta.c \
	vhdfs/format/vhdx-region.c \
	vhdfs/format/vhdx-space.c \
	vhdfs/format/vhdx-truncation.c \
	vhdfs/format/vhdx-writable.c \
	vhdfs/format/vhdx-write.c \
	vhdfs/format/vhdx.c \
	vhdfs/format/vhdx.h \
	vhdfs/io/atomic-file.c \
	vhdfs/io/atomic-file.h \
	vhdfs/io/blocking.c \
	vhdfs/io/blocking.h \
	vhdfs/io/holder.c \
	vhdfs/io/holder.h \
	vhdfs/io/io-file.c \
	vhdfs/io/io-file.h \
	vhdfs/io/io.c \
	vhdfs/io/io.h \
	vhdfs/io/recovery-fdstore.c \
	vhdfs/io/recovery-files.c \
	vhdfs/io/recovery-internal.h \
	vhdfs/io/recovery-pages.c \
	vhdfs/io/recovery.c \
	vhdfs/io/recovery.h \
	vhdfs/io/rootdir.c \
	vhdfs/io/rootdir.h \
	vhdfs/store/ancestry.c \
	vhdfs/store/catalog.c \
	vhdfs/store/child.c \
	vhdfs/store/child.h \
	vhdfs/store/dir.c \
	vhdfs/store/examine.c \
	vhdfs/store/find.c \
	vhdfs/store/image-names.c \
	vhdfs/store/image-names.h \
	vhdfs/store/reserve.c \
	vhdfs/store/reserve.h \
	vhdfs/store/resolve-path.c \
	vhdfs/store/store-internal.h \
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
