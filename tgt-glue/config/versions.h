/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Versions of a master.
 *
 * A version is an image, masters/win11@7.vhdx.  Nothing writes to it.  The
 * names without a number are channels, symbolic links to a version:
 *
 *   masters/win11.vhdx         the version in production
 *   masters/win11@test.vhdx    the version under test
 *   masters/.win11@back.vhdx   the version in production before
 *
 * The FAMILY of a master is its versions, and the image at its plain name as
 * long as that is no link yet: a master without versions.  A family is known by
 * that plain name, a path in the store.
 *
 * A child names the file of its version as its parent, and never a link: to
 * change a link changes no disk.
 */
#ifndef TGT_GLUE_CONFIG_VERSIONS_H
#define TGT_GLUE_CONFIG_VERSIONS_H

#include <sys/stat.h>

#include "io/rootdir.h"
#include "tgt-glue/base/arena.h"

/* The family of the image, or the channel, at path; null: path has no ending
 * of an image. */
const char *family_of(struct arena *arena, const char *path);
/* The number of the version at path, 0 if path is no version of the family. */
unsigned family_number(const char *family, const char *path);
/* True if path is a version of the family, or its plain name. */
bool family_has(const char *family, const char *path);
/* The path of STEM@WORD.ENDING; its last part is hidden (".STEM...") or not. */
const char *family_path(struct arena *arena, const char *family,
			const char *word, bool hidden);

/* The names of channels. */
enum channel { CHANNEL_PRODUCTION, CHANNEL_TEST, CHANNEL_BACK, CHANNELS };
/* "production", "test", "back". */
extern const char *const channel_names[CHANNELS];
const char *channel_path(struct arena *arena, const char *family,
			 enum channel channel);

/* What is at the path; flags: O_NOFOLLOW or 0.  0, or -errno without a
 * message. */
int version_stat(const struct root_dir *rootdir, const char *path, int flags,
		 struct stat *ret);

struct version {
	unsigned number;
	const char *path; /* in the store */
	struct stat st;
};

struct versions {
	const char *family;
	struct version *v; /* by number */
	size_t n;
	/* The image at the plain name is no link, and may be a version by
	 * another name, too. */
	bool plain;
	struct stat plain_st;
	/* Where each channel leads, or null: none, or to no version. */
	const struct version *channels[CHANNELS];
};

/* Reads the directory of the family.  *ret is in arena.  0, or -errno with a
 * message. */
int versions_read(struct arena *arena, const struct root_dir *rootdir,
		  const char *family, struct versions *ret);
/* The version of that number, or of that file; null: none. */
const struct version *versions_find(const struct versions *versions,
				    unsigned number);
const struct version *versions_find_file(const struct versions *versions,
					 const struct stat *st);
/* What the files of the family take on disk, each once. */
uint64_t versions_allocated(const struct versions *versions);
/* The greatest number; 0: none. */
unsigned versions_last(const struct versions *versions);

#endif
