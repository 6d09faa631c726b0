/* Kernel parameters: see kernel_parameters.h. Figures are instructions of a boot of Debian's 6.1 kernels to userspace. */
#include "loader/kernel_parameters.h"

#include <stdlib.h>
#include <string.h>

/* The initcalls of 6.1 that register functions for BPF programs: the first one reads all of the type information (BTF). */
#define BTF_INITCALLS                                                                                                                      \
	"bpf_rstat_kfunc_init,bpf_key_sig_kfuncs_init,kfunc_init,bpf_kfunc_init,bpf_prog_test_run_init,bpf_tcp_ca_kfunc_init,"             \
	"bpf_dummy_struct_ops_init,cubictcp_register"

const struct kernel_parameter trusted_parameters[] = {
	{"console=ttyS0", FOR_ALL, "the serial port is the console"},
	{"loglevel=3", FOR_ALL, "only the tool's output is wanted; critical messages still come"},
	{"panic=-1", FOR_ALL, "a panic ends in a reset at once, instead of a loop for ever"},
	{"cryptomgr.notests", FOR_ALL, "self-tests of the kernel's cryptography are 70 % of a boot on x86-64, 85 % on i386"},
	{"noisapnp", FOR_I386, "scanning for ISA Plug and Play cards waits for 350 ms, half of what is left"},
	{"rodata=off", FOR_ALL, "write-protecting the kernel from itself takes 2 %, and serves nothing here"},
	{"initcall_blacklist=trace_eval_init,tracer_init_tracefs", FOR_ALL,
	 "making the files of the kernel's tracer takes 18 %, and nobody opens them"},
	{"initcall_blacklist=" BTF_INITCALLS, FOR_ALL,
	 "reading the kernel's type information for BPF programs takes 13 % of what is left on x86-64, and none are loaded"},
	{"random.trust_cpu=on", FOR_ALL, "RDRAND seeds the pool at once; nothing else here would, and getrandom() would wait or fail"},
	{"hardened_usercopy=off", FOR_ALL, "it would compare the trusted kernel's stack with the product's idea of one"},
	{"vdso=0", FOR_X86_64, "every clock read has to be a system call, so that it can show the product's time"},
	{"vdso32=0", FOR_ALL, "the same for 32-bit programs"},
	{0},
};

char *trusted_command_line(enum kernel_arch arch, const char *more)
{
	const struct kernel_parameter *parameter;
	size_t size = strlen(more) + 1;
	char *line, *end;

	for (parameter = trusted_parameters; parameter->text; parameter++)
		size += strlen(parameter->text) + 1;
	line = malloc(size);
	if (!line)
		return NULL;
	end = line;
	for (parameter = trusted_parameters; parameter->text; parameter++) {
		if (parameter->arches & 1u << arch)
			end = stpcpy(stpcpy(end, parameter->text), " ");
	}
	stpcpy(end, more);
	if (!*more && end > line)
		end[-1] = '\0';
	return line;
}
