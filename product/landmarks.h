/*
 * Landmarks of a kernel image: the few addresses by which the kernel is found and understood in a snapshot. They are plain data, so that
 * they can be kept: a later run need not decompress the image.
 */
#ifndef XRAY86_PRODUCT_LANDMARKS_H
#define XRAY86_PRODUCT_LANDMARKS_H

#include "loader/banner.h"
#include "loader/kernel_image.h"
#include "loader/runtime_constants.h"

/* Addresses are virtual, as linked; 0: not known, of those that only kallsyms has (on i386 it has no data). */
struct landmarks {
	struct banner banner;
	bool x86_64;
	uint64_t link_base, link_paddr; /* of the image's first byte (_text) */
	uint64_t size;                  /* of the image in memory */
	uint64_t alignment;             /* CONFIG_PHYSICAL_ALIGN: what KASLR's choices are multiples of */
	uint64_t banner_at;
	uint64_t root;            /* init_top_pgt; 0: product_find() looks for it */
	uint64_t per_cpu_offset;  /* __per_cpu_offset[] */
	uint64_t per_cpu_at_boot; /* what its entries are in the image: BOOT_PERCPU_OFFSET */
	uint64_t this_cpu_off;    /* per-CPU: its own __per_cpu_offset */
	uint64_t nr_cpu_ids;      /* unsigned: how many entries of __per_cpu_offset[] count */
	uint64_t online;          /* __num_online_cpus, atomic_t */
	uint64_t last_tick;       /* last_jiffies_update, monotonic ns; 0: uptime is by jiffies */
	uint64_t jiffies;         /* jiffies_64 */
	uint64_t jiffies_at_boot; /* its value in the image: INITIAL_JIFFIES, which is -300 * HZ in 32 bits */
	struct runtime_constants constants;
};

/* The kernel must not be relocated yet. The error says what the image lacks. */
struct error *landmarks_of(const struct kernel_image *kernel, struct landmarks *ret);

#endif
