/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX children: the reference to the parent, and the parent's items. */
#include "config.h"

#include "unit/vhdx-spoil.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/utf16.h"
#include "format/registry.h"
#include "format/vhdx-internal.h"

/* A locator item under construction. */
struct item {
	uint8_t bytes[4096];
	size_t len;
	unsigned n;
};

static void item_init(struct item *item)
{
	struct guid type = vhdx_guid(VHDX_GUID_LOCATOR_VHDX);

	memset(item, 0, sizeof *item);
	guid_to_le(item->bytes, &type);
	/* Room for eight pairs. */
	item->len = VHDX_LOCATOR_FIRST + 8 * VHDX_LOCATOR_ENTRY;
}

static void put_text(struct item *item, const char *text, uint8_t *off,
		     uint8_t *len)
{
	uint8_t *units;
	size_t n;

	assert_ok(utf16le_encode(text, &units, &n));
	memcpy(item->bytes + item->len, units, n);
	put_le32(off, item->len);
	put_le16(len, n);
	item->len += n;
	free(units);
}

static void pair(struct item *item, const char *key, const char *value)
{
	uint8_t *e =
		item->bytes + VHDX_LOCATOR_FIRST + item->n * VHDX_LOCATOR_ENTRY;

	put_text(item, key, e + VHDX_LOCATOR_KEY, e + VHDX_LOCATOR_KEY_LENGTH);
	put_text(item, value, e + VHDX_LOCATOR_VALUE,
		 e + VHDX_LOCATOR_VALUE_LENGTH);
	put_le16(item->bytes + VHDX_LOCATOR_COUNT, ++item->n);
}

static struct parent_ref parse(const struct item *item)
{
	struct io io = { .name = (char *)"child.vhdx" };
	struct parent_ref ref = { 0 };

	assert_ok(vhdx_locator_parse(&io, item->bytes, item->len, 0, &ref));
	return ref;
}

#define LINKAGE "f88d4d92-6fcc-408d-9bef-9b7c89f15c89"

static void linkage_is_read_in_all_forms(void **state)
{
	static const char *const forms[] = {
		"{" LINKAGE "}",
		LINKAGE,
		"{F88D4D92-6FCC-408D-9BEF-9B7C89F15C89}",
		"F88D4D92-6fcc-408D-9bef-9B7C89F15C89",
	};
	(void)state;

	for (unsigned i = 0; i < 4; i++) {
		struct item item;
		struct parent_ref ref;
		char text[GUID_TEXT_SIZE];

		item_init(&item);
		pair(&item, "parent_linkage", forms[i]);
		ref = parse(&item);
		assert_string_equal(guid_format(&ref.id, text), LINKAGE);
		assert_true(guid_is_null(&ref.id2));
		assert_null(ref.relative);
		assert_null(ref.basename);
		parent_ref_fini(&ref);
	}
}

static void second_linkage_is_read(void **state)
{
	(void)state;
	struct item item;
	struct parent_ref ref;
	char text[GUID_TEXT_SIZE];

	item_init(&item);
	pair(&item, "parent_linkage", "{" UNKNOWN_ITEM "}");
	pair(&item, "parent_linkage2", "{" LINKAGE "}");
	ref = parse(&item);
	assert_string_equal(guid_format(&ref.id, text), UNKNOWN_ITEM);
	assert_string_equal(guid_format(&ref.id2, text), LINKAGE);
	parent_ref_fini(&ref);
}

static void windows_paths_are_converted(void **state)
{
	(void)state;
	struct item item;
	struct parent_ref ref;

	item_init(&item);
	pair(&item, "absolute_win32_path", "\\\\?\\C:\\dir\\absolute.vhdx");
	pair(&item, "something_else", "of no meaning");
	pair(&item, "relative_path", "..\\masters\\M\xc3\xbcnchen.vhdx");
	pair(&item, "volume_path",
	     "\\\\?\\Volume{" LINKAGE "}\\x\\volume.vhdx");
	pair(&item, "parent_linkage", LINKAGE);
	ref = parse(&item);
	assert_string_equal(ref.relative, "../masters/M\xc3\xbcnchen.vhdx");
	assert_string_equal(ref.basename, "volume.vhdx");
	parent_ref_fini(&ref);
}

