/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdkit-vhdfs-plugin: declarations for its files. */
#ifndef VHDFS_NBDKIT_PLUGIN_H
#define VHDFS_NBDKIT_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "store/store.h"

/* Parameters of the command line.  Paths are absolute, because nbdkit changes
 * its directory before it serves. */
struct settings {
	char *store;   /* the store's directory */
	char *image;   /* absolute, or relative to the store; null: the export's
			  name selects the image */
	bool no_store; /* store= was not given: store is image's directory */
	char **parents; /* further directories to search for parents */
	size_t n_parents;
	uint64_t reserve; /* see reserve.h */
};

extern struct settings settings;
extern const char settings_help[];

/* The plugin's config and config_complete: 0, or -1 after nbdkit_error. */
int settings_set(const char *key, const char *value);
int settings_complete(void);
void settings_free(void);

/* The store that is served, from after_fork on. */
extern struct store *store;

/* Passes the library's last error to nbdkit_error; returns -1. */
int report_error(void);

/*
 * The image of an export, with a reference: that of image=, whatever the name;
 * without image= the image that the mount shows at this path, without ".raw".
 * 0, or -errno with a message.
 */
int export_find(struct store *in, const char *name, struct store_image **ret);
/* The plugin's list_exports: one export for each view of the store; with image=
 * the default export alone. */
int export_list(int readonly, int is_tls, struct nbdkit_exports *exports);
/* "vhdx, differencing"; the caller's to free.  Null: unknown. */
char *export_describe(struct store_image *image);

#endif
