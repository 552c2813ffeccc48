/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image names: which names of a store are images. */
#include "config.h"

#include "store/image-names.h"

#include <stdio.h>
#include <string.h>

#include "format/registry.h"

static bool has_image_ending(const char *name, size_t len)
{
	return name[0] != '.' && image_format_by_image_name(name, len);
}

bool name_is_image(const char *name)
{
	return has_image_ending(name, strlen(name));
}

bool name_is_view(const char *view, size_t *ret_len)
{
	size_t len = strlen(view), suffix = strlen(NAME_VIEW_SUFFIX);

	if (len <= suffix || strcmp(view + len - suffix, NAME_VIEW_SUFFIX) ||
	    !has_image_ending(view, len - suffix))
		return false;
	*ret_len = len - suffix;
	return true;
}

const char *name_last(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool name_is_new_leaf(const char *path)
{
	static const char ending[] = NAME_LEAF_SUFFIX, gone[] = " (deleted)";
	const char *name = name_last(path);
	size_t len = strlen(name);

	if (len > sizeof gone - 1 &&
	    !strcmp(name + len - (sizeof gone - 1), gone))
		len -= sizeof gone - 1;
	return *name == '.' && len > sizeof ending - 1 &&
	       !strncmp(name + len - (sizeof ending - 1), ending,
			sizeof ending - 1);
}

char *name_sibling(const char *path, const char *file)
{
	char *sibling;

	return asprintf(&sibling, "%.*s%s", (int)(name_last(path) - path), path,
			file) < 0
		       ? NULL
		       : sibling;
}
