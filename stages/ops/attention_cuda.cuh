/* Tiles of query rows of packed sequences, on the device. Private to the CUDA instances of attention. */
#ifndef QG_OPS_ATTENTION_CUDA_CUH
#define QG_OPS_ATTENTION_CUDA_CUH

#include "ops/cuda.cuh"

struct tile {
	int32_t first, rows;    /* rows of the batch */
	int32_t start, length;  /* of its sequence */
};

/* The sequences of above+1 .. most tokens in tiles of at most rows rows, cut from the start of each: the bits of a
 * sequence depend on it alone. Borrowed until the next call; *count may come out 0. */
const struct tile *cuda_tiles(struct packing packing, int32_t rows, int32_t above, int32_t most, unsigned *count);

/* More than 48 KB of a block's memory have to be asked for. */
template <typename K> static inline void cuda_allow_shared(K *kernel, size_t bytes)
{
	CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
}

enum { HEAD_MAX = 256 };

/* Notes a failure where heads are wider than HEAD_MAX. */
int cuda_heads_fit(size_t nh, size_t nk, size_t hd);

#endif
