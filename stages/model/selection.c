#include "model/selection.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"

void selection_init(struct selection *s, size_t all)
{
	*s = (struct selection){.all = all};
	s->named = mem_zeroed(all, sizeof *s->named);
	s->batches = mem_array(all, sizeof *s->batches);
	s->index = mem_array(all, sizeof *s->index);
	s->place = mem_zeroed(all, sizeof *s->place);
}

void selection_release(struct selection *s)
{
	free(s->named);
	free(s->batches);
	free(s->index);
	free(s->place);
}

void selection_add(struct selection *s, const size_t *index, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert(index[i] < s->all);
		s->named[index[i]] = 1;
	}
}

void selection_finish(struct selection *s, const struct batch *batches)
{
	for (size_t b = 0; b < s->all; b++)
		if (s->named[b]) {
			s->batches[s->count] = batches[b];
			s->index[s->count] = b;
			s->place[b] = s->count++;
		}
}
