#include "model/pass.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"

void batch_tokens(int32_t *ids, int32_t *position, int32_t *label, const struct batch *b, size_t vocab)
{
	for (size_t s = 0; s < b->sequences; s++) {
		assert(b->start[s] >= 0 && b->start[s] < b->start[s + 1]);
		for (int32_t t = b->start[s]; t < b->start[s + 1]; t++) {
			assert(b->ids[t] >= 0 && (size_t)b->ids[t] < vocab);
			ids[t] = b->ids[t];
			position[t] = t - b->start[s];
			label[t] = t + 1 < b->start[s + 1] ? b->ids[t + 1] : -1;
		}
	}
}

size_t pass_token_bytes(const struct batch *batches, size_t count)
{
	size_t tokens = 0;
	for (size_t b = 0; b < count; b++)
		tokens += batches[b].tokens;
	return 3 * tokens * sizeof(int32_t);
}

/* One transfer for all: ids, positions, labels of one batch after the other. */
static void tokens_upload(struct pass *p, size_t total)
{
	int32_t *host = mem_array(3 * total, sizeof *host), *at = host;
	p->token_memory = p->ops->alloc(pass_token_bytes(p->batches, p->count));
	char *device = (char *)p->token_memory;
	for (size_t b = 0; b < p->count; b++) {
		size_t T = p->batches[b].tokens;
		batch_tokens(at, at + T, at + 2 * T, &p->batches[b], p->config->vocab_size);
		p->tokens[b].ids = (dev_i32 *)device;
		p->tokens[b].position = (dev_i32 *)(device + T * sizeof *host);
		p->tokens[b].label = (dev_i32 *)(device + 2 * T * sizeof *host);
		device += 3 * T * sizeof *host;
		at += 3 * T;
	}
	p->ops->upload(p->token_memory, host, 3 * total * sizeof *host);
	free(host);
}

void pass_open(struct pass *p, const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t count, size_t levels)
{
	size_t total = 0;
	*p = (struct pass){.ops = ops, .config = config, .batches = batches, .count = count, .level_count = levels};
	p->tokens = mem_array(count, sizeof *p->tokens);
	p->frames = mem_zeroed(count, sizeof *p->frames);
	p->rows = mem_array(count, sizeof *p->rows);
	p->offset = mem_array(count + 1, sizeof *p->offset);
	p->offset[0] = 0;
	for (size_t b = 0; b < count; b++) {
		size_t T = batches[b].tokens;
		assert(batches[b].sequences > 0 && (size_t)batches[b].start[batches[b].sequences] == T);
		p->offset[b + 1] = p->offset[b] + frame_floats(config, SLOT_BIT(SLOT_MIDDLE), T);
		p->longest = T > p->longest ? T : p->longest;
		p->rows[b] = T;
		total += T;
	}
	tokens_upload(p, total);
	p->levels = f32_alloc(ops, levels * p->offset[count]);
}

void pass_close(struct pass *p)
{
	p->ops->release(p->token_memory);
	p->ops->release(p->levels);
	free(p->tokens);
	free(p->frames);
	free(p->rows);
	free(p->offset);
}

dev_f32 *pass_stream(const struct pass *p, size_t b, size_t level)
{
	return f32_at(p->levels, level % p->level_count * p->offset[p->count] + p->offset[b]);
}

static size_t visible_floats(const struct room *r, size_t b)
{
	return frame_floats(r->pass->config, r->visible, r->pass->rows[b]);
}

/* The end of the run that begins with a batch, and its floats. */
static size_t run_end(const struct room *r, size_t first, size_t *floats)
{
	size_t b = first + 1;
	*floats = visible_floats(r, first);
	for (; b < r->pass->count; b++) {
		size_t more = visible_floats(r, b);
		if (*floats + more > r->limit)
			break;
		*floats += more;
	}
	return b;
}

void room_open(struct room *r, struct pass *p, unsigned visible, unsigned all, size_t limit_bytes)
{
	size_t workers = p->ops->workers(), most = 0, floats;
	*r = (struct room){.pass = p, .visible = visible, .scratch = all & ~visible, .limit = limit_bytes / sizeof(float)};
	for (size_t b = 0; b < p->count; most = floats > most ? floats : most)
		b = run_end(r, b, &floats);
	r->scratch_floats = frame_floats(p->config, r->scratch, p->longest);
	workers = workers < p->count ? workers : p->count;
	r->run_memory = f32_alloc(p->ops, most);
	r->scratch_memory = f32_alloc(p->ops, workers * r->scratch_floats);
}

void room_close(struct room *r)
{
	r->pass->ops->release(r->run_memory);
	r->pass->ops->release(r->scratch_memory);
}

void room_begin(struct room *r, size_t first)
{
	struct pass *p = r->pass;
	size_t floats, used = 0, end = run_end(r, first, &floats);
	r->first = first;
	r->count = end - first;
	for (size_t b = first; b < end; b++) {
		frame_place(&p->frames[b], p->config, r->visible, p->rows[b], f32_at(r->run_memory, used));
		used += visible_floats(r, b);
	}
}

void room_scratch(const struct room *r, size_t b, size_t worker)
{
	const struct pass *p = r->pass;
	dev_f32 *memory = f32_at(r->scratch_memory, worker * r->scratch_floats);
	frame_place(&p->frames[b], p->config, r->scratch, p->rows[b], memory);
}
