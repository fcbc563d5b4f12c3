/* What the GPU could do at most, measured now: what a bench compares with. Only builds with CUDA have it. */
#ifndef QG_OPS_CUDA_LIMITS_H
#define QG_OPS_CUDA_LIMITS_H

#include <stddef.h>

struct cuda_limits {
	double flops;      /* bf16 products of 8192 x 8192 x 8192 with fp32 sums, FLOP/s */
	double copy;       /* device to device, bytes read and written a second */
	double upload;     /* host memory that is locked to device, bytes/s */
};

/* On a started device (ops->sync()); takes some 100 ms and 2 GiB. */
struct cuda_limits cuda_limits_measure(void);

/* Bytes of the GPU's memory that are in use, by whomever. */
size_t cuda_limits_used(void);

#endif
