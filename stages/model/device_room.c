#include "model/device_room.h"

#include "common/error.h"

/* A checkpoint's bytes of the largest weight; the next layer's weights on their way, 8 at most, and bf16 parts of those
 * that are kept, 32 of up to three parts; and what products and sums want. */
static size_t workspace_bytes(const struct lm_config *config)
{
	const size_t least = (size_t)512 << 20, kept_most = (size_t)3 << 30;
	const size_t one = config->intermediate_size * config->hidden_size, kept = 32 * 6 * one;
	size_t rows = config->vocab_size > config->intermediate_size ? config->vocab_size : config->intermediate_size;
	return least + 2 * rows * config->hidden_size + 8 * 2 * one + (kept < kept_most ? kept : kept_most);
}

int device_room(const struct ops *ops, const struct lm_config *config, device_need *need, const void *context,
	size_t *run_bytes, const char *what)
{
	const size_t largest = (size_t)1 << 30, smallest = (size_t)1 << 20;
	const size_t left = ops->memory_free(), besides = workspace_bytes(config);
	if (!left || need(context, *run_bytes) + besides <= left)
		return 0;
	for (size_t run = largest; run >= smallest; run /= 4)
		if ((!*run_bytes || run < *run_bytes) && need(context, run) + besides <= left) {
			*run_bytes = run;
			return 0;
		}
	*run_bytes = 1;
	if (need(context, 1) + besides <= left)
		return 0;
	return fail("%s takes %zu MiB of GPU memory at least, and %zu MiB are free: end what else uses the GPU, take fewer or "
		"shorter captions (autoquant.score_size, dataset.max_calib_samples, dataset.calib_seq_len), or "
		"autoquant.device=cpu", what, (need(context, 1) + besides) >> 20, left >> 20);
}