static void absolute_path_gives_the_basename(void **state)
{
	(void)state;
	struct item item;
	struct parent_ref ref;

	item_init(&item);
	pair(&item, "parent_linkage", LINKAGE);
	pair(&item, "absolute_win32_path", "D:\\images\\base.vhdx");
	ref = parse(&item);
	assert_null(ref.relative);
	assert_string_equal(ref.basename, "base.vhdx");
	parent_ref_fini(&ref);
}

/* The key or the value of pair i in the closed child's locator. */
static char *locator_text(const struct vdisk *d, unsigned i, bool value)
{
	uint64_t item = spoil_item_off(d, ITEM_LOCATOR);
	uint64_t e = item + VHDX_LOCATOR_FIRST + i * VHDX_LOCATOR_ENTRY;
	uint64_t roots = vdisk_get64(d, e);
	uint32_t lengths = (uint32_t)vdisk_get64(d, e + 8);
	uint32_t off = value ? roots >> 32 : (uint32_t)roots;
	uint16_t len = value ? lengths >> 16 : (uint16_t)lengths;
	uint8_t raw[1024];
	char *text;

	assert_in_range(len, 2, sizeof raw);
	mem_file_peek(&d->file, raw, len, item + off);
	assert_ok(utf16le_decode(raw, len, &text));
	return text;
}

static struct image *make_parent(struct mem_file *file,
				 const struct image_params *params)
{
	struct image *img;
	struct io *io;

	mem_file_init(file);
	assert_ok(io_mem_open(file, "base.vhdx", true, &io));
	assert_ok(image_create(io, &vhdx_ops, params));
	assert_ok(image_open(io, NULL, &img));
	return img;
}

static void make_child(struct vdisk *d, const struct image *parent,
		       const char *relative, const char *absolute)
{
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .size = parent->size,
				       .parent = parent,
				       .parent_relative = relative,
				       .parent_absolute = absolute };

	vdisk_create(d, &params);
}

static const struct image_params base = { .type = IMAGE_DYNAMIC,
					  .size = 8 * M };

static void locator_is_as_windows_writes_it(void **state)
{
	static const char *const keys[] = {
		"parent_linkage", "absolute_win32_path", "relative_path",
		"volume_path",    "parent_linkage2",
	};
	char text[GUID_TEXT_SIZE], linkage[GUID_TEXT_SIZE + 2];
	const char *values[] = {
		linkage,
		"C:\\srv\\masters\\base.vhdx",
		"..\\masters\\base.vhdx",
		"\\\\?\\Volume{00000000-0000-0000-0000-000000000000}\\srv\\masters\\base.vhdx",
		"{00000000-0000-0000-0000-000000000000}",
	};
	struct mem_file file;
	struct image *parent;
	struct vdisk d;
	(void)state;

	parent = make_parent(&file, &base);
	snprintf(linkage, sizeof linkage, "{%s}",
		 guid_format(&parent->id, text));
	make_child(&d, parent, "../masters/base.vhdx",
		   "/srv/masters/base.vhdx");
	for (unsigned i = 0; i < 5; i++) {
		char *key = locator_text(&d, i, false);
		char *value = locator_text(&d, i, true);

		assert_string_equal(key, keys[i]);
		assert_string_equal(value, values[i]);
		free(key);
		free(value);
	}
	vdisk_fini(&d);
	assert_ok(image_close(parent));
	mem_file_fini(&file);
}

static void written_locator_is_read_back(void **state)
{
	(void)state;
	struct mem_file file;
	struct image *parent = make_parent(&file, &base);
	struct parent_ref ref;
	struct vdisk d;

	make_child(&d, parent, "base.vhdx", "/srv/base.vhdx");
	vdisk_open(&d, false);
	assert_int_equal(d.img->type, IMAGE_DIFFERENCING);
	assert_int_equal(d.img->block_size, 2 * M);
	assert_ok(image_parent(d.img, &ref));
	assert_true(guid_equal(&ref.id, &parent->id));
	assert_false(guid_equal(&d.img->id, &parent->id));
	assert_string_equal(ref.relative, "./base.vhdx");
	assert_string_equal(ref.basename, "base.vhdx");
	parent_ref_fini(&ref);
	vdisk_fini(&d);
	assert_ok(image_close(parent));
	mem_file_fini(&file);
}

/* A 4 MiB child of 2 MiB blocks has 2049 entries: one whole chunk. */
static void child_has_entries_for_whole_chunks(void **state)
{
	(void)state;
	struct mem_file file;
	struct image *parent = make_parent(&file, &base);
	struct vdisk d;

	make_child(&d, parent, "base.vhdx", NULL);
	vdisk_open(&d, false);
	assert_int_equal(vhdx_of(d.img)->chunk_ratio, 2048);
	assert_int_equal(vhdx_of(d.img)->n_entries, 2049);
	vdisk_fini(&d);
	assert_ok(image_close(parent));
	mem_file_fini(&file);
}

