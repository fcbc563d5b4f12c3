/* Which GPU is here, asked of the driver without the CUDA runtime: plain C that tools/numerics.c links too, whose build
 * must not wait for kernels. Nothing is taken on the GPU.
 *
 * Driver and cuBLASLt are opened when first wanted (dlopen): programs start where there is neither. */
#ifndef QG_OPS_CUDA_DEVICE_H
#define QG_OPS_CUDA_DEVICE_H

#include <stddef.h>

struct cuda_device {
	int major, minor;     /* compute capability */
	int processors;       /* multiprocessors */
	void *cublaslt;       /* the library, for dlsym() */
	size_t version;       /* of cuBLASLt: 130100 is 13.1.0 */
	/* Class of equal results: "cuda-sm90x132-cublaslt13.1.0-nvcc13.0". Architecture, number of multiprocessors and
	 * library decide which kernels cuBLASLt runs; exp() and log() of our kernels are those of the compiler. */
	char numerics[96];
	/* Of activations rounded to bf16: "cuda-bf16.2-sm90x132-cublaslt13.1.0-nvcc13.0". The 2 counts the times that what
	 * is rounded changed: results of before are none of now, while those of other classes stay. */
	char numerics_bf16[96];
	char name[96];        /* "NVIDIA H100 80GB HBM3" */
	char driver_path[1024], cublaslt_path[1024]; /* the files of both libraries */
};

/* The first GPU that $CUDA_VISIBLE_DEVICES leaves. Looked for once a process; NULL after fail(): this build has no CUDA
 * code, there is no driver or too old a one, no GPU or too old a one, no cuBLASLt. Borrowed, static. */
const struct cuda_device *cuda_device_find(void);

#endif
