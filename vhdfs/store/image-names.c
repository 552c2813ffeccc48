/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image names: which names of a store are images. */
#include "config.h"

#include "store/image-names.h"

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
