/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that the names of a family are as tgt-glue makes them. */
#ifndef TGT_GLUE_VERSIONS_CHECK_NAMES_H
#define TGT_GLUE_VERSIONS_CHECK_NAMES_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/config/versions.h"

/*
 * 0, or -EINVAL with a message: the master is where the images of clients are,
 * a channel's name is no symbolic link, or the plain name is a link to what is
 * no version.  Such an image has children that
 * name it, and would lose them if a link to a version took its name.  A link to
 * nothing may be replaced.
 */
int check_names(const struct fleet *fleet, struct arena *arena,
		const struct versions *versions);
/* 0 if nothing has the name of the next version, not even a link; or -EEXIST
 * with a message. */
int check_next_name(const struct fleet *fleet, struct arena *arena,
		    const struct versions *versions);
/* The messages of check_names for each master of fleet.conf, in arena. */
struct strings check_all_names(const struct fleet *fleet, struct arena *arena);

#endif
