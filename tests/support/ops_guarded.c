#include "ops_guarded.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>


/* A program runs one thread here, so plain globals do. Memory is handed out from the bottom and never again until all
 * is released: a buffer used after its release is open or not as any other, but never shared. */
static struct {
	char *base;
	size_t used;     /* bytes, whole pages */
	size_t live;     /* buffers */
	int open;        /* operations under way */
} arena;

enum { PAGE = 4096 };
static const size_t arena_bytes = (size_t)8 << 30;

static void require(int condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "ops_guarded: %s\n", what);
		abort();
	}
}

static void protect(int rights)
{
	require(!arena.used || !mprotect(arena.base, arena.used, rights), "mprotect failed");
}

static int in_arena(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)arena.base && (uintptr_t)p < (uintptr_t)arena.base + arena_bytes;
}

static void device(const void *p)
{
	require(in_arena(p), "an operation got host memory where a buffer is wanted");
}

static void host(const void *p)
{
	require(!in_arena(p), "an operation got a buffer where host memory is wanted");
}

static void enter(void)
{
	require(!arena.open++, "operations do not nest");
	protect(PROT_READ | PROT_WRITE);
}

static void leave(void)
{
	arena.open--;
	protect(PROT_NONE);
}

static void *guarded_alloc(size_t bytes)
{
	if (!arena.base) {
		arena.base = mmap(NULL, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		require(arena.base != MAP_FAILED, "no address space");
	}
	size_t taken = (bytes / PAGE + 1) * PAGE;
	require(taken <= arena_bytes - arena.used, "the arena is full");
	char *p = arena.base + arena.used;
	arena.used += taken;
	arena.live++;
	return p;
}

static void guarded_release(void *p)
{
	if (!p)
		return;
	device(p);
	if (--arena.live)
		return;
	require(!madvise(arena.base, arena.used, MADV_DONTNEED), "madvise failed");
	arena.used = 0;
}

size_t ops_guarded_live(void)
{
	return arena.live;
}

static void guarded_upload(void *to, const void *from, size_t bytes)
{
	device(to);
	host(from);
	enter();
	ops_cpu()->upload(to, from, bytes);
	leave();
}

static void guarded_download(void *to, const void *from, size_t bytes)
{
	host(to);
	device(from);
	enter();
	ops_cpu()->download(to, from, bytes);
	leave();
}

static void guarded_pin(const void *memory, size_t bytes)
{
	(void)bytes;
	host(memory);
}

static void guarded_unpin(const void *memory)
{
	host(memory);
}

static void guarded_weight_load(dev_weight *to, const void *from, enum dtype dtype, size_t count)
{
	device(to);
	host(from);
	enter();
	ops_cpu()->weight_load(to, from, dtype, count);
	leave();
}

static int guarded_for_each(size_t count, pool_work *work, void *context)
{
	for (size_t i = 0; i < count; i++)
		if (work(context, i, 0))
			return -1;
	return 0;
}

static size_t guarded_workers(void)
{
	return 1;
}

static int guarded_sync(void)
{
	return 0;
}

static void guarded_embed(dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H)
{
	device(out), device(table), device(ids);
	enter();
	ops_cpu()->embed(out, table, ids, T, H);
	leave();
}

static void guarded_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	device(y), device(x), device(W);
	enter();
	ops_cpu()->linear(y, x, W, T, in, out, beta);
	leave();
}

static void guarded_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in,
	size_t out, float beta)
{
	device(dx), device(dy), device(W);
	enter();
	ops_cpu()->linear_backward(dx, dy, W, T, in, out, beta);
	leave();
}

static void guarded_linear_quantized(dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T,
	size_t in, size_t out, struct quantizer quantizer, float amax, int difference)
{
	device(y), device(scratch), device(x), device(W);
	enter();
	ops_cpu()->linear_quantized(y, scratch, x, W, T, in, out, quantizer, amax, difference);
	leave();
}

