/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img create: make an empty image, or a child of another image. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "format/registry.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/interrupt.h"
#include "img/output.h"
#include "store/child.h"

struct options {
	const char *image, *parent;
	const struct image_ops *format; /* null: not given */
	bool fixed;
	uint64_t size, block_size; /* 0: not given */
	uint64_t sector_size;      /* 0: not given */
};

static int create_empty(const struct options *o,
			const struct image_roots *roots)
{
	const struct image_ops *ops = o->format;
	struct image_params params = {
		.type = o->fixed ? IMAGE_FIXED : IMAGE_DYNAMIC,
		.size = o->size,
		.block_size = o->block_size,
		.sector_size = (uint32_t)o->sector_size,
	};

	if (!ops)
		ops = image_format_by_image_name(o->image, strlen(o->image));
	if (!ops)
		ops = image_format_default();
	return output_create(o->image, image_roots_store(roots), ops, &params,
			     NULL, NULL);
}

static int check_parent(const struct options *o, const struct image *parent)
{
	if (o->format && o->format != parent->ops)
		return fail(-EINVAL,
			    "%s: format: expected %s, found %s; "
			    "a child has the format of its parent",
			    o->parent, o->format->name, parent->ops->name);
	if (o->sector_size && o->sector_size != parent->sector_size)
		return fail(-EINVAL,
			    "%s: sector size: expected %u, found %u; a child "
			    "has the sector size of its parent",
			    o->parent, (unsigned)o->sector_size,
			    parent->sector_size);
	return 0;
}

/* Opens the parent with its own parents first: a child of a broken chain cannot
 * be used. */
static int create_child(const struct options *o,
			const struct image_roots *roots)
{
	struct child_params params = { .block_size = o->block_size };
	_cleanup_free_ char *parent = NULL;
	struct chain *chain;
	int r = image_roots_open(roots, o->parent, 0, &chain);

	if (r == 0) {
		r = check_parent(o, chain_leaf(chain));
		chain_close(chain);
	}
	if (r == 0)
		r = image_roots_path(roots, o->parent, &parent);
	if (r < 0)
		return r;
	interrupt_block();
	r = child_create(&roots->dirs[0], parent, o->image, &params);
	interrupt_unblock();
	return r;
}

/* The functions below return 0 or CLI_USAGE; value may be null. */
#define usage_error(...) \
	cli_usage_error(&vhdfs_img, &create_command, __VA_ARGS__)

static int take_size(const char *name, const char *value, uint64_t *ret)
{
	if (!value || (size_parse(value, ret) == 0 && *ret))
		return 0;
	return usage_error("%s: expected a size such as 40G, in bytes or with "
			   "K, M, G or T, found '%s'",
			   name, value);
}

static int take_sector_size(const char *value, uint64_t *ret)
{
	if (!value ||
	    (size_parse(value, ret) == 0 && (*ret == 512 || *ret == 4096)))
		return 0;
	return usage_error("--sector-size: expected 512 or 4096, found '%s'",
			   value);
}

static const char *formats(void)
{
	return image_format_names(image_format_can_create);
}

static int check_options(const struct options *o)
{
	if (!o->size == !o->parent)
		return usage_error("expected one of --size and --parent, "
				   "found %s",
				   o->size ? "both" : "neither");
	if (o->fixed && o->parent)
		return usage_error("--fixed and --parent exclude each other: a "
				   "child is never fixed");
	return 0;
}

static int run_create(const struct command_line *line)
{
	struct options o = { .image = line->operands[0],
			     .parent = line->parent,
			     .fixed = line->fixed };
	_cleanup_(image_roots_fini) struct image_roots roots = { 0 };
	int r;

	if (output_format(&create_command, line->format,
			  image_format_can_create, &o.format) != 0 ||
	    take_size("--size", line->size, &o.size) != 0 ||
	    take_size("--block-size", line->block_size, &o.block_size) != 0 ||
	    take_sector_size(line->sector_size, &o.sector_size) != 0 ||
	    check_options(&o) != 0)
		return CLI_USAGE;
	r = image_roots_init(&roots, line);
	if (r == 0)
		r = o.parent ? create_child(&o, &roots)
			     : create_empty(&o, &roots);
	return r < 0 ? failed() : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_VALUE(
		size, "size", "SIZE", NULL,
		"size of the disk, in bytes or with K, M, G or T; without --parent it is required"),
	CLI_VALUE(
		parent, "parent", "PARENT", "<file>",
		"make a child, which holds what differs from PARENT; PARENT loses its write bits"),
	CLI_CHOICE(
		format, "format", "FORMAT", formats,
		"default: by the ending of IMAGE's name, else %s; a child has its parent's format",
		output_default_format),
	CLI_FLAG(fixed, "fixed", "allocate the space of the whole disk now"),
	CLI_VALUE(block_size, "block-size", "SIZE", NULL,
		  "unit in which the image allocates space"),
	CLI_VALUE(
		sector_size, "sector-size", "SIZE", "512 4096",
		"sector size of the disk, 512 or 4096; not every format has both"),
	CLI_END,
};

const struct cli_command create_command = {
	.name = "create",
	.summary = "make an empty image, or a child of another image",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_create,
};
