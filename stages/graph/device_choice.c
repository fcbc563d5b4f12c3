#include "graph/device_choice.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/pool.h"
#include "ops/cuda_device.h"
#include "ops/ops.h"

static const char device_key[] = "autoquant.device", dtype_key[] = "model.dtype";

/* One process computes many cells, on one device. */
static int check_same(const struct grid *grid, const char *key)
{
	const char *first = node_string(grid->cells[0].config, key);
	for (size_t i = 1; i < grid->cell_count; i++)
		if (strcmp(node_string(grid->cells[i].config, key), first))
			return origin_fail(&node_at(grid->cells[i].config, key)->at,
				"%s must be the same for all cells of a grid", key);
	return 0;
}

static void choose_cuda(struct device_choice *choice, const struct cuda_device *gpu, int bf16)
{
	choice->device = bf16 ? "cuda-bf16" : "cuda";
	choice->numerics = bf16 ? gpu->numerics_bf16 : gpu->numerics;
	snprintf(choice->words, sizeof choice->words, "cuda, %s%s", gpu->name, bf16 ? ", activations in bf16" : "");
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
	const char *asked = node_string(first, device_key);
	if (check_same(grid, device_key))
		return -1;
	const struct cuda_device *gpu = strcmp(asked, "cpu") ? cuda_device_find() : NULL;
	if (gpu && check_same(grid, dtype_key))
		return -1;
	if (gpu)
		choose_cuda(choice, gpu, !strcmp(node_string(first, dtype_key), "bf16"));
	else if (!strcmp(asked, "cuda"))
		return origin_fail(&node_at(first, device_key)->at, "%s=cuda: %s; use auto or cpu", device_key, error_text());
	else
		choose_cpu(choice, strcmp(asked, "cpu") ? error_text() : "");
	return 0;
}
