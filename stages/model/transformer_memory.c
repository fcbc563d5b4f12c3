#include "model/packs.h"
#include "model/pass.h"

/* The largest run of packs whose visible slots stay within so many bytes, in floats: as pass.c cuts them. */
static size_t run_floats(const struct lm_config *config, const struct packs *packs, unsigned visible, size_t limit)
{
	size_t most = 0, floats = 0;
	for (size_t p = 0; p < packs->count; p++) {
		size_t more = frame_floats(config, visible, packs->pack[p].tokens);
		floats = floats && floats + more <= limit / sizeof(float) ? floats + more : more;
		most = floats > most ? floats : most;
	}
	return most;
}

struct sizes {
	const struct ops *ops;
	const struct lm_config *config;
	struct packs packs;
	size_t longest; /* tokens of a pack */
};

static size_t room_bytes(const struct sizes *s, unsigned visible, unsigned all, size_t limit)
{
	size_t workers = s->ops->workers() < s->packs.count ? s->ops->workers() : s->packs.count;
	return sizeof(float) * (run_floats(s->config, &s->packs, visible, limit) +
		workers * frame_floats(s->config, all & ~visible, s->longest));
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t rooms_bytes(const struct sizes *s, int backward, size_t run_bytes)
{
	const size_t all = (size_t)-1;
	const unsigned head = SLOT_BIT(SLOT_F), loss = head | SLOT_BIT(SLOT_LOGITS) | SLOT_BIT(SLOT_D_LOGITS);
	if (!backward)
		return larger(room_bytes(s, layer_input_slots(), layer_forward_slots, all), room_bytes(s, head, head, all));
	return larger(room_bytes(s, 0, layer_forward_slots, all),
		larger(room_bytes(s, loss, loss | SLOT_BIT(SLOT_D_NORM), run_bytes ? run_bytes : TRANSFORMER_HEAD_RUN),
			room_bytes(s, layer_visible_slots(), layer_backward_slots, run_bytes ? run_bytes : TRANSFORMER_LAYER_RUN)));
}

size_t transformer_pass_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t count, int backward, size_t run_bytes)
{
	struct sizes s = {.ops = ops, .config = config};
	size_t levels = backward ? config->layers + 2 : 2, tokens = 0, floats = 0;
	packs_init(&s.packs, batches, count, ops->pack_tokens);
	for (size_t p = 0; p < s.packs.count; p++) {
		s.longest = larger(s.longest, s.packs.pack[p].tokens);
		tokens += s.packs.pack[p].tokens;
		floats += frame_floats(config, SLOT_BIT(SLOT_MIDDLE), s.packs.pack[p].tokens);
	}
	size_t bytes = pass_token_bytes(s.packs.pack, s.packs.count) + levels * floats * sizeof(float) +
		(backward ? 2 * tokens * sizeof(double) : 0) + rooms_bytes(&s, backward, run_bytes);
	packs_release(&s.packs);
	return bytes;
}
