/* The segments of an ELF file that a loader loads. */
#ifndef XRAY86_LOADER_ELF_SEGMENTS_H
#define XRAY86_LOADER_ELF_SEGMENTS_H

#include <gelf.h>

#include "util/error.h"

/* Calls fn with each PT_LOAD program header, in their order, until it returns an error. */
struct error *elf_for_each_load(Elf *elf, struct error *(*fn)(void *opaque, const GElf_Phdr *phdr), void *opaque);

#endif
