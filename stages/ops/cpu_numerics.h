/* The class of equal results of the CPU: which BLAS multiplies, by which of its kernels, and whose exp(), log(), pow() and
 * sincos() are used, whose last bits differ between versions. */
#ifndef QG_OPS_CPU_NUMERICS_H
#define QG_OPS_CPU_NUMERICS_H

enum { CPU_NUMERICS_MAX = 96 };

/* "cpu-ref-openblas0.3.21-haswell-glibc2.36". Needs the BLAS: a program that calls this loads it. */
void cpu_numerics(char name[CPU_NUMERICS_MAX]);

#endif
