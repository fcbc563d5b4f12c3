#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "ops/attention.h"
#include "ops/change.h"
#include "ops/cpu_numerics.h"
#include "ops/cross_entropy.h"
#include "ops/divergence.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/ops.h"
#include "ops/quantize.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"

/* A cache line; also what the widest vectors want. */
enum { ALIGNMENT = 64 };

static void *cpu_alloc(size_t bytes)
{
	void *p;
	if (posix_memalign(&p, ALIGNMENT, bytes ? bytes : ALIGNMENT))
		return mem_array(bytes, 1); /* says how much was asked for, and ends the program */
	return p;
}

static void cpu_release(void *device)
{
	free(device);
}

static void cpu_copy(void *to, const void *from, size_t bytes)
{
	if (bytes)
		memcpy(to, from, bytes);
}

static size_t cpu_memory_free(void)
{
	return 0;
}

/* Hints that are of no use here. */
static void cpu_pin(const void *host, size_t bytes)
{
	(void)host, (void)bytes;
}

static void cpu_unpin(const void *host)
{
	(void)host;
}

static void cpu_weight_load(dev_weight *to, const void *host, enum dtype dtype, size_t count)
{
	dtype_widen(dtype, host, count, (float *)to);
}

static int cpu_sync(void)
{
	return 0;
}

/* Which products come out bit for bit alike: OpenBLAS chooses kernels by processor, and they sum in other orders. */
static char numerics[CPU_NUMERICS_MAX];

static const struct ops table = {
	.name = "cpu",
	.numerics = numerics,
	.weight_bytes = sizeof(float),
	.slice_rows = 1024,
	.alloc = cpu_alloc,
	.release = cpu_release,
	.memory_free = cpu_memory_free,
	.upload = cpu_copy,
	.download = cpu_copy,
	.pin = cpu_pin,
	.unpin = cpu_unpin,
	.weight_ahead = cpu_pin,
	.weight_load = cpu_weight_load,
	.for_each = pool_run,
	.workers = pool_threads,
	.sync = cpu_sync,
	.embed = cpu_embed,
	.linear = cpu_linear,
	.linear_backward = cpu_linear_backward,
	.rmsnorm = cpu_rmsnorm,
	.rmsnorm_backward = cpu_rmsnorm_backward,
	.rope = cpu_rope,
	.attention = cpu_attention,
	.attention_backward = cpu_attention_backward,
	.swiglu = cpu_swiglu,
	.swiglu_backward = cpu_swiglu_backward,
	.add = cpu_add,
	.cross_entropy = cpu_cross_entropy,
	.amax = cpu_amax,
	.weight_amax = cpu_weight_amax,
	.quantize = cpu_quantize,
	.linear_quantized = cpu_linear_quantized,
	.quantize_weight = cpu_quantize_weight,
	.input_error = cpu_input_error,
	.weight_error = cpu_weight_error,
	.output_error = cpu_output_error,
	.change_apply = cpu_change_apply,
	.change_from = cpu_change_from,
	.linear_change = cpu_linear,
	.rmsnorm_change = cpu_rmsnorm_change,
	.attention_change = cpu_attention_change,
	.swiglu_change = cpu_swiglu_change,
	.softmax = cpu_softmax,
	.divergence = cpu_divergence,
};

/* The threads of pool.h call the BLAS from many sides; threads of its own would change bits with their number, and
 * fight with ours for the processors. */
static void prepare(void)
{
	openblas_set_num_threads(1);
	cpu_numerics(numerics);
}

const struct ops *ops_cpu(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, prepare);
	return &table;
}
