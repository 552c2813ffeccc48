/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reference of a differencing VHD to its parent: identity, time stamp, paths.
 *
 * Windows writes the locators W2ru and W2ku; other programs wrote 8-bit paths
 * or file URLs.  Each may be in any slot.  A locator that cannot be decoded is
 * skipped.
 */
#include "config.h"

#include "base/utf16.h"
#include "format/vhd-internal.h"
#include "format/windows-path.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

/* Deprecated locators do not name their code page; Latin-1 fits most paths. */
static int latin1_decode(const uint8_t *p, size_t len, char **ret)
{
	_cleanup_free_ uint8_t *units = calloc(len, 2);

	if (!units)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		units[2 * i] = p[i];
	return utf16le_decode(units, 2 * len, ret);
}

/* Decodes the escapes of a URL such as "file://host/dir/a%20b.vhd". */
static int url_decode(const uint8_t *p, size_t len, char **ret)
{
	char *text = strndup((const char *)p, len), *to = text;
	unsigned char c;

	if (!text)
		return -ENOMEM;
	for (const char *from = text; *from; from++) {
		if (*from == '%' && strspn(from + 1, HEX_DIGITS) >= 2 &&
		    sscanf(from + 1, "%2hhx", &c) == 1 && c) {
			*to++ = (char)c;
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	*ret = text;
	return 0;
}

/*
 * *ret: the path, with '/', of a locator with that code, or of the header's
 * parent name field (code 0); null if it cannot be decoded.
 */
static int decode(struct vhd *v, uint32_t code, const uint8_t *p, size_t len,
		  char **ret)
{
	int r;

	*ret = NULL;
	switch (code) {
	case 0:
		r = utf16be_decode(p, len, ret);
		break;
	case LOCATOR_W2RU:
	case LOCATOR_W2KU:
		r = utf16le_decode(p, len, ret);
		break;
	case LOCATOR_WI2R:
	case LOCATOR_WI2K:
		r = latin1_decode(p, len, ret);
		break;
	default:
		r = url_decode(p, len, ret);
	}
	if (r == -ENOMEM)
		return fail(r, "%s: out of memory", v->img.io->name);
	if (*ret)
		path_replace(*ret, '\\', '/');
	return 0;
}

/* The path of the first locator of that code that can be decoded, or null. */
static int read_path(struct vhd *v, uint32_t code, char **ret_path)
{
	*ret_path = NULL;
	for (unsigned i = 0; i < LOCATOR_SLOTS && !*ret_path; i++) {
		struct vhd_locator loc = vhd_locator_get(v->header, i);
		_cleanup_free_ uint8_t *bytes = NULL;
		int r;

		if (loc.code != code || !loc.len)
			continue;
		bytes = malloc(loc.len);
		if (!bytes)
			return fail(-ENOMEM, "%s: out of memory",
				    v->img.io->name);
		r = io_read(v->img.io, bytes, loc.len, loc.off);
		if (r == 0)
			r = decode(v, code, bytes, loc.len, ret_path);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_absolute(const char *path)
{
	return path[0] == '/' || (path[0] && path[1] == ':');
}

/* A copy of the last component of path; null if that is no file name. */
static char *last_part(const char *path)
{
	const char *name = basename(path);

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return NULL;
	return strdup(name);
}

/* Adds path, which it owns, to ref.  Of an absolute path, and of every path
 * but the first relative one, only the base name is used. */
static void take_path(struct parent_ref *ref, char *path, bool relative)
{
	if (!path || !*path) {
		free(path);
	} else if (relative && !is_absolute(path) && !ref->relative) {
		ref->relative = path;
	} else {
		if (!ref->basename)
			ref->basename = last_part(path);
		free(path);
	}
}

static int read_names(struct vhd *v, struct parent_ref *ref)
{
	static const uint32_t codes[] = { LOCATOR_W2RU, LOCATOR_W2KU,
					  LOCATOR_WI2R, LOCATOR_WI2K,
					  LOCATOR_MACX };
	char *path;
	int r;

	for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
		r = read_path(v, codes[i], &path);
		if (r < 0)
			return r;
		take_path(ref, path,
			  codes[i] == LOCATOR_W2RU || codes[i] == LOCATOR_WI2R);
	}
	/* A long name may end inside a character. */
	r = decode(v, 0, v->header + HEADER_PARENT_NAME,
		   HEADER_PARENT_NAME_SIZE, &path);
	if (r == 0)
		take_path(ref, path, false);
	return r;
}

int vhd_parent(struct image *img, struct parent_ref *ret)
{
	struct vhd *v = vhd_of(img);
	struct parent_ref ref = { 0 };
	int r;

	ref.id = guid_from_be(v->header + HEADER_PARENT_ID);
	ref.file_off = v->header_off + HEADER_PARENT_ID;
	ref.mtime = get_be32(v->header + HEADER_PARENT_TIME);
	if (ref.mtime)
		ref.mtime += VHD_EPOCH;
	ref.mtime_off = v->header_off + HEADER_PARENT_TIME;
	r = read_names(v, &ref);
	if (r == 0 && !ref.relative && !ref.basename)
		r = fail_found(-EBADMSG, img->io->name, "parent locators",
			       v->header_off + HEADER_LOCATORS,
			       "the path or the name of the parent", "neither");
	if (r < 0)
		parent_ref_fini(&ref);
	else
		*ret = ref;
	return r;
}
