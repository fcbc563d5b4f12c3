/* numerics: prints what results of this machine are equal to.
 *
 *     build/bin/numerics cpu      the class of the CPU, "cpu-ref-openblas0.3.21-haswell-glibc2.36" (ops/cpu_numerics.h)
 *     build/bin/numerics gpu      both classes of the GPU, its name and its libraries, or why there is none
 *                                 (graph/gpu_answer.h)
 *
 * The generator asks, for the keys, and asks neither BLAS nor driver itself. The BLAS starts a thread a processor, which
 * spin while a grid is laid out, and brings in libquadmath, which makes every printf of the program four times slower:
 * with ten thousand cells a quarter of the time. The driver and cuBLASLt take as long as all else, and 180 MB.
 */
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "ops/cpu_numerics.h"
#include "ops/cuda_device.h"

static void print_cpu(void)
{
	char name[CPU_NUMERICS_MAX];
	cpu_numerics(name);
	puts(name);
}

static void print_gpu(void)
{
	const struct cuda_device *gpu = cuda_device_find();
	if (gpu)
		printf("%s\n%s\n%s\n%s %s\n", gpu->numerics, gpu->numerics_bf16, gpu->name, gpu->driver_path, gpu->cublaslt_path);
	else
		printf("none\n%s\n", error_text());
}

int main(int argc, char **argv)
{
	const int cpu = argc == 2 && !strcmp(argv[1], "cpu");
	program_name_set("numerics");
	if (!cpu && (argc != 2 || strcmp(argv[1], "gpu"))) {
		fputs("usage: numerics cpu|gpu\n\nPrints the classes of equal results of this CPU or GPU, which are a part of "
			"keys.\n", stderr);
		return 2;
	}
	if (cpu)
		print_cpu();
	else
		print_gpu();
	return output_end(0);
}
