/* The agent (agent.c) as an ELF program for either architecture, part of the xray86 binary. */
#ifndef XRAY86_GUEST_AGENTS_H
#define XRAY86_GUEST_AGENTS_H

extern const unsigned char agent_x86_64[], agent_x86_64_end[], agent_i386[], agent_i386_end[];

#endif
