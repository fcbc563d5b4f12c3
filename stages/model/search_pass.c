/* Dynamic programming over the items, last to first, by lists of undominated (cost, score) pairs; search.c says why. */
#include "model/search_solver.h"

#include <stdlib.h>

#include "common/memory.h"

static void open_options(struct solver *s, double limit)
{
	uint64_t least = 0, most = 0;
	for (size_t g = 0; g < s->count; g++) {
		struct item *it = &s->items[g];
		it->open = 0;
		for (size_t i = 0; i < it->count; i++)
			if (it->options[i].loss <= limit)
				it->order[it->open++] = i;
		assert(it->open);
		least += it->options[it->order[0]].cost;
		most += it->options[it->order[it->open - 1]].cost;
		it->least = least;
		it->most = most;
	}
}

/* Whether a choice for the items from item on can still become a solution within the limit. */
static int worth_keeping(const struct solver *s, size_t item, const struct state *state, double limit)
{
	uint64_t least = item ? s->items[item - 1].least : 0, most = item ? s->items[item - 1].most : 0;
	if (state->cost + least > s->budget)
		return 0;
	double idle = state->cost + most < s->budget ? (double)(s->budget - state->cost - most) : 0;
	return state->loss + s->lambda * idle <= limit;
}

static struct state state_add(const struct state *state, const struct option *option, size_t before, size_t index)
{
	return (struct state){state->cost + option->cost, state->score + option->score, state->loss + option->loss,
		(uint32_t)before, (uint32_t)index};
}

/* An item with one open option moves all states alike. */
static void shift_states(struct solver *s, size_t item)
{
	const struct option *option = &s->items[item].options[s->items[item].order[0]];
	for (size_t i = 0; i < s->state_count; i++) {
		s->states[i].cost += option->cost;
		s->states[i].score += option->score;
		s->states[i].loss += option->loss;
	}
}

/* Where a merge is in the lists states + option, one for each open option. Their costs stand by themselves: looking for
 * the least of them is what a search spends its time on. */
struct heads {
	size_t at[SEARCH_CHOICES_MAX];
	uint64_t cost[SEARCH_CHOICES_MAX]; /* UINT64_MAX behind the end */
};

static void heads_set(struct heads *heads, const struct solver *s, const struct item *it, size_t list, size_t at)
{
	heads->at[list] = at;
	heads->cost[list] = at < s->state_count ? s->states[at].cost + it->options[it->order[list]].cost : UINT64_MAX;
}

/* The smallest of the heads, 0 when there is none. Of equals that of the smallest choice. */
static int next_candidate(const struct solver *s, const struct item *it, const struct heads *heads, struct state *best,
	size_t *which)
{
	uint64_t least = UINT64_MAX;
	int found = 0;
	for (size_t k = 0; k < it->open; k++)
		least = heads->cost[k] < least ? heads->cost[k] : least;
	for (size_t k = 0; k < it->open && least < UINT64_MAX; k++) {
		if (heads->cost[k] != least)
			continue;
		const struct option *option = &it->options[it->order[k]];
		struct state candidate = state_add(&s->states[heads->at[k]], option, heads->at[k], it->order[k]);
		if (!found || candidate.score < best->score ||
			(candidate.score == best->score && option->choice < it->options[best->option].choice)) {
			*best = candidate;
			*which = k;
			found = 1;
		}
	}
	return found;
}

/* Merges the lists states + option for each open option into the undominated ones. -1 when there are too many. */
static int merge_states(struct solver *s, size_t item, double limit)
{
	const struct item *it = &s->items[item];
	struct heads heads;
	struct state candidate;
	size_t which = 0;
	s->next_count = 0;
	for (size_t k = 0; k < it->open; k++)
		heads_set(&heads, s, it, k, 0);
	while (next_candidate(s, it, &heads, &candidate, &which)) {
		heads_set(&heads, s, it, which, heads.at[which] + 1);
		if (s->made++ == s->made_max)
			return -1;
		if (s->next_count && candidate.score >= s->next[s->next_count - 1].score)
			continue;
		if (!worth_keeping(s, item, &candidate, limit))
			continue;
		if (s->next_count == s->list_max)
			return -1;
		MEM_GROW(s->next, s->next_count, s->next_capacity);
		s->next[s->next_count++] = candidate;
	}
	struct trail *trail = s->trails[item] = mem_array(s->next_count, sizeof *trail);
	for (size_t i = 0; i < s->next_count; i++)
		trail[i] = (struct trail){s->next[i].before, s->next[i].option};
	struct state *states = s->states;
	size_t capacity = s->state_capacity;
	s->states = s->next, s->state_count = s->next_count, s->state_capacity = s->next_capacity;
	s->next = states, s->next_capacity = capacity;
	return 0;
}

void solver_follow(struct solver *s, size_t state)
{
	size_t at = state;
	for (size_t g = 0; g < s->count; g++) {
		if (!s->trails[g]) {
			s->best[g] = s->items[g].order[0];
			continue;
		}
		s->best[g] = s->trails[g][at].option;
		at = s->trails[g][at].before;
	}
}

int solver_pass(struct solver *s, double limit)
{
	int bad = 0;
	open_options(s, limit);
	MEM_GROW(s->states, (size_t)0, s->state_capacity);
	s->states[0] = (struct state){0};
	s->state_count = 1;
	s->made = 0;
	for (size_t g = s->count; g-- > 0 && s->state_count && !bad;) {
		if (s->items[g].open == 1)
			shift_states(s, g);
		else
			bad = merge_states(s, g, limit);
	}
	/* Items of one option came without a check: what is too dear after the last of them is out. */
	while (s->state_count && s->states[s->state_count - 1].cost > s->budget)
		s->state_count--;
	return bad;
}

void solver_pass_end(struct solver *s)
{
	for (size_t g = 0; g < s->count; g++) {
		free(s->trails[g]);
		s->trails[g] = NULL;
	}
}
