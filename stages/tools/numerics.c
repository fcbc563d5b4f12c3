/* numerics: prints the class of equal results of this CPU, "cpu-ref-openblas0.3.21-haswell" (ops/cpu_numerics.h).
 *
 *     build/bin/numerics
 *
 * The generator asks, for the keys, and does not ask the BLAS itself: that starts a thread a processor, which spin while
 * a grid is laid out, and brings in libquadmath, which makes every printf of the program four times slower. With ten
 * thousand cells that was a quarter of the time.
 */
#include <stdio.h>

#include "common/error.h"
#include "ops/cpu_numerics.h"

int main(int argc, char **argv)
{
	char name[CPU_NUMERICS_MAX];
	(void)argv;
	program_name_set("numerics");
	if (argc > 1) {
		fputs("usage: numerics\n\nPrints the class of equal results of this CPU, which is a part of keys.\n", stderr);
		return 2;
	}
	cpu_numerics(name);
	puts(name);
	return output_end(0);
}
