/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdkit-vhdfs-plugin: what its files share. */
#ifndef VHDFS_NBDKIT_PLUGIN_H
#define VHDFS_NBDKIT_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "store/store.h"

/* What the command line says.  nbdkit changes its directory before it serves,
 * so the paths are absolute. */
struct settings {
	char *store;    /* the directory; null until it is known */
	char *image;    /* absolute, or in the store; null: the export's name
			   says which */
	bool beside;    /* store is the directory that image is in */
	char **parents; /* further directories to search for parents */
	size_t n_parents;
	uint64_t reserve; /* see reserve.h */
};

extern struct settings settings;
extern const char settings_help[];

/* As the plugin's config and config_complete: 0, or -1 once nbdkit_error has
 * said why. */
int settings_take(const char *key, const char *value);
int settings_complete(void);
void settings_free(void);

/* The store while nbdkit serves. */
extern struct store *store;

/* Hands the library's last failure to nbdkit's log; returns -1. */
int refuse(void);

/*
 * The image of the export that a client names, with a reference: the one of
 * image=, whatever the name, else the image that the mount of the store would
 * show at that path, without the ending .raw.  0, or -errno with words.
 */
int export_find(struct store *in, const char *name, struct store_image **ret);
/* As the plugin's list_exports: one in each entry of the store's views, or the
 * one of image=, which has the default name. */
int export_list(struct nbdkit_exports *exports);
/* "vhdx, differencing"; the caller's to free.  Null: it cannot be told. */
char *export_describe(struct store_image *image);

#endif
