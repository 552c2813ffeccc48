/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img info: describe an image, or each image of a chain. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/size.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "io/io-file.h"

/* 0 stands for a size that the format does not have: null in JSON. */
static json_t *json_size(uint64_t size)
{
	return size ? json_integer((json_int_t)size) : json_null();
}

static json_t *json_guid(const struct guid *id)
{
	char text[GUID_TEXT_SIZE];

	return json_string(guid_format(id, text));
}

/* The reason why the image can be read but not written. */
static int add_readonly_reason(struct image *img, json_t *object)
{
	int r = image_may_write(img);

	if (r == 0 || error_is_passing(r))
		return r;
	return json_object_set_new(object, "readonly-reason",
				   json_text(error_text())) < 0
		       ? fail(-ENOMEM, "out of memory")
		       : 0;
}

/* The parent was written, or copied, after the child was made. */
static int add_warning(const struct chain *chain, unsigned depth,
		       json_t *object)
{
	_cleanup_free_ char *text = NULL;
	int r = chain_warning(chain, depth, &text);

	if (r == 0 && text &&
	    json_object_set_new(object, "warning", json_text(text)) < 0)
		r = fail(-ENOMEM, "out of memory");
	return r;
}

/* The name of the process that uses an image; may be empty.  JSON does not have
 * it, the output in words does. */
typedef char holder_name[80];

/* *ret: the JSON object of one image of the chain. */
static int describe(const struct image_roots *roots, const struct chain *chain,
		    unsigned depth, const char *name, holder_name *ret_holder,
		    json_t **ret)
{
	struct image *img = chain_image(chain, depth);
	unsigned parents = chain_depth(chain) - depth;
	_cleanup_free_ char *parent = NULL;
	int in_use = io_file_in_use(img->io, *ret_holder, sizeof *ret_holder),
	    r;
	struct stat st;

	if (in_use < 0)
		return in_use;
	if (fstat(img->io->fd, &st) < 0)
		return fail_errno(-errno, "%s", name);
	if (parents) {
		parent = image_roots_absolute(roots,
					      chain_path(chain, depth + 1));
		if (!parent)
			return fail(-ENOMEM, "out of memory");
	}
	*ret = json_pack("{so ss ss sI sI so si si so so so si sb sb}", "file",
			 json_text(name), "format", img->ops->name, "type",
			 image_type_name(img->type), "virtual-size",
			 (json_int_t)img->size, "allocated",
			 (json_int_t)st.st_blocks * 512, "block-size",
			 json_size(img->block_size), "sector-size",
			 (int)img->sector_size, "physical-sector-size",
			 (int)img->physical_sector_size, "id",
			 json_guid(&img->id), "parent",
			 parent ? json_text(parent) : json_null(), "parent-id",
			 parents ? json_guid(&chain_image(chain, depth + 1)->id)
				 : json_null(),
			 "depth", (int)parents, "in-use", in_use > 0, "dirty",
			 (int)img->dirty);
	if (!*ret)
		return fail(-ENOMEM, "out of memory");
	r = add_readonly_reason(img, *ret);
	if (r == 0)
		r = add_warning(chain, depth, *ret);
	if (r < 0)
		json_decref(*ret);
	return r;
}

static bool is_size(const char *key)
{
	return strstr(key, "size") || !strcmp(key, "allocated");
}

static void print_value(const char *key, const json_t *value)
{
	char text[64];

	if (json_is_string(value))
		print_line(stdout, "%s", json_string_value(value));
	else if (json_is_boolean(value))
		printf("%s\n", json_is_true(value) ? "yes" : "no");
	else if (json_is_null(value))
		printf("-\n");
	else if (is_size(key))
		printf("%s\n", size_format((uint64_t)json_integer_value(value),
					   text, sizeof text));
	else
		printf("%lld\n", (long long)json_integer_value(value));
}

/* A line for each key of the JSON object. */
static void print_words(json_t *object, const char *holder)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		printf("%-21s ", format_arg("%s:", key));
		if (!strcmp(key, "in-use") && *holder)
			print_line(stdout, "yes, by %s", holder);
		else
			print_value(key, value);
	}
}

/* Describes all images before the first is printed, so that after an error
 * standard output is empty. */
static int describe_all(const struct command_line *line,
			const struct image_roots *roots,
			const struct chain *chain, json_t *all,
			holder_name *holders)
{
	unsigned last = line->chain ? chain_depth(chain) : 0;

	for (unsigned i = 0; i <= last; i++) {
		_cleanup_free_ char *name =
			i ? image_roots_absolute(roots, chain_path(chain, i))
			  : strdup(line->operands[0]);
		json_t *object = NULL;
		int r;

		if (!name)
			return fail(-ENOMEM, "out of memory");
		r = describe(roots, chain, i, name, &holders[i], &object);
		if (r < 0)
			return r;
		if (json_array_append_new(all, object) < 0)
			return fail(-ENOMEM, "out of memory");
	}
	return 0;
}

static int print(const struct command_line *line, json_t *all,
		 holder_name *holders)
{
	if (line->json)
		return json_print(line->chain ? all : json_array_get(all, 0));
	for (size_t i = 0; i < json_array_size(all); i++) {
		if (i)
			putchar('\n');
		print_words(json_array_get(all, i), holders[i]);
	}
	return 0;
}

static int run_info(const struct command_line *line)
{
	struct image_roots roots = { 0 };
	struct chain *chain = NULL;
	holder_name *holders = calloc(CHAIN_DEPTH_MAX + 1, sizeof *holders);
	json_t *all = json_array();
	int r = holders && all ? 0 : fail(-ENOMEM, "out of memory");

	if (r == 0)
		r = image_roots_init(&roots, line);
	if (r == 0)
		r = image_roots_open(&roots, line->operands[0], CHAIN_NO_LOCK,
				     &chain);
	if (r == 0)
		r = describe_all(line, &roots, chain, all, holders);
	if (r == 0)
		r = print(line, all, holders);
	if (r < 0)
		failed();
	if (chain)
		chain_close(chain);
	image_roots_fini(&roots);
	json_decref(all);
	free(holders);
	return r < 0 ? STATUS_FAILED : STATUS_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(json, "json",
		 "print a JSON object; with --chain an array of objects"),
	CLI_FLAG(chain, "chain",
		 "describe the image and all its parents, the image first"),
	CLI_END,
};

const struct cli_command info_command = {
	.name = "info",
	.summary = "describe an image, or an image and its parents",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_info,
};
