/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forge-child: makes a child with any text in its parent locator, for tests of
 * the search for parents:
 *
 *     forge-child [--size=BYTES] PARENT CHILD KEY=TEXT...
 *
 * The child is empty and has PARENT's identity as that of its parent; its disk
 * has the given size, or PARENT's.  PARENT may be in any folder.  KEY is, for a
 * VHD, W2ru, W2ku, Wi2r, Wi2k, MacX or name (of the header); for a VHDX any
 * key, mostly relative_path, absolute_win32_path and volume_path.  The locator
 * contains exactly these keys and texts.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/utf16.h"
#include "format/registry.h"
#include "format/vhd-layout.h"
#include "format/vhd.h"
#include "format/vhdx-layout.h"
#include "format/vhdx.h"
#include "io/io-file.h"

/* Splits "KEY=TEXT" at its first '='. */
static int split(const char *arg, char **ret_key, const char **ret_text)
{
	const char *equals = strchr(arg, '=');

	if (!equals)
		return fail(-EINVAL, "expected KEY=TEXT, found %s", arg);
	*ret_text = equals + 1;
	*ret_key = strndup(arg, (size_t)(equals - arg));
	return *ret_key ? 0 : fail(-ENOMEM, "out of memory");
}

static int utf16(const char *text, uint8_t **ret, size_t *ret_len)
{
	int r = utf16le_encode(text, ret, ret_len);

	return r < 0 ? fail(r, "%s: not UTF-8", text) : 0;
}

/* A VHD: 8 slots in the header, and their texts in the space of the relative
 * path. */
struct vhd_forge {
	struct io *io;
	uint8_t header[HEADER_SIZE];
	uint64_t header_off, space_off, extent_set_end, at;
	unsigned slot;
};

static int vhd_name(struct vhd_forge *f, const char *text)
{
	_cleanup_free_ uint8_t *units = NULL;
	size_t len;
	int r = utf16be_encode(text, &units, &len);

	if (r < 0 || len > HEADER_PARENT_NAME_SIZE)
		return fail(-EINVAL, "%s: too long for the header's name",
			    text);
	memcpy(f->header + HEADER_PARENT_NAME, units, len);
	return 0;
}

static int vhd_slot(struct vhd_forge *f, const char *code, const char *text)
{
	_cleanup_free_ uint8_t *units = NULL;
	uint8_t *p = f->header + HEADER_LOCATORS + f->slot * LOCATOR_SIZE;
	size_t len = strlen(text);
	int r = 0;

	if (!strncmp(code, "W2", 2))
		r = utf16(text, &units, &len);
	if (r < 0)
		return r;
	if (strlen(code) != 4 || f->slot == LOCATOR_SLOTS ||
	    f->at + len > f->extent_set_end)
		return fail(-EINVAL, "%s: unknown locator, or no space left",
			    code);
	memcpy(p + LOCATOR_CODE, code, 4);
	put_be32(p + LOCATOR_SPACE, (uint32_t)(f->extent_set_end - f->at));
	put_be32(p + LOCATOR_LENGTH, (uint32_t)len);
	put_be64(p + LOCATOR_OFFSET, f->at);
	r = io_write(f->io, units ? (const void *)units : text, len, f->at);
	f->at += round_up(len, VHD_SECTOR);
	f->slot++;
	return r;
}

static int vhd_begin(struct vhd_forge *f)
{
	uint8_t footer[FOOTER_SIZE];
	uint8_t *p;
	int r = io_read(f->io, footer, sizeof footer, 0);

	f->header_off = get_be64(footer + FOOTER_DATA_OFFSET);
	if (r == 0)
		r = io_read(f->io, f->header, HEADER_SIZE, f->header_off);
	for (unsigned i = 0; r == 0 && i < LOCATOR_SLOTS; i++) {
		p = f->header + HEADER_LOCATORS + i * LOCATOR_SIZE;
		if (get_be32(p + LOCATOR_CODE) == LOCATOR_W2RU) {
			f->space_off = get_be64(p + LOCATOR_OFFSET);
			f->extent_set_end =
				f->space_off + get_be32(p + LOCATOR_SPACE);
		}
		memset(p, 0, LOCATOR_SIZE);
	}
	memset(f->header + HEADER_PARENT_NAME, 0, HEADER_PARENT_NAME_SIZE);
	f->at = f->space_off;
	return r;
}

static int vhd_end(struct vhd_forge *f)
{
	uint32_t sum = 0;

	put_be32(f->header + HEADER_CHECKSUM, 0);
	for (unsigned i = 0; i < HEADER_SIZE; i++)
		sum += f->header[i];
	put_be32(f->header + HEADER_CHECKSUM, ~sum);
	return io_write(f->io, f->header, HEADER_SIZE, f->header_off);
}

static int forge_vhd(struct io *io, char **args)
{
	struct vhd_forge f = { .io = io };
	int r = vhd_begin(&f);

	for (; r == 0 && *args; args++) {
		_cleanup_free_ char *key = NULL;
		const char *text;

		r = split(*args, &key, &text);
		if (r == 0)
			r = strcmp(key, "name") ? vhd_slot(&f, key, text)
						: vhd_name(&f, text);
	}
	return r < 0 ? r : vhd_end(&f);
}

