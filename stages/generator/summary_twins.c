#include "generator/summary_twins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { NAMES_SHOWN = 6 };

/* "qwen3_vl_demo.wfp8_afp16.{default, w_per_tensor}.small": the names of a cell and its twins, with what they share
 * said once. Shared parts end at points. */
static void print_class(const struct plan *plan, const size_t *twin, size_t first)
{
	const char *name = plan->cells[first].name;
	size_t start = strlen(name), end = start, names = 0;
	for (size_t c = first + 1; c < plan->cell_count; c++) {
		const char *other = plan->cells[c].name;
		size_t same = 0, length = strlen(other), tail = 0;
		if (twin[c] != first)
			continue;
		while (same < start && other[same] == name[same])
			same++;
		while (tail < end && tail < length && other[length - 1 - tail] == name[strlen(name) - 1 - tail])
			tail++;
		start = same;
		end = tail;
	}
	while (start && name[start - 1] != '.')
		start--;
	while (end && name[strlen(name) - end] != '.')
		end--;
	printf("    %.*s{", (int)start, name);
	for (size_t c = first; c < plan->cell_count; c++)
		if ((c == first || twin[c] == first) && ++names <= NAMES_SHOWN)
			printf("%s%.*s", c == first ? "" : ", ", (int)(strlen(plan->cells[c].name) - start - end),
				plan->cells[c].name + start);
	if (names > NAMES_SHOWN)
		printf(", ... %zu more", names - NAMES_SHOWN);
	printf("}%s\n", name + strlen(name) - end);
}

/* Cells that differ in name only. */
void summary_print_twins(const struct plan *plan)
{
	enum { SHOWN = 24 };
	size_t *twin = plan_twins(plan), count = 0, classes = 0;
	char *has_twin = mem_zeroed(plan->cell_count, 1);
	for (size_t c = 0; c < plan->cell_count; c++)
		if (twin[c] != PLAN_NO_CELL) {
			count++;
			has_twin[twin[c]] = 1;
		}
	if (count)
		printf("  %-10s %zu cell%s the computation of another:\n", "", count, count == 1 ? " is" : "s are");
	for (size_t c = 0; c < plan->cell_count; c++)
		if (has_twin[c] && ++classes <= SHOWN)
			print_class(plan, twin, c);
	if (classes > SHOWN)
		printf("    ... and %zu more such sets (same_as in build/grid.json)\n", classes - SHOWN);
	free(has_twin);
	free(twin);
}
