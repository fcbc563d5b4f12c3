#include "checkpoint/vision_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define CANONICAL "model.visual."

static const char suffix[] = ".weight";

int vision_list_take(struct checkpoint_vision *linear, const char *name, const struct safetensors_tensor *tensor)
{
	static const char *const kinds[] = {"Linear", "Conv1d", "Conv2d", "Conv3d"};
	size_t length = strlen(name), end = sizeof suffix - 1;
	if (length <= end || strcmp(name + length - end, suffix) || tensor->rank < 2 || tensor->rank > 5)
		return 0;
	if (!strcmp(name, "pos_embed.weight"))
		return 0;
	*linear = (struct checkpoint_vision){
		.name = mem_printf(CANONICAL "%.*s", (int)(length - end), name),
		.kind = kinds[tensor->rank - 2], .out_features = tensor->shape[0], .in_features = 1,
	};
	/* Cannot overflow: the header's check multiplied the whole shape, and more. */
	for (unsigned i = 1; i < tensor->rank; i++)
		linear->in_features *= tensor->shape[i];
	return 1;
}

/* Modules in the order in which the model defines them; a name stands for all that follows it. */
static size_t place(const char *const *order, size_t count, const char *name)
{
	size_t i = 0;
	while (i < count && strncmp(name, order[i], strlen(order[i])))
		i++;
	return i;
}

static int compare(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int in_module_order(const void *a, const void *b)
{
	static const char *const parts[] = {"patch_embed.", "blocks.", "merger.", "deepstack_merger_list."};
	static const char *const layers[] = {"attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2", "linear_fc1",
		"linear_fc2"};
	const char *s = ((const struct checkpoint_vision *)a)->name + strlen(CANONICAL);
	const char *t = ((const struct checkpoint_vision *)b)->name + strlen(CANONICAL);
	size_t part = place(parts, 4, s);
	int order = compare(part, place(parts, 4, t));
	if (!order && (part == 1 || part == 3)) {
		const char *p = s + strlen(parts[part]), *q = t + strlen(parts[part]);
		char *rest_p, *rest_q;
		order = compare(strtoul(p, &rest_p, 10), strtoul(q, &rest_q, 10));
		p = *rest_p == '.' ? rest_p + 1 : p;
		q = *rest_q == '.' ? rest_q + 1 : q;
		if (!order)
			order = compare(place(layers, 6, p), place(layers, 6, q));
	}
	return order ? order : strcmp(s, t);
}

void vision_list_sort(struct checkpoint_vision *list, size_t count)
{
	if (count)
		qsort(list, count, sizeof *list, in_module_order);
}
