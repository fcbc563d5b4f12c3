#include "ops/cpu_numerics.h"

#include <cblas.h>
#include <ctype.h>
#include <gnu/libc-version.h>
#include <stdio.h>

void cpu_numerics(char name[CPU_NUMERICS_MAX])
{
	char version[32] = "";
	sscanf(openblas_get_config(), "OpenBLAS %31s", version);
	snprintf(name, CPU_NUMERICS_MAX, "cpu-ref-openblas%s-%s-glibc%s", version, openblas_get_corename(),
		gnu_get_libc_version());
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
}
