/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another name of a parent in all its children. */
#include "config.h"

#include "tgt-glue/versions/reparent.h"

#include "base/error.h"
#include "io/file-id.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/config/children.h"
#include "tgt-glue/reconcile/ancestors.h"

/* False for an image whose parent cannot be read: it names no parent that this
 * could be. */
static bool is_child(const struct fleet *fleet, struct arena *arena,
		     const char *image, const struct stat *file)
{
	const char *parent;
	struct stat st;

	return image_parent_of(fleet, arena, image, &parent) == 0 && parent &&
	       fleet_stat(fleet, parent, &st) == 0 &&
	       file_id_equal(file_id_of(&st), file_id_of(file));
}

int reparent(const struct fleet *fleet, const struct stat *file,
	     const char *path)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *parent = arena_printf(&arena, "%s/%s", fleet->store, path);
	struct strings children = { 0 };
	struct store *images = NULL;
	int r = children_list(fleet->store, &images, file,
			      STORE_POSSIBLE_CHILDREN, &arena, &children);

	for (size_t i = 0; r == 0 && i < children.n; i++) {
		const char *image = arena_printf(&arena, "%s/%s", fleet->store,
						 children.v[i]);

		/* Contents are not compared: it is the same file. */
		if (is_child(fleet, &arena, children.v[i], file))
			r = vhdfs_img_run((const char *const[]){
				"vhdfs-img", "rebase", "--store", fleet->store,
				"--unsafe", "--parent", parent, image, NULL });
	}
	if (images)
		store_close(images);
	return r;
}
