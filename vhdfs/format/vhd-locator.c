/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making the parent reference of a differencing VHD: identity, time stamp and
 * name in the dynamic header, and two locators as Windows writes them. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/utf16.h"
#include "format/vhd-internal.h"
#include "format/windows-path.h"

/* prefix and path, with '\' in place of '/'. */
static int backslash_path(const char *prefix, const char *path, char **ret)
{
	char *text;

	if (strchr(path, '\\'))
		return fail(
			-EINVAL,
			"%s: expected a path without \\ for the parent of a "
			"VHD; rename the file or its directory",
			path);
	if (asprintf(&text, "%s%s", prefix, path) < 0)
		return fail(-ENOMEM, "%s: out of memory", path);
	*ret = path_replace(text, '/', '\\');
	return 0;
}

static int encode(const char *text, struct vhd_path *loc)
{
	int r = utf16le_encode(text, &loc->text, &loc->len);

	if (r == 0 && loc->len > LOCATOR_LENGTH_MAX)
		r = -ENAMETOOLONG;
	return r < 0 ? fail_errno(r, "%s: as the path of a parent", text) : 0;
}

/* Is the header's name of a parent one without directories? */
static bool has_base_name(const uint8_t *header)
{
	const uint8_t *name = header + HEADER_PARENT_NAME;

	for (size_t i = 0; i < HEADER_PARENT_NAME_SIZE; i += 2) {
		uint16_t c = get_be16(name + i);

		if (!c)
			return i;
		if (c == '\\' || c == '/')
			return false;
	}
	return true;
}

/* Was the image made by a program that names parents by their base names, as
 * Xen's does, and demands?  Such chains keep that form. */
static bool uses_base_names(const struct image *img)
{
	const struct vhd *v = vhd_of((struct image *)img);

	return img->type == IMAGE_DIFFERENCING
		       ? has_base_name(v->header)
		       : !memcmp(v->footer + FOOTER_CREATOR, "tap", 4);
}

/*
 * Stores the parent's absolute path in the header, as Windows does; if it is
 * too long, the base name, because a truncated path is of no use.
 */
static int put_parent_name(uint8_t *header, const char *absolute, bool base)
{
	const char *slash = strrchr(absolute, '\\');
	_cleanup_free_ uint8_t *text = NULL;
	size_t len = 0;
	int r = base ? 0 : utf16be_encode(absolute, &text, &len);

	if (r == 0 && slash && (base || len > HEADER_PARENT_NAME_SIZE)) {
		free(steal(text));
		r = utf16be_encode(slash + 1, &text, &len);
	}
	if (r < 0)
		return fail_errno(r, "%s: as the path of a parent", absolute);
	memset(header + HEADER_PARENT_NAME, 0, HEADER_PARENT_NAME_SIZE);
	memcpy(header + HEADER_PARENT_NAME, text,
	       min_u64(len, HEADER_PARENT_NAME_SIZE));
	return 0;
}

static void put_locator(uint8_t *header, unsigned slot, uint32_t code,
			const struct vhd_path *loc)
{
	uint8_t *p = header + HEADER_LOCATORS + slot * LOCATOR_SIZE;

	put_be32(p + LOCATOR_CODE, code);
	put_be32(p + LOCATOR_SPACE, (uint32_t)loc->space);
	put_be32(p + LOCATOR_LENGTH, (uint32_t)loc->len);
	put_be64(p + LOCATOR_OFFSET, loc->off);
}

int vhd_parent_encode(uint8_t *header, const struct image_params *params,
		      struct vhd_parent_paths *ret)
{
	const char *rel = params->parent_relative;
	_cleanup_free_ char *absolute = NULL, *relative = NULL;
	bool base = has_base_name(header) || uses_base_names(params->parent);
	int r = backslash_path("C:", params->parent_absolute, &absolute);

	/* Windows requires a relative path to begin with a dot. */
	if (r == 0)
		r = backslash_path(rel[0] == '.' && strchr("./", rel[1]) ? ""
									 : "./",
				   rel, &relative);
	if (r == 0)
		r = encode(absolute, &ret->absolute);
	if (r == 0)
		r = encode(relative, &ret->relative);
	if (r == 0)
		r = put_parent_name(header, absolute, base);
	if (r < 0)
		return r;
	guid_to_be(header + HEADER_PARENT_ID, &params->parent->id);
	put_be32(header + HEADER_PARENT_TIME,
		 vhd_time_of(params->parent_mtime));
	return 0;
}

void vhd_locators_put(uint8_t *header, const struct vhd_parent_paths *paths)
{
	memset(header + HEADER_LOCATORS, 0, LOCATOR_SLOTS * LOCATOR_SIZE);
	put_locator(header, 0, LOCATOR_W2KU, &paths->absolute);
	put_locator(header, 1, LOCATOR_W2RU, &paths->relative);
}

int vhd_parent_paths_write(struct io *io, const struct vhd_parent_paths *paths)
{
	const struct vhd_path *absolute = &paths->absolute;
	const struct vhd_path *relative = &paths->relative;
	int r = 0;

	if (absolute->len)
		r = io_write(io, absolute->text, absolute->len, absolute->off);
	if (r == 0 && relative->len)
		r = io_write(io, relative->text, relative->len, relative->off);
	return r;
}

void vhd_parent_paths_fini(struct vhd_parent_paths *paths)
{
	free(paths->absolute.text);
	free(paths->relative.text);
}
