/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of faults.so share; faults.c says what it is. */
#ifndef TESTS_TOOLS_FAULTS_H
#define TESTS_TOOLS_FAULTS_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum call {
	CALL_READ,
	CALL_WRITE,
	CALL_SYNC,
	CALL_RESIZE,
	CALL_SHRINK,
	CALL_FALLOCATE,
	CALL_SEEK,
	CALL_OPEN,
	CALL_CREATE,
	CALL_READDIR,
	CALL_RENAME,
	CALL_LINK,
	CALL_UNLINK,
	CALL_CHMOD,
	CALL_MEMORY,
	CALLS,
};

/* A kind of failure. */
struct kind {
	const char *name;
	unsigned calls;
	int code;    /* 0: no failure, only short */
	bool half;   /* a write or read does its first half first */
	bool filled; /* the first write is short, then it is code */
};

/* What an address belongs to. */
enum owner {
	OWNER_OTHER,
	OWNER_PROGRAM,
	OWNER_COUNTED,
	OWNER_LIBC,
	OWNER_LOADER,
};

enum owner faults_owner(uintptr_t address);

/* Is this call to fail, and as what? Null: no. */
const struct kind *faults_judge(enum call call, uintptr_t where);
/* Has no call failed since it was armed but the one that was just judged? */
bool faults_is_first(void);
/* Does anything fail in this process at all? */
bool faults_are_on(void);

/* How many allocations there are, and where one of them was made. */
unsigned faults_live(uintptr_t *ret_where);

/* We are in our own code, whose allocations do not count. */
extern _Thread_local bool faults_inside
	__attribute__((tls_model("initial-exec")));

/* The next function of that name after ours. */
#define NEXT(name)                                                  \
	({                                                          \
		static __typeof__(&name) next_;                     \
		if (!next_) {                                       \
			faults_inside = true;                       \
			*(void **)&next_ = dlsym(RTLD_NEXT, #name); \
			faults_inside = false;                      \
		}                                                   \
		next_;                                              \
	})
#define CALLER __builtin_return_address(0)

#endif