static void guarded_rmsnorm(dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n)
{
	device(y), device(x), device(w);
	enter();
	ops_cpu()->rmsnorm(y, x, w, eps, rows, n);
	leave();
}

static void guarded_rmsnorm_backward(dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
	size_t rows, size_t n, float beta)
{
	device(dx), device(dy), device(x), device(w);
	enter();
	ops_cpu()->rmsnorm_backward(dx, dy, x, w, eps, rows, n, beta);
	leave();
}

static void guarded_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd,
	int direction)
{
	device(x), device(position);
	enter();
	ops_cpu()->rope(x, position, theta, T, heads, hd, direction);
	leave();
}

static void guarded_attention(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	device(o), device(lse), device(q), device(k), device(v), host(packing.start);
	enter();
	ops_cpu()->attention(o, lse, q, k, v, packing, nh, nk, hd);
	leave();
}

static void guarded_attention_backward(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing,
	size_t nh, size_t nk, size_t hd)
{
	device(dq), device(dk), device(dv), device(dO), device(o), device(lse), device(q), device(k), device(v);
	host(packing.start);
	enter();
	ops_cpu()->attention_backward(dq, dk, dv, dO, o, lse, q, k, v, packing, nh, nk, hd);
	leave();
}

static void guarded_swiglu(dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n)
{
	device(a), device(g), device(u);
	enter();
	ops_cpu()->swiglu(a, g, u, n);
	leave();
}

static void guarded_swiglu_backward(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u,
	size_t n)
{
	device(dg), device(du), device(da), device(g), device(u);
	enter();
	ops_cpu()->swiglu_backward(dg, du, da, g, u, n);
	leave();
}

static void guarded_add(dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n)
{
	device(y), device(a), device(b);
	enter();
	ops_cpu()->add(y, a, b, n);
	leave();
}

static void guarded_cross_entropy(dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
	const dev_f64 *scale, size_t T, size_t V)
{
	device(dlogits), device(loss), device(logits), device(label), device(scale);
	enter();
	ops_cpu()->cross_entropy(dlogits, loss, logits, label, scale, T, V);
	leave();
}

static void guarded_amax(dev_f32 *amax, const dev_f32 *x, size_t count)
{
	device(amax), device(x);
	enter();
	ops_cpu()->amax(amax, x, count);
	leave();
}

static void guarded_weight_amax(float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer)
{
	host(amax), device(W);
	enter();
	ops_cpu()->weight_amax(amax, W, out, in, quantizer);
	leave();
}

static void guarded_quantize(dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer,
	float amax, int difference)
{
	device(to), device(x);
	enter();
	ops_cpu()->quantize(to, x, rows, cols, quantizer, amax, difference);
	leave();
}

static void guarded_quantize_weight(dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
	struct quantizer quantizer, const float *amax, int difference)
{
	device(to), device(W), host(amax);
	enter();
	ops_cpu()->quantize_weight(to, W, row0, rows, in, quantizer, amax, difference);
	leave();
}

static void guarded_input_error(dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols,
	struct quantizer quantizer, float amax)
{
	device(sums), device(x), host(packing.start);
	enter();
	ops_cpu()->input_error(sums, x, packing, cols, quantizer, amax);
	leave();
}

static void guarded_weight_error(dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count)
{
	device(sums), device(q), device(W);
	enter();
	ops_cpu()->weight_error(sums, q, W, count);
	leave();
}

static void guarded_output_error(dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g, const dev_f32 *y,
	size_t T, size_t cols, size_t stride, size_t col0)
{
	device(sums), device(d), device(g), device(y);
	if (e)
		device(e);
	enter();
	ops_cpu()->output_error(sums, d, e, g, y, T, cols, stride, col0);
	leave();
}

/* NULL is no buffer where an operation says what it means. */
static void device_if(const void *memory)
{
	if (memory)
		device(memory);
}

static void guarded_change_apply(dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T,
	size_t n)
{
	device(y), device(x), device(base), device_if(d);
	enter();
	ops_cpu()->change_apply(y, x, base, d, T, n);
	leave();
}

