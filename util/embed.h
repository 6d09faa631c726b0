/*
 * A struct within another, whose members are members of the outer one, too. EMBED(cpu_system, system) in struct cpu makes cpu->cr0 and
 * cpu->system.cr0 the same. So the parts of a state are saved and restored as a whole, and no member can be forgotten. Needs
 * -fms-extensions.
 */
#ifndef XRAY86_UTIL_EMBED_H
#define XRAY86_UTIL_EMBED_H

#define EMBED(type, name)                                                                                                                  \
	union {                                                                                                                            \
		struct type;                                                                                                               \
		struct type name;                                                                                                          \
	}

#endif
