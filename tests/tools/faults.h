/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Declarations that the parts of faults.so share; faults.c describes it. */
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

/* As the code of a kind: the process is killed instead. */
enum { FAULT_KILLS = -1 };

/* A kind of failure. */
struct kind {
	const char *name;
	unsigned calls;
	int code;    /* 0: no failure, only short */
	bool half;   /* a write or read does its first half first */
	bool filled; /* the first write is short, all others fail */
};

/* The owner of an address. */
enum owner {
	OWNER_OTHER,
	OWNER_PROGRAM,
	OWNER_COUNTED,
	OWNER_LIBC,
	OWNER_LOADER,
};

enum owner faults_owner(uintptr_t address);

/* Must this call fail, and how?  Null: no. */
const struct kind *faults_judge(enum call call, uintptr_t where);
/* Has no call failed since the last change of CONTROL, except the one just
 * judged? */
bool faults_is_first(void);
/* Are failures enabled in this process? */
bool faults_are_on(void);

/* The number of live allocations, and the caller of one of them. */
unsigned faults_live(uintptr_t *ret_where);

/* True inside faults.so, whose allocations are not counted. */
extern _Thread_local bool faults_inside
	__attribute__((tls_model("initial-exec")));

/* The next function of that name after the one of faults.so. */
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
