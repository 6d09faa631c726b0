/*
 * Landmarks of a kernel image: the few addresses that help to find the kernel in a snapshot and to understand it. They are plain data, so
 * they can be kept, and a later run does not have to decompress the image.
 */
#ifndef XRAY86_PRODUCT_LANDMARKS_H
#define XRAY86_PRODUCT_LANDMARKS_H

#include "loader/banner.h"
#include "loader/kernel_image.h"
#include "loader/runtime_constants.h"

/* Addresses are virtual, as linked. One that only kallsyms has may be 0: unknown. (On i386 kallsyms has no data.) */
struct landmarks {
	struct banner banner;
	bool x86_64;
	bool smp; /* built for several CPUs: each has per-CPU data of its own. If not, these are variables like others */
	uint64_t link_base, link_paddr; /* of the image's first byte (_text) */
	uint64_t size;                  /* of the image in memory */
	uint64_t alignment;             /* CONFIG_PHYSICAL_ALIGN: KASLR chooses multiples of it */
	uint64_t banner_at;
	uint64_t root; /* init_top_pgt; 0: product_find() searches it */
	/* of CPUs, if there may be several: */
	uint64_t per_cpu_offset;  /* __per_cpu_offset[] */
	uint64_t per_cpu_at_boot; /* the value of its entries in the image: BOOT_PERCPU_OFFSET */
	uint64_t this_cpu_off;    /* per-CPU: its own __per_cpu_offset */
	uint64_t nr_cpu_ids;      /* unsigned: how many entries of __per_cpu_offset[] count */
	uint64_t online;          /* __num_online_cpus, atomic_t, from 5.3 on; 0: */
	uint64_t online_mask;     /* __cpu_online_mask, of nr_cpu_ids bits, from 4.5 on */
	/* of time: */
	uint64_t last_tick; /* last_jiffies_update, monotonic ns; 0: uptime is by jiffies */
	uint64_t jiffies;   /* jiffies_64 */
	/* Its value in the image: INITIAL_JIFFIES, which is -300 * HZ in 32 bits. 0: unknown, of a kernel that is known by memory alone */
	uint64_t jiffies_at_boot;
	struct runtime_constants constants;
};

/* The kernel must not be relocated yet. The error says what the image lacks. */
struct error *landmarks_of(const struct kernel_image *kernel, struct landmarks *ret);

#endif