static void guarded_change_from(dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T, size_t n)
{
	device(d), device_if(y), device_if(x), device_if(base);
	enter();
	ops_cpu()->change_from(d, y, x, base, T, n);
	leave();
}

static void guarded_linear_change(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	device(y), device(d), device(W);
	enter();
	ops_cpu()->linear_change(y, d, W, T, in, out, beta);
	leave();
}

static void guarded_rmsnorm_change(dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base,
	const dev_weight *w, double eps, size_t T, size_t heads, size_t n)
{
	device(dy), device(d), device(x), device(base), device(w);
	enter();
	ops_cpu()->rmsnorm_change(dy, d, x, base, w, eps, T, heads, n);
	leave();
}

static void guarded_attention_change(dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv,
	const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh,
	size_t nk, size_t hd)
{
	device(dO), device(dq), device(dk), device(dv), device(q), device(k), device(v), device(base);
	host(packing.start);
	enter();
	ops_cpu()->attention_change(dO, dq, dk, dv, q, k, v, base, packing, nh, nk, hd);
	leave();
}

static void guarded_swiglu_change(dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g,
	const dev_f32 *u, const dev_i32 *base, size_t T, size_t n)
{
	device(da), device(dg), device(du), device(g), device(u), device(base);
	enter();
	ops_cpu()->swiglu_change(da, dg, du, g, u, base, T, n);
	leave();
}

static void guarded_softmax(dev_f32 *p, const dev_f32 *z, size_t T, size_t V)
{
	device(p), device(z);
	enter();
	ops_cpu()->softmax(p, z, T, V);
	leave();
}

static void guarded_divergence(dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base,
	size_t first, const dev_i32 *label, size_t T, size_t V)
{
	device(kl), device(loss), device(p), device(d), device(base), device(label);
	enter();
	ops_cpu()->divergence(kl, loss, p, d, base, first, label, T, V);
	leave();
}

static size_t guarded_memory_free(void)
{
	return 0;
}

const struct ops *ops_guarded(void)
{
	static const struct ops table = {
		.name = "guarded",
		.numerics = "cpu-ref",
		.weight_bytes = sizeof(float),
		.slice_rows = 1024,
		.alloc = guarded_alloc,
		.release = guarded_release,
		.memory_free = guarded_memory_free,
		.upload = guarded_upload,
		.download = guarded_download,
		.pin = guarded_pin,
		.unpin = guarded_unpin,
		.weight_ahead = guarded_pin,
		.weight_load = guarded_weight_load,
		.for_each = guarded_for_each,
		.workers = guarded_workers,
		.sync = guarded_sync,
		.embed = guarded_embed,
		.linear = guarded_linear,
		.linear_backward = guarded_linear_backward,
		.linear_quantized = guarded_linear_quantized,
		.rmsnorm = guarded_rmsnorm,
		.rmsnorm_backward = guarded_rmsnorm_backward,
		.rope = guarded_rope,
		.attention = guarded_attention,
		.attention_backward = guarded_attention_backward,
		.swiglu = guarded_swiglu,
		.swiglu_backward = guarded_swiglu_backward,
		.add = guarded_add,
		.cross_entropy = guarded_cross_entropy,
		.amax = guarded_amax,
		.weight_amax = guarded_weight_amax,
		.quantize = guarded_quantize,
		.quantize_weight = guarded_quantize_weight,
		.input_error = guarded_input_error,
		.weight_error = guarded_weight_error,
		.output_error = guarded_output_error,
		.change_apply = guarded_change_apply,
		.change_from = guarded_change_from,
		.linear_change = guarded_linear_change,
		.rmsnorm_change = guarded_rmsnorm_change,
		.attention_change = guarded_attention_change,
		.swiglu_change = guarded_swiglu_change,
		.softmax = guarded_softmax,
		.divergence = guarded_divergence,
	};
	return &table;
}
