/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Foreign containers: the table of signatures, and the search for them. */
#include "config.h"

#include "format/foreign.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
	HEAD_SIZE = 512,    /* holds all signatures at the file's start */
	TRAILER_SIZE = 512, /* of an Apple disk image */
};

struct foreign {
	uint16_t offset;
	uint8_t len;
	const char *signature;
	const char *name;
	const char *command; /* %s: the file's name */
};

#define QEMU_IMG "qemu-img convert -O raw %s DISK.raw"
#define SIGNATURE(offset, bytes) offset, sizeof bytes - 1, bytes

static const struct foreign containers[] = {
	{ SIGNATURE(0, "QFI\xfb"), "a qcow2 image", QEMU_IMG },
	{ SIGNATURE(0, "QED\0"), "a QED image", QEMU_IMG },
	{ SIGNATURE(0, "KDMV"), "a VMDK image", QEMU_IMG },
	{ SIGNATURE(0, "COWD"), "a VMDK image", QEMU_IMG },
	{ SIGNATURE(0, "# Disk DescriptorFile"),
	  "the description of a VMDK image", QEMU_IMG },
	{ SIGNATURE(0, "\xbe\xba\xfe\xca\0\0\0\0"), "a part of a VMDK image",
	  QEMU_IMG },
	{ SIGNATURE(0, "OOOM\0\0\0\2"), "a COW image", QEMU_IMG },
	{ SIGNATURE(64, "\x7f\x10\xda\xbe"), "a VDI image", QEMU_IMG },
	{ SIGNATURE(0, "WithoutFreeSpace"), "a Parallels image", QEMU_IMG },
	{ SIGNATURE(0, "WithouFreSpacExt"), "a Parallels image", QEMU_IMG },
	{ SIGNATURE(0, "Bochs Virtual HD Image"), "a Bochs image", QEMU_IMG },
	{ SIGNATURE(0, "#!/bin/sh\n#V2.0 Format"), "a cloop image", QEMU_IMG },
	{ SIGNATURE(0, "EVF\x09\x0d\x0a\xff\0"), "an EWF image",
	  "ewfexport -f raw %s" },
	{ SIGNATURE(0, "MSWIM\0\0\0"), "a WIM archive",
	  "wimapply %s 1 DIRECTORY" },
	{ SIGNATURE(0, "\x3a\xff\x26\xed"), "an Android sparse image",
	  "simg2img %s DISK.raw" },
	{ SIGNATURE(0, "partclone-image"), "a partclone image",
	  "partclone.restore -C -s %s -O DISK.raw" },
	{ SIGNATURE(0, "VMA\0\0\0\0\1"), "a VMA archive",
	  "vma extract %s DIRECTORY" },
	{ SIGNATURE(0, "\xfe\xef\1"), "a Ghost image",
	  "ghost -clone,mode=restore,src=%s,dst=1" },
	{ SIGNATURE(0, "\x1f\x8b\x08"), "a gzip file", "gunzip -k %s" },
	{ SIGNATURE(0, "\x1f\x9d"), "a compressed file", "uncompress %s" },
	{ SIGNATURE(0, "BZh"), "a bzip2 file", "bunzip2 -k %s" },
	{ SIGNATURE(0, "\xfd"
		       "7zXZ\0"),
	  "an xz file", "unxz -k %s" },
	{ SIGNATURE(0, "LZIP\1"), "an lzip file", "lzip -dk %s" },
	{ SIGNATURE(0, "LRZI"), "an lrzip file", "lrzip -d %s" },
	/* .lzma has no signature: the default properties and a dictionary of
	 * 4, 8 or 64 MiB. */
	{ SIGNATURE(0, "\x5d\0\0\x40\0"), "an lzma file", "unlzma -k %s" },
	{ SIGNATURE(0, "\x5d\0\0\x80\0"), "an lzma file", "unlzma -k %s" },
	{ SIGNATURE(0, "\x5d\0\0\0\4"), "an lzma file", "unlzma -k %s" },
	{ SIGNATURE(0, "\x28\xb5\x2f\xfd"), "a zstd file", "unzstd -k %s" },
	/* The first frame of pzstd. */
	{ SIGNATURE(0, "\x50\x2a\x4d\x18"), "a zstd file", "unzstd -k %s" },
	{ SIGNATURE(0, "\x04\x22\x4d\x18"), "an lz4 file", "unlz4 -k %s" },
	{ SIGNATURE(0, "\x02\x21\x4c\x18"), "an lz4 file", "unlz4 -k %s" },
	{ SIGNATURE(0, "\x89LZO\0\x0d\x0a\x1a\x0a"), "an lzop file",
	  "lzop -d %s" },
	{ SIGNATURE(0, "PK\3\4"), "a zip archive", "unzip %s" },
	{ SIGNATURE(0, "7z\xbc\xaf\x27\x1c"), "a 7z archive", "7z x %s" },
	{ SIGNATURE(0, "Rar!\x1a\x07"), "a RAR archive", "unrar x %s" },
	{ SIGNATURE(257, "ustar"), "a tar archive", "tar -xf %s" },
};

static const struct foreign apple_image = { SIGNATURE(0, "koly"),
					    "an Apple disk image", QEMU_IMG };

static bool has(const struct foreign *f, const uint8_t *bytes, size_t len)
{
	return len >= (size_t)f->offset + f->len &&
	       !memcmp(bytes + f->offset, f->signature, f->len);
}

static const struct foreign *find(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < sizeof containers / sizeof *containers; i++)
		if (has(&containers[i], head, len))
			return &containers[i];
	return NULL;
}

static int refuse(const struct io *io, const struct foreign *f,
		  const char *titles)
{
	char command[512];

	snprintf(command, sizeof command, f->command, io->name);
	return fail(-EMEDIUMTYPE,
		    "%s: expected a %s image or a raw disk, found %s; run "
		    "`%s' and use its result",
		    io->name, format_or(titles), f->name, command);
}

static int find_in(struct io *io, const struct foreign **ret)
{
	uint8_t bytes[HEAD_SIZE];
	uint64_t size = 0;
	size_t len;
	int r = io_size(io, &size);

	len = min_u64(size, sizeof bytes);
	if (r == 0)
		r = io_read(io, bytes, len, 0);
	if (r < 0)
		return r;
	*ret = find(bytes, len);
	if (*ret || size < TRAILER_SIZE)
		return 0;
	r = io_read(io, bytes, TRAILER_SIZE, size - TRAILER_SIZE);
	if (r == 0 && has(&apple_image, bytes, TRAILER_SIZE))
		*ret = &apple_image;
	return r;
}

int foreign_refuse(struct io *io, const char *titles)
{
	const struct foreign *f = NULL;
	int r = find_in(io, &f);

	return r == 0 && f ? refuse(io, f, titles) : r;
}

int foreign_find(struct io *io, const char **ret)
{
	const struct foreign *f = NULL;
	int r = find_in(io, &f);

	*ret = r == 0 && f ? f->name : NULL;
	return r;
}
