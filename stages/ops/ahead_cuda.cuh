/* Weights on their way to the device while it computes. Private to the CUDA operations.
 *
 * Pages that are locked (pin) can be copied by the device itself, on a stream beside the one that computes: at 55 GB/s
 * rather than 9. What weight_ahead() names is copied into memory of its own and waits there for weight_load(). What is
 * in these pages does not change until unpin(), so their address says what they hold. Pages that could not be locked
 * are not copied ahead. Small copies of the other stream may have to wait for the large ones here.
 */
#ifndef QG_OPS_AHEAD_CUDA_CUH
#define QG_OPS_AHEAD_CUDA_CUH

#include "ops/cuda.cuh"

/* The operations pin, unpin and weight_ahead (ops.h), on a started device. */
void cuda_pin(const void *host, size_t bytes);
void cuda_unpin(const void *host);
void cuda_weight_ahead(const void *host, size_t bytes);

/* Where these bytes are on the device, for work on the stream from now on until cuda_ahead_done(); NULL when they were
 * not copied ahead. */
const void *cuda_ahead_take(const void *host, size_t bytes);
void cuda_ahead_done(const void *host);

#endif
