#include "graph/device_choice.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/pool.h"
#include "ops/cuda_device.h"
#include "ops/ops.h"

static const char key[] = "autoquant.device";

/* One process computes many cells, on one device. */
static int check_same(const struct grid *grid)
{
	const char *first = node_string(grid->cells[0].config, key);
	for (size_t i = 1; i < grid->cell_count; i++)
		if (strcmp(node_string(grid->cells[i].config, key), first))
			return origin_fail(&node_at(grid->cells[i].config, key)->at,
				"%s must be the same for all cells of a grid", key);
	return 0;
}

static void choose_cuda(struct device_choice *choice, const struct cuda_device *gpu)
{
	choice->device = "cuda";
	choice->numerics = gpu->numerics;
	snprintf(choice->words, sizeof choice->words, "cuda, %s", gpu->name);
}

/* why (may be "") says why it is not a GPU. */
static void choose_cpu(struct device_choice *choice, const char *why)
{
	choice->device = "cpu";
	choice->numerics = ops_cpu()->numerics;
	snprintf(choice->words, sizeof choice->words, "cpu, %zu threads%s%s", pool_threads(), *why ? "; " : "", why);
}

int device_choose(struct device_choice *choice, const struct grid *grid)
{
	const struct node *first = grid->cells[0].config;
	const char *asked = node_string(first, key);
	if (check_same(grid))
		return -1;
	const struct cuda_device *gpu = strcmp(asked, "cpu") ? cuda_device_find() : NULL;
	if (gpu)
		choose_cuda(choice, gpu);
	else if (!strcmp(asked, "cuda"))
		return origin_fail(&node_at(first, key)->at, "%s=cuda: %s; use auto or cpu", key, error_text());
	else
		choose_cpu(choice, strcmp(asked, "cpu") ? error_text() : "");
	return 0;
}
