/* The agents of both architectures as bytes: see agents.h. */
	.section .rodata
	.globl agent_x86_64, agent_x86_64_end, agent_i386, agent_i386_end
agent_x86_64:
	.incbin AGENT_X86_64
agent_x86_64_end:
agent_i386:
	.incbin AGENT_I386
agent_i386_end:
	.section .note.GNU-stack, "", @progbits
