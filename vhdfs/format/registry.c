/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry: the one list of image formats, and what is looked up in it.
 *
 * This is the only file of the program that includes the drivers' headers.
 */
#include "config.h"

#include "format/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/foreign.h"
#include "format/raw.h"
#include "format/vhd.h"
#include "format/vhdx.h"

enum { LIST_SIZE = 160 };

const struct image_ops *const image_formats[IMAGE_FORMATS_MAX + 1] = {
	&vhdx_ops, /* the first: the default */
	&vhd_ops,
	&raw_ops, /* the last: recognizes every file */
	NULL,
};

const struct image_ops *image_format_default(void)
{
	return image_formats[0];
}

const struct image_ops *image_format_by_name(const char *name)
{
	for (int i = 0; image_formats[i]; i++)
		if (!strcmp(image_formats[i]->name, name))
			return image_formats[i];
	return NULL;
}

bool image_format_can_create(const struct image_ops *ops)
{
	return ops->create && !image_format_is_raw(ops);
}

bool image_format_can_convert(const struct image_ops *ops)
{
	return ops->create;
}

static bool is_image(const struct image_ops *ops)
{
	return !image_format_is_raw(ops);
}

/* Appends a word to a list of words. */
static void append(char list[static LIST_SIZE], const char *dot,
		   const char *word)
{
	const size_t n = strlen(list);

	snprintf(list + n, LIST_SIZE - n, "%s%s%s", n ? " " : "", dot, word);
}

enum words { NAMES, TITLES, ENDINGS };

/* The words of the formats that has accepts, the default last. */
static const char *list_words(bool (*has)(const struct image_ops *ops),
			      enum words words)
{
	static _Thread_local char list[LIST_SIZE];

	*list = '\0';
	for (int i = IMAGE_FORMATS_MAX; i >= 0; i--) {
		const struct image_ops *ops = image_formats[i];

		if (!ops || !has(ops))
			continue;
		if (words != ENDINGS)
			append(list, "",
			       words == NAMES ? ops->name : ops->title);
		for (int k = 0; words == ENDINGS && ops->endings[k]; k++)
			append(list, ".", ops->endings[k]);
	}
	return list;
}

const char *image_format_names(bool (*has)(const struct image_ops *ops))
{
	return list_words(has, NAMES);
}

const char *image_format_titles(void)
{
	return list_words(is_image, TITLES);
}

const char *image_format_endings(void)
{
	return list_words(is_image, ENDINGS);
}

static bool has_ending(const char *name, size_t len, const char *ending)
{
	size_t n = strlen(ending);

	return len > n && name[len - n - 1] == '.' &&
	       !strncasecmp(name + len - n, ending, n);
}

static const struct image_ops *format_by_ending(const char *name, size_t len)
{
	for (int i = 0; image_formats[i]; i++) {
		const char *const *ending = image_formats[i]->endings;

		for (; *ending; ending++)
			if (has_ending(name, len, *ending))
				return image_formats[i];
	}
	return NULL;
}

const struct image_ops *image_format_by_file_name(const char *name)
{
	return format_by_ending(name, strlen(name));
}

const struct image_ops *image_format_by_image_name(const char *name, size_t len)
{
	const struct image_ops *ops = format_by_ending(name, len);

	return ops && !image_format_is_raw(ops) ? ops : NULL;
}

/* The first format in the list that recognizes the bytes. */
static int probe_all(struct io *io, const struct image_ops **ret)
{
	int i = 0, r = 0;

	for (; image_formats[i]->probe; i++) {
		r = image_formats[i]->probe(io);
		if (r != 0)
			break;
	}
	*ret = image_formats[i];
	return r < 0 ? r : 0;
}

/*
 * A guest can write the signature of a VHDX to offset 0 of a fixed VHD, and a
 * VHD footer to the end of a VHDX.  Only where both formats recognize the
 * bytes, the file's name decides.
 */
int image_format_probe(struct io *io, const struct image_ops **ret)
{
	const struct image_ops *named;
	int r = probe_all(io, ret);

	if (r < 0 || image_format_is_raw(*ret))
		return r;
	named = image_format_by_file_name(io->name);
	if (!named || named == *ret || !named->probe_named)
		return 0;
	r = named->probe_named(io);
	if (r > 0)
		*ret = named;
	return r < 0 ? r : 0;
}

/* No format recognizes the file: the message shows its first bytes. */
static int fail_unknown(struct io *io)
{
	uint8_t first[8] = { 0 };
	char text[2 * sizeof first + 1];
	uint64_t size;
	size_t n;
	int r = foreign_refuse(io, image_format_titles());

	if (r == 0)
		r = io_size(io, &size);
	if (r < 0)
		return r;
	n = min_u64(sizeof first, size);
	r = io_read(io, first, n, 0);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", first[i]);
	text[2 * n] = '\0';
	return fail_found(
		-EBADMSG, io->name, "file", 0,
		format_arg("a %s image", format_or(image_format_titles())),
		"none of their signatures%s%s", n ? ", but the bytes " : "",
		text);
}

int image_open(struct io *io, const struct image_ops *ops, struct image **ret)
{
	int r = 0;

	if (!ops) {
		r = image_format_probe(io, &ops);
		if (r == 0 && image_format_is_raw(ops))
			r = fail_unknown(io);
	} else if (!image_format_is_raw(ops)) {
		r = ops->probe(io);
		if (r == 0)
			r = fail(
				-EBADMSG,
				"%s: expected a %s image, found another format",
				io->name, ops->title);
	}
	return r < 0 ? r : ops->open(io, ret);
}

int image_open_raw(struct io *io, struct image **ret)
{
	return image_open(io, &raw_ops, ret);
}

int image_check(struct io *io, struct check *check)
{
	const struct image_ops *ops;
	int r = image_format_probe(io, &ops);

	if (r == 0 && !ops->check)
		r = fail(-EOPNOTSUPP, "%s: a %s image cannot be checked",
			 io->name, ops->title);
	return r < 0 ? r : ops->check(io, check);
}
