/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img convert: copy a chain, a raw file or an NBD disk into a new image.
 *
 * Ranges that the source maps as zero are not read.  Zeros in the data that was
 * read are not written: a new image reads as zero where nothing was written.
 *
 * --in-place turns a raw disk into a fixed image without a copy, if the
 * registry has a format that can (convert_in_place in format/image.h).
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/interrupt.h"
#include "img/output.h"
#include "base/progress.h"
#include "img/remote.h"
#include "img/source.h"
#include "img/torn.h"

#define COPY_SIZE MIB(2)  /* of one read */
#define ZERO_SIZE KIB(64) /* granularity in which zeros are skipped */
#define MAP_STEP GIB(16)  /* of one query, so that progress is shown */

struct copy {
	struct chain *source;
	struct image *target;
	uint8_t *buf; /* COPY_SIZE */
	struct progress progress;
	struct torn torn;
};

/* Writes the nonzero pieces of the buffer, which holds [off, off + len). */
static int write_nonzero(struct copy *copy, uint64_t off, size_t len)
{
	int r = 0;

	for (size_t at = 0, n; r == 0 && at < len; at += n) {
		n = min_u64(len - at, ZERO_SIZE - (off + at) % ZERO_SIZE);
		if (!bytes_are_zero(copy->buf + at, n))
			r = image_write(copy->target, copy->buf + at, off + at,
					n);
	}
	return r;
}

/* Copies [off, end), which contains data. */
static int copy_data(struct copy *copy, uint64_t off, uint64_t end)
{
	int r = 0;

	while (r == 0 && off < end) {
		size_t n = min_u64(end - off, COPY_SIZE - off % COPY_SIZE);

		r = chain_read(copy->source, copy->buf, off, n);
		if (r == 0)
			r = write_nonzero(copy, off, n);
		if (r == 0)
			r = torn_check(&copy->torn);
		off += n;
		progress_at(&copy->progress, off);
	}
	return r;
}

static int copy_all(struct copy *copy)
{
	uint64_t size = chain_size(copy->source), off = 0;
	struct chain_extent e;

	if (copy->target->size != size)
		return fail(-EINVAL,
			    "%s: expected a disk of %llu bytes, found %llu",
			    copy->target->io->name, (unsigned long long)size,
			    (unsigned long long)copy->target->size);
	while (off < size) {
		uint64_t end;
		int r = chain_map(copy->source, off,
				  min_u64(size - off, MAP_STEP), &e);

		if (r < 0)
			return r;
		end = off + e.len;
		/* Rounded up, so that small extents are read together. */
		if (!e.zero) {
			end = min_u64(size, round_up(end, COPY_SIZE));
			r = copy_data(copy, off, end);
		}
		if (r < 0)
			return r;
		off = end;
		progress_at(&copy->progress, off);
	}
	return 0;
}

static int fill(void *ctx, struct image *target)
{
	struct copy *copy = ctx;
	int r;

	copy->target = target;
	progress_init(&copy->progress, target->size);
	r = copy_all(copy);
	if (r == 0)
		r = torn_check(&copy->torn);
	progress_end(&copy->progress);
	return r;
}

static bool has_sector_sizes(const struct image_ops *ops)
{
	return image_format_can_convert(ops) && !ops->only_sector_size;
}

static int choose_format(const struct command_line *line,
			 const struct image *source,
			 const struct image_ops **ret)
{
	const struct image_ops *ops =
		line->format ? image_format_by_name(line->format)
			     : image_format_by_file_name(line->operands[1]);

	if (!ops)
		ops = image_format_default();
	/* Partition tables count in sectors of the disk. */
	if (ops->only_sector_size &&
	    source->sector_size != ops->only_sector_size)
		return fail(-EOPNOTSUPP,
			    "%s: sector size: expected %u for %s, found %u; "
			    "convert it to %s",
			    source->io->name, ops->only_sector_size, ops->name,
			    source->sector_size,
			    format_or(image_format_names(has_sector_sizes)));
	*ret = ops;
	return 0;
}

static int convert_chain(const struct command_line *line, const char *store,
			 struct chain *source)
{
	const struct image *leaf = chain_leaf(source);
	struct image_params params = {
		.type = line->fixed ? IMAGE_FIXED : IMAGE_DYNAMIC,
		.size = chain_size(source),
	};
	_cleanup_free_ uint8_t *buf = malloc(COPY_SIZE);
	struct copy copy = { .source = source, .buf = buf };
	const struct image_ops *ops = NULL;
	int r;

	if (!buf)
		return fail(-ENOMEM, "out of memory");
	if (!params.size)
		return fail(
			-EINVAL,
			"%s: disk: expected at least one sector, found 0 bytes; name the file that has the disk",
			leaf->io->name);
	r = choose_format(line, leaf, &ops);
	if (r < 0)
		return r;
	if (leaf->ops->stores_sector_size && ops->stores_sector_size) {
		params.sector_size = leaf->sector_size;
		params.physical_sector_size = leaf->physical_sector_size;
	}
	/* Writes of other clients of an NBD server cannot be detected. */
	if (!line->force && image_format_is_raw(leaf->ops) && leaf->io->fd >= 0)
		r = torn_begin(&copy.torn, leaf->io);
	return r < 0 ? r
		     : output_create(line->operands[1], store, ops, &params,
				     fill, &copy);
}

