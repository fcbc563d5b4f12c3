#include "model/ops_timed.h"

#include <pthread.h>
#include <stdlib.h>

#include "graph/stage.h"

static const struct ops *real;
static pthread_t first_thread;

static const char *begin(const char *phase)
{
	return pthread_equal(pthread_self(), first_thread) ? stage_phase(phase) : NULL;
}

/* A failure comes out at the program's own sync(). */
static void end(const char *before)
{
	if (!before)
		return;
	(void)real->sync();
	stage_phase(before);
}

#define TIMED(phase, name, parameters, arguments) \
	static void timed_##name parameters \
	{ \
		const char *before = begin(phase); \
		real->name arguments; \
		end(before); \
	}

TIMED("loading", upload, (void *device, const void *host, size_t bytes), (device, host, bytes))
TIMED("loading", download, (void *host, const void *device, size_t bytes), (host, device, bytes))
TIMED("loading", weight_load, (dev_weight *to, const void *host, enum dtype dtype, size_t count),
	(to, host, dtype, count))

TIMED("products", linear,
	(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out, float beta),
	(y, x, W, T, in, out, beta))
TIMED("products", linear_backward,
	(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in, size_t out, float beta),
	(dx, dy, W, T, in, out, beta))

TIMED("products", linear_quantized, (dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T,
	size_t in, size_t out, struct quantizer quantizer, float amax, int difference),
	(y, scratch, x, W, T, in, out, quantizer, amax, difference))
TIMED("products", linear_change,
	(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out, float beta),
	(y, d, W, T, in, out, beta))

TIMED("forward", embed, (dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H),
	(out, table, ids, T, H))
TIMED("forward", rmsnorm, (dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n),
	(y, x, w, eps, rows, n))
TIMED("forward", rope,
	(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction),
	(x, position, theta, T, heads, hd, direction))
TIMED("forward", attention, (dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd), (o, lse, q, k, v, packing, nh, nk, hd))
TIMED("forward", swiglu, (dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n), (a, g, u, n))
TIMED("forward", add, (dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n), (y, a, b, n))
TIMED("forward", cross_entropy, (dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
	const dev_f64 *scale, size_t T, size_t V), (dlogits, loss, logits, label, scale, T, V))

TIMED("backward", rmsnorm_backward, (dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
	size_t rows, size_t n, float beta), (dx, dy, x, w, eps, rows, n, beta))
TIMED("backward", attention_backward, (dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing, size_t nh,
	size_t nk, size_t hd), (dq, dk, dv, dO, o, lse, q, k, v, packing, nh, nk, hd))
TIMED("backward", swiglu_backward,
	(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u, size_t n), (dg, du, da, g, u, n))

TIMED("quantize", amax, (dev_f32 *amax, const dev_f32 *x, size_t count), (amax, x, count))
TIMED("quantize", weight_amax, (float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer),
	(amax, W, out, in, quantizer))
TIMED("quantize", quantize, (dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer,
	float amax, int difference), (to, x, rows, cols, quantizer, amax, difference))
TIMED("quantize", quantize_weight, (dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
	struct quantizer quantizer, const float *amax, int difference),
	(to, W, row0, rows, in, quantizer, amax, difference))
TIMED("quantize", input_error, (dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols,
	struct quantizer quantizer, float amax), (sums, x, packing, cols, quantizer, amax))
TIMED("quantize", weight_error, (dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count),
	(sums, q, W, count))

TIMED("errors", output_error, (dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g, const dev_f32 *y,
	size_t T, size_t cols, size_t stride, size_t col0), (sums, d, e, g, y, T, cols, stride, col0))

TIMED("changes", change_apply, (dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T, size_t n),
	(y, x, base, d, T, n))
TIMED("changes", change_from, (dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T, size_t n),
	(d, y, x, base, T, n))
TIMED("changes", rmsnorm_change, (dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base,
	const dev_weight *w, double eps, size_t T, size_t heads, size_t n), (dy, d, x, base, w, eps, T, heads, n))
TIMED("changes", attention_change, (dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv,
	const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh,
	size_t nk, size_t hd), (dO, dq, dk, dv, q, k, v, base, packing, nh, nk, hd))
TIMED("changes", swiglu_change, (dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g, const dev_f32 *u,
	const dev_i32 *base, size_t T, size_t n), (da, dg, du, g, u, base, T, n))
TIMED("changes", softmax, (dev_f32 *p, const dev_f32 *z, size_t T, size_t V), (p, z, T, V))
TIMED("changes", divergence, (dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base,
	size_t first, const dev_i32 *label, size_t T, size_t V), (kl, loss, p, d, base, first, label, T, V))

const struct ops *ops_timed(const struct ops *ops)
{
	static struct ops table;
	if (!getenv("QUANTGRID_TIMES_OPS"))
		return ops;
	real = ops;
	first_thread = pthread_self();
	table = *ops;
#define TAKE(name) table.name = timed_##name
	TAKE(upload);
	TAKE(download);
	TAKE(weight_load);
	TAKE(linear);
	TAKE(linear_backward);
	TAKE(embed);
	TAKE(rmsnorm);
	TAKE(rope);
	TAKE(attention);
	TAKE(swiglu);
	TAKE(add);
	TAKE(cross_entropy);
	TAKE(rmsnorm_backward);
	TAKE(attention_backward);
	TAKE(swiglu_backward);
	TAKE(amax);
	TAKE(weight_amax);
	TAKE(quantize);
	TAKE(quantize_weight);
	TAKE(input_error);
	TAKE(weight_error);
	TAKE(output_error);
	TAKE(linear_quantized);
	TAKE(linear_change);
	TAKE(change_apply);
	TAKE(change_from);
	TAKE(rmsnorm_change);
	TAKE(attention_change);
	TAKE(swiglu_change);
	TAKE(softmax);
	TAKE(divergence);
	return &table;
}
