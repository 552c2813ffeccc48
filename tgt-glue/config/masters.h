/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of masters in fleet.conf, resolved to images in the store, and checks
 * that no image has two writers. */
#ifndef TGT_GLUE_CONFIG_MASTERS_H
#define TGT_GLUE_CONFIG_MASTERS_H

#include "tgt-glue/config/fleet.h"

/*
 * The image for `master = NAME': NAME itself where it has an image's ending,
 * otherwise NAME with an ending added.  format (the name of one, or null)
 * chooses where images with both endings exist.  Returns its path in the store,
 * of the fleet's arena, or null with a description of what was found in
 * *ret_found.
 */
const char *masters_find(struct fleet *fleet, const char *name,
			 const char *format, const char **ret_found);

/* The mistake of a key that names no image: found is of masters_find. */
const char *masters_mistake(struct fleet *fleet, const char *key,
			    const char *name, const char *found);

/* The file that the path of an image in the store names, links followed; of the
 * fleet's arena. */
const char *masters_file(struct fleet *fleet, const char *path);

/*
 * Sets master and family of the disk from its master_name.  master is its file,
 * links followed: a master's name may be a link to a version (versions.h), and
 * a child names the file of its parent.
 */
void masters_set(struct fleet *fleet, struct disk *disk);

/*
 * A client writes to its image.  Reports as mistakes an image that is a master
 * or another client's image too, also under another name (a link).
 */
void masters_check_images(struct fleet *fleet);

#endif
