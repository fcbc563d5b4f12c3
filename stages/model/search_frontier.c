/* All points of the trade-off at once: the dynamic programming of search_pass.c without a budget and without a limit.
 *
 * Corners of the hull need no search: the hull of a sum of sets is the sum of their hulls, so its steps are those of
 * the groups in the order of their gains. A gain is a quotient of a 128-bit and a 53-bit number; two are compared by
 * their cross products in 192 bits, since rounding would put near ones in the wrong order, or call a point on an edge a
 * corner.
 */
#include <math.h>
#include <stdlib.h>

#include "common/memory.h"
#include "model/search_solver.h"

struct vertex {
	uint64_t cost;
	fixed score;
};

/* From one corner of an item's hull to the next. */
struct hull_step {
	size_t item, to;      /* option index */
	uint64_t cost;        /* what it costs */
	fixed gain;           /* score it saves */
};

/* The sign of a * b - c * d. */
static int compare_products(fixed a, uint64_t b, fixed c, uint64_t d)
{
	fixed low_ab = (fixed)(uint64_t)a * b, low_cd = (fixed)(uint64_t)c * d;
	fixed high_ab = (a >> 64) * b + (low_ab >> 64), high_cd = (c >> 64) * d + (low_cd >> 64);
	if (high_ab != high_cd)
		return high_ab > high_cd ? 1 : -1;
	if ((uint64_t)low_ab != (uint64_t)low_cd)
		return (uint64_t)low_ab > (uint64_t)low_cd ? 1 : -1;
	return 0;
}

/* Whether the way from a to b gains more a unit of cost than that from b to c: then b is a corner. */
static int bends(const struct vertex *a, const struct vertex *b, const struct vertex *c)
{
	return compare_products(a->score - b->score, c->cost - b->cost, b->score - c->score, b->cost - a->cost) > 0;
}

/* Indices of the corners of the lower convex hull of v[0..count), whose costs rise and whose scores fall. */
static size_t hull_corners(const struct vertex *v, size_t count, size_t *corner)
{
	size_t made = 0;
	for (size_t i = 0; i < count; i++) {
		while (made > 1 && !bends(&v[corner[made - 2]], &v[corner[made - 1]], &v[i]))
			made--;
		corner[made++] = i;
	}
	return made;
}

static struct search_point point_of_best(const struct solver *s)
{
	struct search_result result;
	solver_answer(s, NULL, &result);
	return (struct search_point){.cost = result.cost, .score = result.score};
}

/* --- every point --- */

static void mark_hull(const struct solver *s, struct search_frontier *f)
{
	struct vertex *v = mem_array(f->count, sizeof *v);
	size_t *corner = mem_array(f->count, sizeof *corner);
	for (size_t i = 0; i < f->count; i++)
		v[i] = (struct vertex){s->states[i].cost, s->states[i].score};
	size_t corners = hull_corners(v, f->count, corner);
	for (size_t i = 0; i < corners; i++)
		f->points[corner[i]].hull = 1;
	free(corner);
	free(v);
}

static void take_states(struct solver *s, struct search_frontier *f)
{
	*f = (struct search_frontier){mem_array(s->state_count, sizeof *f->points), s->state_count, 1};
	for (size_t i = 0; i < f->count; i++) {
		solver_follow(s, i);
		f->points[i] = point_of_best(s);
	}
	mark_hull(s, f);
}

/* --- corners alone --- */

static size_t item_hull(const struct item *item, size_t index, struct hull_step *steps)
{
	struct vertex *v = mem_array(item->count, sizeof *v);
	size_t *corner = mem_array(item->count, sizeof *corner);
	for (size_t i = 0; i < item->count; i++)
		v[i] = (struct vertex){item->options[i].cost, item->options[i].score};
	size_t corners = hull_corners(v, item->count, corner);
	for (size_t i = 1; i < corners; i++) {
		const struct vertex *from = &v[corner[i - 1]], *to = &v[corner[i]];
		steps[i - 1] = (struct hull_step){index, corner[i], to->cost - from->cost, from->score - to->score};
	}
	free(corner);
	free(v);
	return corners - 1;
}

static int by_gain(const void *a, const void *b)
{
	const struct hull_step *x = a, *y = b;
	int order = compare_products(y->gain, x->cost, x->gain, y->cost);
	if (order)
		return order;
	return x->item < y->item ? -1 : x->item > y->item;
}

static int same_gain(const struct hull_step *x, const struct hull_step *y)
{
	return compare_products(x->gain, y->cost, y->gain, x->cost) == 0;
}

/* Between two steps of equal gain there is no corner, but a point on an edge. */
static void take_corners(struct solver *s, struct search_frontier *f)
{
	size_t room = 0, count = 0;
	for (size_t g = 0; g < s->count; g++)
		room += s->items[g].count - 1;
	struct hull_step *steps = mem_array(room, sizeof *steps);
	for (size_t g = 0; g < s->count; g++) {
		count += item_hull(&s->items[g], g, steps + count);
		s->best[g] = 0;
	}
	qsort(steps, count, sizeof *steps, by_gain);
	*f = (struct search_frontier){.points = mem_array(count + 1, sizeof *f->points)};
	for (size_t i = 0; i <= count; i++) {
		if (!i || i == count || !same_gain(&steps[i - 1], &steps[i])) {
			f->points[f->count] = point_of_best(s);
			f->points[f->count++].hull = 1;
		}
		if (i < count)
			s->best[steps[i].item] = steps[i].to;
	}
	free(steps);
}

int search_frontier(const struct search_problem *problem, size_t points_max, struct search_frontier *frontier)
{
	struct solver s;
	struct search_problem unbound = *problem;
	*frontier = (struct search_frontier){0};
	unbound.budget = INFINITY;
	if (solver_check(&unbound))
		return -1;
	solver_init(&s, &unbound);
	s.list_max = points_max ? points_max : SEARCH_POINTS_MAX;
	if (!solver_pass(&s, INFINITY))
		take_states(&s, frontier);
	else
		take_corners(&s, frontier);
	solver_pass_end(&s);
	solver_release(&s);
	return 0;
}

void search_frontier_release(struct search_frontier *frontier)
{
	free(frontier->points);
	*frontier = (struct search_frontier){0};
}
