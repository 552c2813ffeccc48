/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent locator ([MS-VHDX] 2.6.2.6): pairs of a key and a value.
 *
 * Reading accepts the variants that other programs write: guids with and
 * without braces, in upper and lower case.  Writing makes the five pairs that
 * Windows writes, in the same order.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include "base/utf16.h"
#include "format/windows-path.h"

enum pair {
	PAIR_LINKAGE,
	PAIR_ABSOLUTE,
	PAIR_RELATIVE,
	PAIR_VOLUME,
	PAIR_LINKAGE2,
	PAIRS
};

static const char *const keys[PAIRS] = {
	"parent_linkage", "absolute_win32_path", "relative_path",
	"volume_path",    "parent_linkage2",
};

/* The values of the known keys. */
struct values {
	char *text[PAIRS]; /* null for a key that the item lacks */
};

static void values_fini(struct values *values)
{
	for (int i = 0; i < PAIRS; i++)
		free(values->text[i]);
}

/* The item to parse. */
struct locator {
	const char *name; /* of the file */
	const uint8_t *item;
	size_t len;
	uint64_t file_off;
};

static int fail_locator(const struct locator *l, uint64_t at,
			const char *expected, const char *found)
{
	return fail_found(-EBADMSG, l->name, "parent locator", l->file_off + at,
			  expected, "%s", found);
}

/* Decodes the text of len bytes at off, named by the entry at offset at. */
static int parse_text(const struct locator *l, uint64_t at, uint32_t off,
		      uint16_t len, char **ret)
{
	int r;

	if (!len || len % 2)
		return fail_locator(l, at, "a text of whole UTF-16 units",
				    format_arg("%" PRIu16 " bytes", len));
	if (off < VHDX_LOCATOR_FIRST || !range_within(off, len, l->len))
		return fail_locator(
			l, at,
			format_arg("a text inside the item of %zu bytes",
				   l->len),
			format_arg("%" PRIu16 " bytes at %" PRIu32, len, off));
	for (size_t i = 0; i < len; i += 2)
		if (!get_le16(l->item + off + i))
			return fail_locator(l, off + i, "a text without NUL",
					    "a NUL");
	r = utf16le_decode(l->item + off, len, ret);
	if (r == -ENOMEM)
		return fail(r, "%s: out of memory", l->name);
	return r < 0 ? fail_locator(l, off, "UTF-16", "invalid units") : 0;
}

static int parse_pair(const struct locator *l, size_t i, struct values *values)
{
	uint64_t at = VHDX_LOCATOR_FIRST + i * VHDX_LOCATOR_ENTRY;
	const uint8_t *e = l->item + at;
	_cleanup_free_ char *key = NULL, *value = NULL;
	int r = parse_text(l, at, get_le32(e + VHDX_LOCATOR_KEY),
			   get_le16(e + VHDX_LOCATOR_KEY_LENGTH), &key);

	if (r == 0)
		r = parse_text(l, at, get_le32(e + VHDX_LOCATOR_VALUE),
			       get_le16(e + VHDX_LOCATOR_VALUE_LENGTH), &value);
	for (int k = 0; r == 0 && k < PAIRS; k++) {
		if (strcmp(key, keys[k]) != 0)
			continue;
		if (values->text[k])
			return fail_locator(l, at, "each key once",
					    format_arg("%s twice", key));
		values->text[k] = steal(value);
		break;
	}
	return r;
}

