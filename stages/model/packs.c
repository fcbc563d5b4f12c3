#include "model/packs.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static void pack_append(struct batch *pack, int32_t *ids, int32_t *start, const struct batch *b)
{
	memcpy(ids + pack->tokens, b->ids, b->tokens * sizeof *ids);
	for (size_t s = 0; s <= b->sequences; s++)
		start[pack->sequences + s] = (int32_t)pack->tokens + b->start[s];
	pack->tokens += b->tokens;
	pack->sequences += b->sequences;
}

void packs_init(struct packs *p, const struct batch *batches, size_t count, size_t tokens_most)
{
	size_t tokens = 0, starts = 0;
	for (size_t b = 0; b < count; b++) {
		tokens += batches[b].tokens;
		starts += batches[b].sequences + 1;
	}
	*p = (struct packs){
		.pack = mem_zeroed(count, sizeof *p->pack),
		.first = mem_array(count + 1, sizeof *p->first),
		.memory = mem_array(tokens + starts, sizeof *p->memory),
	};
	int32_t *ids = p->memory, *start = p->memory + tokens;
	for (size_t b = 0; b < count; p->count++) {
		struct batch *pack = &p->pack[p->count];
		pack->ids = ids;
		pack->start = start;
		p->first[p->count] = b;
		do
			pack_append(pack, ids, start, &batches[b++]);
		while (b < count && pack->tokens + batches[b].tokens <= tokens_most);
		ids += pack->tokens;
		start += pack->sequences + 1;
	}
	p->first[p->count] = count;
}

void packs_release(struct packs *p)
{
	free(p->pack);
	free(p->first);
	free(p->memory);
}
