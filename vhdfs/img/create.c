/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img create: an empty image, or a child of another. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "format/registry.h"
#include "img/img.h"
#include "img/interrupt.h"
#include "img/output.h"
#include "io/rootdir.h"
#include "store/child.h"

struct options {
	const char *store, *image, *parent;
	const struct image_ops *format; /* null where not said */
	bool fixed;
	uint64_t size, block_size; /* 0 where not said */
	uint64_t sector_size;      /* 0 where not said */
};

static int reserve(const struct atomic_file *file, const struct image_ops *ops)
{
	struct image *img;
	int r = output_open(file, ops, &img), rc;

	if (r < 0)
		return r;
	r = output_reserve(img);
	rc = image_close(img);
	return r < 0 ? r : rc;
}

static int create_alone(const struct options *o, const struct lookup *lookup)
{
	const struct image_ops *ops = o->format;
	struct image_params params = {
		.type = o->fixed ? IMAGE_FIXED : IMAGE_DYNAMIC,
		.size = o->size,
		.block_size = o->block_size,
		.sector_size = (uint32_t)o->sector_size,
	};
	struct atomic_file file = { 0 };
	int r;

	if (!ops)
		ops = image_format_by_image_name(o->image, strlen(o->image));
	if (!ops)
		ops = image_format_default();
	r = interrupt_atomic_file_create(o->image, lookup_within(lookup),
					 &file);
	if (r == 0)
		r = image_create(file.io, ops, &params);
	if (r == 0 && o->fixed)
		r = reserve(&file, ops);
	if (r == 0)
		r = atomic_file_publish(&file);
	atomic_file_fini(&file);
	return r;
}

static int check_parent(const struct options *o, const struct image *parent)
{
	if (o->format && o->format != parent->ops)
		return fail(-EINVAL,
			    "%s: expected a parent in the format %s, found %s; "
			    "a child has its parent's format",
			    o->parent, o->format->name, parent->ops->name);
	if (o->sector_size && o->sector_size != parent->sector_size)
		return fail(-EINVAL,
			    "%s: expected a parent with sectors of %u bytes, "
			    "found %u; a child has its parent's",
			    o->parent, (unsigned)o->sector_size,
			    parent->sector_size);
	return 0;
}

/* The parent's chain is opened: a child of a broken chain is of no use. */
static int create_child(const struct options *o, const struct lookup *lookup)
{
	struct child_params params = { .block_size = o->block_size };
	_cleanup_free_ char *parent = NULL;
	struct chain *chain;
	int r = lookup_open(lookup, o->parent, 0, &chain);

	if (r == 0) {
		r = check_parent(o, chain_leaf(chain));
		chain_close(chain);
	}
	if (r == 0)
		r = lookup_path(lookup, o->parent, &parent);
	if (r < 0)
		return r;
	interrupt_hold();
	r = child_create(&lookup->roots[0], parent, o->image, &params);
	interrupt_release();
	return r;
}

static int create(const struct options *o)
{
	struct lookup lookup = { 0 };
	int r = lookup_init(&lookup, o->store);

	if (r == 0 && o->parent)
		r = create_child(o, &lookup);
	else if (r == 0)
		r = create_alone(o, &lookup);
	if (r < 0)
		failed();
	lookup_fini(&lookup);
	return r < 0 ? STATUS_FAILED : STATUS_DONE;
}

enum { FORMAT = OPTION_OWN, SIZE, PARENT, FIXED, BLOCK_SIZE, SECTOR_SIZE };

static int take_size(const struct command *self, const char *name,
		     const char *value, uint64_t *ret)
{
	if (size_parse(value, ret) == 0 && *ret)
		return 0;
	usage_error(self,
		    "%s: expected a size such as 40G, in bytes or with K, M, "
		    "G or T, found '%s'",
		    name, value);
	return -EINVAL;
}

static int take_sector_size(const struct command *self, const char *value,
			    uint64_t *ret)
{
	if (size_parse(value, ret) == 0 && (*ret == 512 || *ret == 4096))
		return 0;
	usage_error(self, "--sector-size: expected 512 or 4096, found '%s'",
		    value);
	return -EINVAL;
}

static int take_format(const struct command *self, const char *value,
		       const struct image_ops **ret)
{
	*ret = image_format_by_name(value);
	if (*ret && !image_format_is_raw(*ret))
		return 0;
	usage_error(self, "--format: expected vhd or vhdx, found '%s'", value);
	return -EINVAL;
}

/* 0; -EINVAL for a value that was complained of. */
static int take_option(const struct command *self, int c, struct options *o)
{
	switch (c) {
	case FORMAT:
		return take_format(self, optarg, &o->format);
	case SIZE:
		return take_size(self, "--size", optarg, &o->size);
	case BLOCK_SIZE:
		return take_size(self, "--block-size", optarg, &o->block_size);
	case SECTOR_SIZE:
		return take_sector_size(self, optarg, &o->sector_size);
	case PARENT:
		o->parent = optarg;
		return 0;
	case FIXED:
		o->fixed = true;
		return 0;
	default:
		o->store = optarg;
		return 0;
	}
}

static int check_options(const struct command *self, const struct options *o)
{
	if (!o->size == !o->parent)
		return usage_error(self,
				   "expected one of --size and --parent, "
				   "found %s",
				   o->size ? "both" : "neither");
	if (o->fixed && o->parent)
		return usage_error(self, "--fixed and --parent exclude each "
					 "other: a child is never fixed");
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, FORMAT },
		{ "size", required_argument, NULL, SIZE },
		{ "parent", required_argument, NULL, PARENT },
		{ "fixed", no_argument, NULL, FIXED },
		{ "block-size", required_argument, NULL, BLOCK_SIZE },
		{ "sector-size", required_argument, NULL, SECTOR_SIZE },
		OPTIONS_COMMON,
		OPTIONS_END,
	};
	struct options o = { 0 };
	int c;

	while ((c = next_option(self, argc, argv, options)) >= 0) {
		if (c == OPTION_HELP || c == '?')
			return other_option(self, c);
		if (take_option(self, c, &o) < 0)
			return STATUS_USAGE;
	}
	if (check_operands(self, argc, 1) != 0 || check_options(self, &o) != 0)
		return STATUS_USAGE;
	o.image = argv[optind];
	return create(&o);
}

const struct command create_command = {
	.name = "create",
	.operands = "[--format vhd|vhdx] [--size SIZE | --parent PARENT]\n"
		    "           [--fixed] [--block-size SIZE] "
		    "[--sector-size 512|4096]\n"
		    "           [--store DIR] [--parents DIR] IMAGE",
	.summary = "Makes an empty image, or a child of another image",
	.help = "  --format FORMAT     vhd or vhdx; without it as IMAGE's name "
		"ends, else vhdx;\n"
		"                      a child has its parent's\n"
		"  --size SIZE         of the disk, in bytes or with K, M, G or "
		"T\n"
		"  --parent PARENT     make a child, which holds what differs "
		"from PARENT;\n"
		"                      takes PARENT's write bits off\n"
		"  --fixed             take the space for the whole disk\n"
		"  --block-size SIZE   of what is stored at a time\n"
		"  --sector-size SIZE  of the disk, 512 or 4096 (VHDX only)\n"
		"  --store DIR         all images must lie in DIR\n"
		"  --parents DIR       look for parents by name in DIR, too; repeatable\n"
		"  --help              show this help\n",
	.run = run,
};