static int parse_pairs(const struct locator *l, struct values *values)
{
	struct guid type, known = vhdx_guid(VHDX_GUID_LOCATOR_VHDX);
	char text[GUID_TEXT_SIZE];
	uint16_t count;

	if (l->len < VHDX_LOCATOR_FIRST)
		return fail_locator(l, 0, "at least 20 bytes",
				    format_arg("%zu", l->len));
	type = guid_from_le(l->item);
	if (!guid_equal(&type, &known))
		return fail_found(-EOPNOTSUPP, l->name, "parent locator: type",
				  l->file_off, "the type of a VHDX parent",
				  "%s", guid_format(&type, text));
	count = get_le16(l->item + VHDX_LOCATOR_COUNT);
	if (!count || count > VHDX_LOCATOR_MAX ||
	    VHDX_LOCATOR_FIRST + count * VHDX_LOCATOR_ENTRY > (int64_t)l->len)
		return fail_locator(l, VHDX_LOCATOR_COUNT,
				    "1 to 256 pairs inside the item",
				    format_arg("%" PRIu16, count));
	for (size_t i = 0; i < count; i++) {
		int r = parse_pair(l, i, values);

		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_guid(const struct locator *l, const char *key,
		      const char *text, struct guid *ret)
{
	if (guid_parse(text, strlen(text), ret) == 0)
		return 0;
	return fail_locator(l, 0, format_arg("a guid as %s", key), text);
}

static int set_paths(const struct locator *l, struct values *values,
		     struct parent_ref *ref)
{
	/* Preference as in [MS-VHDX] 2.6.2.6.3. */
	char *absolute = values->text[PAIR_VOLUME]
				 ? values->text[PAIR_VOLUME]
				 : values->text[PAIR_ABSOLUTE];
	const char *name;

	if (values->text[PAIR_RELATIVE])
		ref->relative = path_replace(steal(values->text[PAIR_RELATIVE]),
					     '\\', '/');
	if (!absolute)
		return 0;
	name = basename(path_replace(absolute, '\\', '/'));
	if (!*name)
		return 0;
	ref->basename = strdup(name);
	return ref->basename ? 0 : fail(-ENOMEM, "%s: out of memory", l->name);
}

int vhdx_locator_parse(const struct io *io, const uint8_t *item, size_t len,
		       uint64_t file_off, struct parent_ref *ret)
{
	struct locator l = { io->name, item, len, file_off };
	_cleanup_(values_fini) struct values values = { 0 };
	struct parent_ref ref = { .file_off = file_off };
	int r = parse_pairs(&l, &values);

	if (r == 0 && !values.text[PAIR_LINKAGE])
		return fail_locator(&l, 0, "the key parent_linkage", "none");
	if (r == 0)
		r = parse_guid(&l, keys[PAIR_LINKAGE],
			       values.text[PAIR_LINKAGE], &ref.id);
	if (r == 0 && values.text[PAIR_LINKAGE2])
		r = parse_guid(&l, keys[PAIR_LINKAGE2],
			       values.text[PAIR_LINKAGE2], &ref.id2);
	if (r == 0)
		r = set_paths(&l, &values, &ref);
	if (r < 0) {
		parent_ref_fini(&ref);
		return r;
	}
	*ret = ref;
	return 0;
}

/* Sets a value: prefix and path, with backslashes as separators. */
static bool set_text(struct values *values, enum pair pair, const char *prefix,
		     const char *path)
{
	char *text;

	if (asprintf(&text, "%s%s", prefix, path) < 0)
		return false;
	values->text[pair] = path_replace(text, '/', '\\');
	return true;
}

/*
 * Drive and volume of the absolute paths are placeholders, as Linux has
 * neither: readers follow the relative path, and search for the last part of an
 * absolute one.
 */
static bool make_values(const struct image_params *params,
			struct values *values)
{
	const char *relative = params->parent_relative;
	const char *absolute = params->parent_absolute;
	char text[GUID_TEXT_SIZE], braced[GUID_TEXT_SIZE + 2];
	bool made;

	snprintf(braced, sizeof braced, "{%s}",
		 guid_format(&params->parent->id, text));
	made = set_text(values, PAIR_LINKAGE, "", braced) &&
	       set_text(values, PAIR_LINKAGE2, "",
			"{00000000-0000-0000-0000-000000000000}");
	if (relative)
		made = made &&
		       set_text(values, PAIR_RELATIVE,
				relative[0] == '.' ? "" : "./", relative);
	if (absolute)
		made = made &&
		       set_text(values, PAIR_ABSOLUTE, "C:", absolute) &&
		       set_text(
			       values, PAIR_VOLUME,
			       "\\\\?\\Volume{00000000-0000-0000-0000-000000000000}",
			       absolute);
	return made;
}

/* The item under construction. */
struct builder {
	uint8_t *item;
	size_t len;
};

/* Appends a text; sets the fields for its offset and its length. */
static int add_text(struct builder *b, const char *text, size_t off_field,
		    size_t len_field)
{
	_cleanup_free_ uint8_t *units = NULL;
	uint8_t *grown;
	size_t len;
	int r = utf16le_encode(text, &units, &len);

	if (r == -EINVAL)
		return fail(r, "parent path %s: expected UTF-8", text);
	if (r == 0 && len > UINT16_MAX)
		return fail(
			-EINVAL,
			"parent path %s: expected at most 65535 bytes of UTF-16",
			text);
	grown = r == 0 ? realloc(b->item, b->len + len) : NULL;
	if (!grown)
		return fail(-ENOMEM, "out of memory for a parent locator");
	memcpy(grown + b->len, units, len);
	put_le32(grown + off_field, b->len);
	put_le16(grown + len_field, len);
	b->item = grown;
	b->len += len;
	return 0;
}

static int add_pairs(struct builder *b, const struct values *values)
{
	size_t at = VHDX_LOCATOR_FIRST;
	int r = 0;

	for (int i = 0; r == 0 && i < PAIRS; i++) {
		if (!values->text[i])
			continue;
		r = add_text(b, keys[i], at + VHDX_LOCATOR_KEY,
			     at + VHDX_LOCATOR_KEY_LENGTH);
		if (r == 0)
			r = add_text(b, values->text[i],
				     at + VHDX_LOCATOR_VALUE,
				     at + VHDX_LOCATOR_VALUE_LENGTH);
		at += VHDX_LOCATOR_ENTRY;
	}
	return r;
}

int vhdx_locator_make(const struct image_params *params, uint8_t **ret,
		      size_t *ret_len)
{
	_cleanup_(values_fini) struct values values = { 0 };
	struct guid type = vhdx_guid(VHDX_GUID_LOCATOR_VHDX);
	struct builder b = { .len = VHDX_LOCATOR_FIRST };
	const char *relative = params->parent_relative;
	const char *absolute = params->parent_absolute;
	uint16_t count = 0;
	int r;

	if ((relative && strchr(relative, '\\')) ||
	    (absolute && strchr(absolute, '\\')))
		return fail(
			-EINVAL,
			"%s: expected a path without \\ for the parent of a VHDX; rename the file or its directory",
			params->parent->io->name);
	if (!make_values(params, &values))
		return fail(-ENOMEM, "out of memory for a parent locator");
	for (int i = 0; i < PAIRS; i++)
		count += values.text[i] != NULL;
	b.len += (size_t)count * VHDX_LOCATOR_ENTRY;
	b.item = calloc(1, b.len);
	if (!b.item)
		return fail(-ENOMEM, "out of memory for a parent locator");
	guid_to_le(b.item, &type);
	put_le16(b.item + VHDX_LOCATOR_COUNT, count);
	r = add_pairs(&b, &values);
	if (r < 0) {
		free(b.item);
		return r;
	}
	*ret = b.item;
	*ret_len = b.len;
	return 0;
}