/* A VHDX: one item of pairs, the last in its region, so that it may grow. */
struct vhdx_forge {
	uint8_t item[VHDX_META_TABLE_SIZE];
	size_t len;
	unsigned n, pairs;
};

static int vhdx_text(struct vhdx_forge *f, const char *text, size_t off_field,
		     size_t len_field)
{
	_cleanup_free_ uint8_t *units = NULL;
	size_t len;
	int r = utf16(text, &units, &len);

	if (r < 0)
		return r;
	if (f->len + len > sizeof f->item || len > UINT16_MAX)
		return fail(-EINVAL, "%s: too long", text);
	memcpy(f->item + f->len, units, len);
	put_le32(f->item + off_field, (uint32_t)f->len);
	put_le16(f->item + len_field, (uint16_t)len);
	f->len += len;
	return 0;
}

static int vhdx_pair(struct vhdx_forge *f, const char *key, const char *text)
{
	size_t at = VHDX_LOCATOR_FIRST + f->n++ * VHDX_LOCATOR_ENTRY;
	int r = vhdx_text(f, key, at + VHDX_LOCATOR_KEY,
			  at + VHDX_LOCATOR_KEY_LENGTH);

	return r < 0 ? r
		     : vhdx_text(f, text, at + VHDX_LOCATOR_VALUE,
				 at + VHDX_LOCATOR_VALUE_LENGTH);
}

/* Finds the entry with that guid in a table of entries that begin with a
 * guid. */
static uint8_t *find_entry(uint8_t *first, unsigned n, const char *guid_text)
{
	struct guid want, have;

	guid_parse(guid_text, strlen(guid_text), &want);
	for (; n; n--, first += VHDX_META_ENTRY) {
		have = guid_from_le(first);
		if (guid_equal(&want, &have))
			return first;
	}
	return NULL;
}

static int vhdx_put_item(struct io *io, const struct vhdx_forge *f)
{
	static uint8_t table[VHDX_META_TABLE_SIZE];
	uint64_t region = 0;
	uint8_t *e;
	int r = io_read(io, table, sizeof table, VHDX_REGION_TABLE_OFFSET(0));

	if (r < 0)
		return r;
	e = find_entry(table + VHDX_REGION_FIRST,
		       get_le32(table + VHDX_REGION_COUNT), VHDX_GUID_METADATA);
	if (e)
		region = get_le64(e + VHDX_REGION_ENTRY_OFFSET);
	r = io_read(io, table, sizeof table, region);
	if (r < 0)
		return r;
	e = find_entry(table + VHDX_META_FIRST,
		       get_le16(table + VHDX_META_COUNT),
		       VHDX_GUID_PARENT_LOCATOR);
	if (!e)
		return fail(-EINVAL, "no parent locator");
	put_le32(e + VHDX_META_ENTRY_LENGTH, (uint32_t)f->len);
	r = io_write(io, table, sizeof table, region);
	return r < 0 ? r
		     : io_write(io, f->item, f->len,
				region + get_le32(e + VHDX_META_ENTRY_OFFSET));
}

static int forge_vhdx(struct io *io, const struct image *parent, char **args)
{
	static struct vhdx_forge f;
	char id[GUID_TEXT_SIZE];
	struct guid type;
	int r;

	for (f.pairs = 1; args[f.pairs - 1];)
		f.pairs++;
	f.len = VHDX_LOCATOR_FIRST + f.pairs * VHDX_LOCATOR_ENTRY;
	guid_parse(VHDX_GUID_LOCATOR_VHDX, strlen(VHDX_GUID_LOCATOR_VHDX),
		   &type);
	guid_to_le(f.item, &type);
	put_le16(f.item + VHDX_LOCATOR_COUNT, (uint16_t)f.pairs);
	guid_format(&parent->id, id);
	r = vhdx_pair(&f, "parent_linkage", format_arg("{%s}", id));
	for (; r == 0 && *args; args++) {
		_cleanup_free_ char *key = NULL;
		const char *text;

		r = split(*args, &key, &text);
		if (r == 0)
			r = vhdx_pair(&f, key, text);
	}
	return r < 0 ? r : vhdx_put_item(io, &f);
}

static int run(const char *parent_path, const char *child_path, char **args,
	       uint64_t size)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .size = size,
				       .parent_relative = "./x",
				       .parent_absolute = "/x" };
	struct image *parent;
	struct io *parent_io;
	int r = io_file_open(parent_path, false, &parent_io);

	if (r == 0)
		r = image_open(parent_io, NULL, &parent);
	if (r < 0)
		return r;
	params.parent = parent;
	r = io_file_from_fd(open(child_path, O_RDWR | O_CREAT | O_EXCL, 0666),
			    child_path, true, &io);
	if (r == 0)
		r = image_create(io, parent->ops, &params);
	if (r == 0)
		r = parent->ops == &vhd_ops ? forge_vhd(io, args)
					    : forge_vhdx(io, parent, args);
	image_close(parent);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t size = 0;

	if (argc > 1 && !strncmp(argv[1], "--size=", 7)) {
		size = strtoull(argv[1] + 7, NULL, 10);
		argc--;
		argv++;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: forge-child [--size=BYTES] "
				"PARENT CHILD KEY=TEXT...\n");
		return 2;
	}
	if (run(argv[1], argv[2], argv + 3, size) < 0) {
		fprintf(stderr, "forge-child: %s\n", error_text());
		return 1;
	}
	return 0;
}