/* The first format that a raw disk can become in place, or null. */
static const struct image_ops *in_place_format(void)
{
	int i = 0;

	while (image_formats[i] && !image_formats[i]->convert_in_place)
		i++;
	return image_formats[i];
}

static const char *in_place_title(void)
{
	const struct image_ops *ops = in_place_format();

	return ops ? ops->title : "image";
}

/* Undoes a conversion that failed: cuts the file to the size of the disk. */
static int convert_or_undo(struct io *io, uint64_t size)
{
	int r = in_place_format()->convert_in_place(io);
	struct error why = *error_last();
	bool sized = r == 0 || io_resize(io, size) == 0;

	if (r < 0)
		error_set(&why);
	if (!sized)
		error_advise("cut the file to %llu bytes: the rest is of the "
			     "failed conversion",
			     (unsigned long long)size);
	return r;
}

static int convert_in_place(const char *raw, const struct image_roots *roots)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	const struct image_ops *ops;
	uint64_t size = 0;
	int r = image_roots_open_file(roots, raw, true, &io);

	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = io_size(io, &size);
	if (r == 0)
		r = image_format_probe(io, &ops);
	if (r < 0)
		return r;
	if (source_named_as_image(raw) || !image_format_is_raw(ops))
		return fail(-EINVAL,
			    "%s: expected a raw disk, found an image by "
			    "content or name; convert it to another file",
			    raw);
	r = source_check_raw(io);
	if (r < 0)
		return r;
	interrupt_block();
	r = convert_or_undo(io, size);
	interrupt_unblock();
	return r;
}

static int convert_file(const struct command_line *line,
			const struct image_roots *roots)
{
	_cleanup_(chain_close_p) struct chain *source = NULL;
	int r = source_open(roots, line->operands[0], &source);

	return r < 0 ? r
		     : convert_chain(line, image_roots_store(roots), source);
}

/* An NBD disk lies outside every store. */
static int convert_remote(const struct command_line *line,
			  const struct image_roots *roots)
{
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	_cleanup_(chain_close_p) struct chain *source = NULL;
	const char *uri = line->operands[0];
	_cleanup_free_ char *name = remote_name(uri);
	int r;

	if (image_roots_store(roots))
		return fail(-EXDEV, "%s: lies outside the store %s",
			    name ? name : "NBD disk", image_roots_store(roots));
	r = parent_cache_new(&remote_root_dir, 1, &cache);
	if (r == 0)
		r = chain_open(cache, uri, CHAIN_ALWAYS_RAW, &source);
	if (r < 0)
		return r;
	r = remote_refuse_container(chain_leaf(source)->io);
	if (r == 0)
		r = convert_chain(line, NULL, source);
	if (r < 0)
		remote_advise(chain_leaf(source)->io);
	return r;
}

#define usage_error(...) \
	cli_usage_error(&vhdfs_img, &convert_command, __VA_ARGS__)

static const char *formats(void)
{
	return image_format_names(image_format_can_convert);
}

/* 0 or CLI_USAGE. */
static int check_options(const struct command_line *line)
{
	const struct image_ops *format = NULL;

	if (output_format(&convert_command, line->format,
			  image_format_can_convert, &format) != 0)
		return CLI_USAGE;
	if (line->in_place && !in_place_format())
		return usage_error("--in-place: expected a format that a raw "
				   "disk can become in place, found none; "
				   "name a TARGET instead");
	if (line->in_place && format && !format->convert_in_place)
		return usage_error("--in-place makes a fixed %s, not %s",
				   in_place_format()->name, format->name);
	if (line->in_place && remote_is_uri(line->operands[0]))
		return usage_error("--in-place changes a file; an NBD URI can "
				   "only be SOURCE, with a TARGET");
	if (!line->in_place && remote_is_uri(line->operands[1]))
		return usage_error("TARGET: expected a file, found an NBD "
				   "URI; only SOURCE can be one");
	return 0;
}

static int run_convert(const struct command_line *line)
{
	_cleanup_(image_roots_fini) struct image_roots roots = { 0 };
	const char *source = line->operands[0];
	int r;

	if (check_options(line) != 0)
		return CLI_USAGE;
	r = image_roots_init(&roots, line);
	if (r == 0 && line->in_place)
		r = convert_in_place(source, &roots);
	else if (r == 0 && remote_is_uri(source))
		r = convert_remote(line, &roots);
	else if (r == 0)
		r = convert_file(line, &roots);
	return r < 0 ? failed() : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_CHOICE(format, "format", "FORMAT", formats,
		   "default: by the ending of TARGET's name, else %s",
		   output_default_format),
	CLI_FLAG(fixed, "fixed", "allocate the space of the whole disk now"),
	CLI_FLAG(force, "force",
		 "copy a raw disk although it is being written"),
	CLI_FLAG_OF(in_place, "in-place",
		    "make a fixed %s of the file RAW, without a copy",
		    in_place_title),
	CLI_END,
};

const struct cli_command convert_command = {
	.name = "convert",
	.summary = "copy an image with its parents, a raw file or an NBD disk",
	.notes = "SOURCE is an image, a raw file, or an NBD URI:\n"
		 "nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH; "
		 "nbds for TLS.",
	.options = options,
	.operands = { "SOURCE TARGET", 2, 2, "<file> nbd:// nbd+unix:///" },
	.variant_option = "in-place",
	.variant = { "RAW", 1, 1, "<file>" },
	.run = run_convert,
};
