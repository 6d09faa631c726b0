/*
 * Product descriptors as the tool sees them. For each open file of the product that a tool has, the trusted kernel has an open file without
 * contents, the placeholder, under whatever numbers the tool gave it. This list says which placeholder (by the address of its struct file
 * in the trusted kernel) stands for which descriptor of the host task. Pure bookkeeping.
 */
#ifndef XRAY86_REDIRECT_DESCRIPTORS_H
#define XRAY86_REDIRECT_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct descriptor {
	uint64_t file;   /* trusted struct file */
	uint32_t number; /* in the product's host task */
	bool own;        /* of a file that tells of the tool's descriptors: /proc/self/fdinfo/N */
};

struct descriptors {
	struct descriptor *entry;
	size_t count, room;
};

/* Returns false without memory. */
bool descriptors_add(struct descriptors *descriptors, struct descriptor descriptor);
/* Returns false if no placeholder is at that address. */
bool descriptors_find(const struct descriptors *descriptors, uint64_t file, struct descriptor *ret);
/* Removes an entry. Returns false if there was none. */
bool descriptors_remove(struct descriptors *descriptors, uint64_t file, struct descriptor *ret);
void descriptors_deinit(struct descriptors *descriptors);

#endif
