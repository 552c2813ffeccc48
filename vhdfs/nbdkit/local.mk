# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin, a shared object.  The library in it has threads that may end
# after the plugin's unload, so it stays in memory (nodelete).
if WITH_NBDKIT
nbdkitplugin_PROGRAMS = vhdfs/nbdkit/nbdkit-vhdfs-plugin.so
man_MANS += man/nbdkit-vhdfs-plugin.1
endif

vhdfs_nbdkit_nbdkit_vhdfs_plugin_so_CPPFLAGS = $(AM_CPPFLAGS)
vhdfs_nbdkit_nbdkit_vhdfs_plugin_so_CFLAGS = $(AM_CFLAGS) $(PIC_CFLAGS) \
	$(NBDKIT_CFLAGS)
vhdfs_nbdkit_nbdkit_vhdfs_plugin_so_LDFLAGS = $(AM_LDFLAGS) -shared \
	-Wl,-z,nodelete -Wl,--exclude-libs,ALL
vhdfs_nbdkit_nbdkit_vhdfs_plugin_so_LDADD = $(LIBVHDFS_LIBS)
vhdfs_nbdkit_nbdkit_vhdfs_plugin_so_SOURCES = \
	vhdfs/nbdkit/exports.c \
	vhdfs/nbdkit/plugin.c \
	vhdfs/nbdkit/plugin.h \
	vhdfs/nbdkit/settings.c \
	$(NULL)
