#include "ops_packing.h"

#include <stdlib.h>

#include "common/memory.h"

static void packing_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	for (size_t t = 0; t < T; t++)
		ops_cpu()->linear(f32_at(y, t * out), f32_at_const(x, t * in), W, 1, in, out, beta);
}

/* In new memory. */
static float *rounded(const void *from, size_t count)
{
	uint16_t *narrow = mem_array(count, sizeof *narrow);
	float *to = mem_array(count, sizeof *to);
	dtype_narrow(DTYPE_BF16, from, count, narrow);
	dtype_widen(DTYPE_BF16, narrow, count, to);
	free(narrow);
	return to;
}

static void packing_linear_change(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	float *change = rounded(d, T * in), *weight = rounded(W, out * in);
	packing_linear(y, (const dev_f32 *)change, (const dev_weight *)weight, T, in, out, beta);
	free(change);
	free(weight);
}

const struct ops *ops_packing(void)
{
	static struct ops table;
	table = *ops_cpu();
	table.name = "packing";
	table.pack_tokens = 16;
	table.linear = packing_linear;
	table.linear_change = packing_linear_change;
	return &table;
}
