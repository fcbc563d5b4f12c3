#include "generator/feasible.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

/* Of autoquant all counts but how much is scored and on what, which many cells differ in. */
static void add_problem(struct strbuf *to, const cJSON *view)
{
	static const char *const options[] = {"effective_bits", "cost", "allow_none", "include", "exclude"};
	json_canonical(to, json_nested(view, "model", "path"));
	json_canonical(to, json_nested(view, "quantizer", "formats"));
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		strbuf_addc(to, '\n');
		json_canonical(to, json_nested(view, "autoquant", options[i]));
	}
}

enum search_ahead_result feasible_check(struct feasible *f, const cJSON *view)
{
	if (!f->key.s)
		strbuf_init(&f->key);
	strbuf_clear(&f->key);
	add_problem(&f->key, view);
	size_t *known = hash_map_at(&f->index, f->key.s, f->key.length);
	if (*known == HASH_MAP_NEW) {
		enum search_ahead_result result = search_ahead_check(&f->ahead, view);
		MEM_GROW(f->answers, f->count, f->capacity);
		f->answers[f->count].result = result;
		f->answers[f->count].reason = result == SEARCH_AHEAD_OK ? NULL : mem_strdup(error_text());
		*known = f->count++;
		f->readable |= !f->ahead.unreadable;
	}
	if (f->answers[*known].reason)
		fail("%s", f->answers[*known].reason);
	return f->answers[*known].result;
}

void feasible_release(struct feasible *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->answers[i].reason);
	search_ahead_release(&f->ahead);
	hash_map_release(&f->index);
	strbuf_release(&f->key);
	free(f->answers);
	*f = (struct feasible){0};
}