/* Reads an item by its guid; 0 if there is none. */
static size_t item_bytes(struct image *img, const char *guid, uint8_t *buf)
{
	const struct vhdx_meta *item = vhdx_meta_find(vhdx_of(img), guid);

	if (!item)
		return 0;
	assert_ok(vhdx_meta_read(vhdx_of(img), item, buf));
	return item->len;
}

static void child_copies_the_disks_items(void **state)
{
	(void)state;
	static const uint32_t flags[] = { VHDX_META_IS_DISK, 0 };
	struct image_params params = base;

	params.sector_size = 4096;
	params.physical_sector_size = 512;
	for (unsigned i = 0; i < 2; i++) {
		uint8_t a[64], b[64], strange[64] = "strange";
		struct vdisk p, d;

		vdisk_create(&p, &params);
		spoil_add_item(&p, UNKNOWN_ITEM, 80000, 40, flags[i]);
		mem_file_poke(&p.file, strange, 40, META_OFF + 80000);
		vdisk_open(&p, false);
		make_child(&d, p.img, "base.vhdx", "/base.vhdx");
		vdisk_open(&d, false);
		assert_int_equal(d.img->sector_size, 4096);
		assert_int_equal(d.img->physical_sector_size, 512);
		assert_int_equal(item_bytes(p.img, VHDX_GUID_DISK_ID, a), 16);
		assert_int_equal(item_bytes(d.img, VHDX_GUID_DISK_ID, b), 16);
		assert_memory_equal(a, b, 16);
		if (flags[i]) {
			assert_int_equal(item_bytes(d.img, UNKNOWN_ITEM, b),
					 40);
			assert_memory_equal(b, strange, 40);
		} else {
			assert_int_equal(item_bytes(d.img, UNKNOWN_ITEM, b), 0);
		}
		vdisk_fini(&d);
		vdisk_fini(&p);
	}
}

static void new_disks_have_different_ids(void **state)
{
	(void)state;
	struct mem_file files[2];
	struct image *a = make_parent(&files[0], &base);
	struct image *b = make_parent(&files[1], &base);
	uint8_t x[16], y[16];

	assert_false(guid_equal(&a->id, &b->id));
	item_bytes(a, VHDX_GUID_DISK_ID, x);
	item_bytes(b, VHDX_GUID_DISK_ID, y);
	assert_memory_not_equal(x, y, 16);
	assert_ok(image_close(a));
	assert_ok(image_close(b));
	mem_file_fini(&files[0]);
	mem_file_fini(&files[1]);
}

/* A parent with a log to replay, open for reading. */
static void child_of_a_dirty_parent_has_its_guid(void **state)
{
	(void)state;
	struct image_params params = base;
	struct parent_ref ref;
	struct vdisk p, killed, d;

	vdisk_create(&p, &params);
	vdisk_open(&p, true);
	vdisk_write(&p, 0, 512, 'p');
	vdisk_flush(&p);
	vdisk_kill_copy(&killed, &p);
	vdisk_open(&killed, false);
	make_child(&d, killed.img, "base.vhdx", NULL);
	vdisk_open(&d, false);
	assert_ok(image_parent(d.img, &ref));
	assert_true(guid_equal(&ref.id, &killed.img->id));
	parent_ref_fini(&ref);
	/* The replay keeps the DataWriteGuid. */
	vdisk_close(&killed);
	vdisk_open(&killed, true);
	assert_true(guid_equal(&killed.img->id, &p.img->id));
	vdisk_fini(&d);
	vdisk_fini(&killed);
	vdisk_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linkage_is_read_in_all_forms),
		cmocka_unit_test(second_linkage_is_read),
		cmocka_unit_test(windows_paths_are_converted),
		cmocka_unit_test(absolute_path_gives_the_basename),
		cmocka_unit_test(locator_is_as_windows_writes_it),
		cmocka_unit_test(written_locator_is_read_back),
		cmocka_unit_test(child_has_entries_for_whole_chunks),
		cmocka_unit_test(child_copies_the_disks_items),
		cmocka_unit_test(new_disks_have_different_ids),
		cmocka_unit_test(child_of_a_dirty_parent_has_its_guid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
