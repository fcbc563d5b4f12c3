#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/spell.h"
#include "common/strbuf.h"
#include "checkpoint/lm_layout.h"
#include "checkpoint/shard_list.h"
#include "checkpoint/vision_list.h"

enum { NAMES_SHOWN = 10 };

/* A stored tensor as the folder presents it: one name, one shard. */
struct stored {
	const char *name;                            /* borrowed from the shard, or from the list of shards */
	size_t shard;
	const struct safetensors_tensor *tensor;     /* NULL: the index lists it, its shard does not hold it */
};

/* How the names found in practice differ. The first line whose embed_tokens.weight is stored is taken. */
static const struct variant {
	const char *lm;          /* in front of embed_tokens, layers, norm */
	const char *head;
	const char *vision[2];   /* prefixes of what is skipped; may be NULL */
} variants[] = {
	{"model.language_model.", "lm_head.weight", {"model.visual."}},
	{"language_model.model.", "language_model.lm_head.weight", {"vision_tower.", "visual."}},
	{"language_model.", "lm_head.weight", {"visual."}},
	{"model.", "lm_head.weight", {"visual.", "model.visual."}},
	{"", "lm_head.weight", {NULL}},
};

struct opening {
	struct checkpoint *to;
	const struct variant *variant;
	struct shard_list list;
	struct stored *stored;   /* sorted by name */
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct stored *)a)->name, ((const struct stored *)b)->name);
}

static const struct stored *find_stored(const struct opening *s, const char *name)
{
	struct stored key = {.name = name};
	return s->count ? bsearch(&key, s->stored, s->count, sizeof key, by_name) : NULL;
}

static int starts_with(const char *text, const char *prefix)
{
	return prefix && !strncmp(text, prefix, strlen(prefix));
}

static int ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && !strcmp(text + n - m, end);
}

static int open_shards(struct opening *s)
{
	struct checkpoint *c = s->to;
	size_t tensors = 0;
	c->shards = mem_zeroed(s->list.shard_count, sizeof *c->shards);
	for (size_t i = 0; i < s->list.shard_count; i++) {
		struct checkpoint_shard *shard = &c->shards[i];
		char *path = path_join(c->dir, s->list.shards[i]);
		int bad = safetensors_open(&shard->file, path);
		free(path);
		if (bad)
			return -1;
		c->shard_count++;
		shard->name = mem_strdup(s->list.shards[i]);
		shard->size = shard->file.map.length;
		tensors += shard->file.count;
		if (tensors > SAFETENSORS_TENSORS_MAX)
			return fail("%s: more than %d tensors in all shards", c->dir, SAFETENSORS_TENSORS_MAX);
	}
	return 0;
}

/* Every tensor of every shard, sorted; a name in two shards is refused, since either could be meant. */
static int gather_headers(struct opening *s)
{
	const struct checkpoint *c = s->to;
	size_t total = 0;
	for (size_t i = 0; i < c->shard_count; i++)
		total += c->shards[i].file.count;
	s->stored = mem_array(total, sizeof *s->stored);
	for (size_t i = 0; i < c->shard_count; i++) {
		const struct safetensors *file = &c->shards[i].file;
		for (size_t j = 0; j < file->count; j++)
			s->stored[s->count++] = (struct stored){file->tensors[j].name, i, &file->tensors[j]};
	}
	if (s->count)
		qsort(s->stored, s->count, sizeof *s->stored, by_name);
	for (size_t i = 1; i < s->count; i++)
		if (!strcmp(s->stored[i - 1].name, s->stored[i].name))
			return fail("%s: tensor \"%.160s\" is in two shards, \"%.160s\" and \"%.160s\"", c->dir,
				s->stored[i].name, c->shards[s->stored[i - 1].shard].name, c->shards[s->stored[i].shard].name);
	return 0;
}

/* The index decides what exists. What only a header knows is left out, with a warning: the index may be the older. */
static void apply_index(struct opening *s)
{
	struct stored *listed = mem_array(s->list.entry_count, sizeof *listed);
	size_t known = 0;
	const char *unlisted = NULL;
	for (size_t i = 0; i < s->list.entry_count; i++) {
		const struct shard_entry *entry = &s->list.entries[i];
		const struct stored *found = find_stored(s, entry->name);
		listed[i] = (struct stored){entry->name, entry->shard, NULL};
		known += found != NULL;
		if (found && found->shard == entry->shard)
			listed[i] = *found;
	}
	for (size_t i = 0, j = 0; !unlisted && known < s->count && i < s->count; i++) {
		while (j < s->list.entry_count && strcmp(s->list.entries[j].name, s->stored[i].name) < 0)
			j++;
		if (j == s->list.entry_count || strcmp(s->list.entries[j].name, s->stored[i].name))
			unlisted = s->stored[i].name;
	}
	if (unlisted)
		warn("%s: %s lists %zu tensor%s fewer than the shards hold; what it does not list is ignored, \"%.160s\" first",
			s->to->dir, CHECKPOINT_INDEX, s->count - known, s->count - known > 1 ? "s" : "", unlisted);
	free(s->stored);
	s->stored = listed;
	s->count = s->list.entry_count;
}

static int choose_variant(struct opening *s)
{
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		char *name = mem_printf("%sembed_tokens.weight", variants[i].lm);
		int found = find_stored(s, name) != NULL;
		free(name);
		if (found) {
			s->variant = &variants[i];
			return 0;
		}
	}
	if (!s->count)
		return fail("%s: no tensor in the checkpoint", s->to->dir);
	return fail("%s: no embed_tokens.weight under \"" LM_PREFIX "\" or another known prefix among %zu tensors, "
		"\"%.160s\" first: not a checkpoint of a supported model", s->to->dir, s->count, s->stored[0].name);
}

/* The name under which the file holds the tensor of a canonical name; the caller frees. */
static char *stored_name(const struct opening *s, const char *canonical)
{
	if (starts_with(canonical, LM_PREFIX))
		return mem_printf("%s%s", s->variant->lm, canonical + strlen(LM_PREFIX));
	return mem_strdup(s->variant->head);
}

/* Names for a message, the first few and how many more. */
struct names {
	struct strbuf text;
	size_t count;
};

static void names_add(struct names *names, const char *name)
{
	if (names->count++ < NAMES_SHOWN)
		strbuf_addf(&names->text, "%s\"%.160s\"", names->count > 1 ? ", " : "", name);
}

static const char *names_text(struct names *names)
{
	if (names->count > NAMES_SHOWN)
		strbuf_addf(&names->text, " and %zu more", names->count - NAMES_SHOWN);
	return names->text.s;
}

static int is_vision(const struct opening *s, const char *name)
{
	return starts_with(name, s->variant->vision[0]) || starts_with(name, s->variant->vision[1]);
}

/* Scales, zero points and packed words, as the quantizers in use call them. */
static int is_quantized(const char *name)
{
	static const char *const marks[] = {
		"_scale", "_scale_inv", "_scale_2", ".scales", ".biases", ".qweight", ".qzeros", ".g_idx", ".absmax",
		".quant_map", "_packed", "_zero_point", ".weight_shape", "_amax",
	};
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (ends_with(name, marks[i]))
			return 1;
	return strstr(name, ".quant_state.") != NULL;
}

/* wanted[]: the stored names of the language model, sorted. A stored lm_head is wanted or, when tied, ignored; so are
 * the rotary tables that old files carry. */
static int check_leftovers(const struct opening *s, char *const *wanted, size_t count)
{
	struct names others = {.count = 0}, quantized = {.count = 0};
	int bad = 0;
	strbuf_init(&others.text);
	strbuf_init(&quantized.text);
	for (size_t i = 0; i < s->count; i++) {
		const char *name = s->stored[i].name;
		if (is_vision(s, name) || !strcmp(name, s->variant->head) ||
			bsearch(&name, wanted, count, sizeof *wanted, text_order))
			continue;
		if (starts_with(name, s->variant->lm) && ends_with(name, "rotary_emb.inv_freq"))
			continue;
		names_add(is_quantized(name) ? &quantized : &others, name);
	}
	if (quantized.count)
		bad = fail("%s: the checkpoint is quantized, expected weights in BF16, F16 or F32; found %s", s->to->dir,
			names_text(&quantized));
	else if (others.count)
		bad = fail("%s: neither part of a %s language model of %zu layers nor of its vision tower: %zu tensor%s, %s",
			s->to->dir, s->to->config.model_type, s->to->config.layers, others.count, others.count > 1 ? "s" : "",
			names_text(&others));
	strbuf_release(&others.text);
	strbuf_release(&quantized.text);
	return bad;
}

static int report_missing(const struct opening *s, const char *first, struct names *missing)
{
	const char **words = mem_array(s->count, sizeof *words);
	for (size_t i = 0; i < s->count; i++)
		words[i] = s->stored[i].name;
	const struct stored *listed = find_stored(s, first);
	/* Every layer has the same names, so the nearest of many thousand names says nothing; of a few it does. */
	const char *nearest = !listed && s->count < 5000 ? spell_nearest(first, words, s->count) : NULL;
	if (listed)
		fail("%s: tensor \"%s\" is not in shard \"%.160s\", where %s places it", s->to->dir, first,
			s->to->shards[listed->shard].name, CHECKPOINT_INDEX);
	else
		fail("%s: missing of the language model: %zu tensor%s, %s%s%s%s", s->to->dir, missing->count,
			missing->count > 1 ? "s" : "", names_text(missing), nearest ? "; nearest to the first is \"" : "",
			nearest ? nearest : "", nearest ? "\"" : "");
	free(words);
	return -1;
}

static int check_missing(const struct opening *s, char *const *wanted, size_t count)
{
	struct names missing = {.count = 0};
	const char *first = NULL;
	strbuf_init(&missing.text);
	for (size_t i = 0; i < count; i++) {
		const struct stored *found = find_stored(s, wanted[i]);
		if (found && found->tensor)
			continue;
		first = first ? first : wanted[i];
		names_add(&missing, wanted[i]);
	}
	int bad = first ? report_missing(s, first, &missing) : 0;
	strbuf_release(&missing.text);
	return bad;
}

static void shape_text(struct strbuf *to, unsigned rank, const uint64_t *shape)
{
	strbuf_addc(to, '[');
	for (unsigned i = 0; i < rank; i++)
		strbuf_addf(to, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
	strbuf_addc(to, ']');
}

static int wrong_shape(const struct opening *s, const struct stored *found, const struct lm_tensor_spec *spec)
{
	struct strbuf is, wanted;
	const uint64_t shape[2] = {spec->shape[0], spec->shape[1]};
	strbuf_init(&is);
	strbuf_init(&wanted);
	shape_text(&is, found->tensor->rank, found->tensor->shape);
	shape_text(&wanted, spec->rank, shape);
	fail("%s: tensor \"%s\" has shape %s, but %s asks for %s", s->to->shards[found->shard].file.path, found->name, is.s,
		CHECKPOINT_CONFIG, wanted.s);
	strbuf_release(&is);
	strbuf_release(&wanted);
	return -1;
}

static int take_tensor(struct opening *s, const char *name, const struct lm_tensor_spec *spec)
{
	const struct stored *found = find_stored(s, name);
	const struct safetensors_tensor *t = found->tensor;
	if (!dtype_is_weight(t->dtype))
		return fail("%s: tensor \"%s\" is %s; expected BF16, F16 or F32 (quantized checkpoints are not supported)",
			s->to->shards[found->shard].file.path, name, dtype_name(t->dtype));
	int same = t->rank == spec->rank;
	for (unsigned i = 0; same && i < spec->rank; i++)
		same = t->shape[i] == spec->shape[i];
	if (!same)
		return wrong_shape(s, found, spec);
	s->to->tensors[s->to->tensor_count++] = (struct checkpoint_tensor){
		.name = mem_strdup(spec->name), .stored_name = t->name, .dtype = t->dtype, .rank = spec->rank,
		.shape = {spec->shape[0], spec->shape[1]}, .shard = found->shard, .offset = t->begin,
		.bytes = t->end - t->begin,
	};
	return 0;
}

static int select_tensors(struct opening *s)
{
	struct checkpoint *c = s->to;
	struct lm_tensor_spec spec;
	if (c->config.tied == LM_TIED_UNSAID)
		c->config.tied = !find_stored(s, s->variant->head);
	size_t count = lm_layout_count(&c->config);
	char **wanted = mem_array(count, sizeof *wanted), **sorted = mem_array(count, sizeof *sorted);
	for (size_t i = 0; i < count; i++) {
		lm_layout_tensor(&c->config, i, &spec);
		sorted[i] = wanted[i] = stored_name(s, spec.name);
	}
	qsort(sorted, count, sizeof *sorted, text_order);
	c->tensors = mem_array(count, sizeof *c->tensors);
	int bad = check_leftovers(s, sorted, count) || check_missing(s, wanted, count);
	for (size_t i = 0; !bad && i < count; i++) {
		lm_layout_tensor(&c->config, i, &spec);
		bad = take_tensor(s, wanted[i], &spec);
	}
	for (size_t i = 0; i < count; i++)
		free(wanted[i]);
	free(wanted);
	free(sorted);
	return bad ? -1 : 0;
}

static void select_vision(struct opening *s)
{
	struct checkpoint *c = s->to;
	size_t capacity = 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct stored *stored = &s->stored[i];
		struct checkpoint_vision linear;
		for (int p = 0; stored->tensor && p < 2; p++) {
			const char *prefix = s->variant->vision[p];
			if (!starts_with(stored->name, prefix) ||
				!vision_list_take(&linear, stored->name + strlen(prefix), stored->tensor))
				continue;
			MEM_GROW(c->vision, c->vision_count, capacity);
			c->vision[c->vision_count++] = linear;
			break;
		}
	}
	vision_list_sort(c->vision, c->vision_count);
}

static int open_all(struct opening *s)
{
	struct checkpoint *c = s->to;
	char *path = path_join(c->dir, CHECKPOINT_CONFIG);
	int bad = shard_list_read(&s->list, c->dir) || lm_config_read(&c->config, path);
	free(path);
	if (bad || open_shards(s) || gather_headers(s))
		return -1;
	if (s->list.indexed)
		apply_index(s);
	if (choose_variant(s) || select_tensors(s))
		return -1;
	select_vision(s);
	return 0;
}

int checkpoint_open(struct checkpoint *checkpoint, const char *dir)
{
	*checkpoint = (struct checkpoint){.dir = mem_strdup(dir)};
	struct opening s = {.to = checkpoint};
	int bad = open_all(&s);
	shard_list_free(&s.list);
	free(s.stored);
	if (bad)
		checkpoint_close(checkpoint);
	return bad;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
	for (size_t i = 0; i < checkpoint->shard_count; i++) {
		free(checkpoint->shards[i].name);
		safetensors_close(&checkpoint->shards[i].file);
	}
	for (size_t i = 0; i < checkpoint->tensor_count; i++)
		free(checkpoint->tensors[i].name);
	for (size_t i = 0; i < checkpoint->vision_count; i++)
		free(checkpoint->vision[i].name);
	free(checkpoint->shards);
	free(checkpoint->tensors);
	free(checkpoint->vision);
	free(checkpoint->dir);
	*checkpoint = (struct checkpoint){0};
}

const unsigned char *checkpoint_bytes(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor)
{
	return checkpoint->shards[tensor->shard].file.map.bytes + tensor->offset;
}

int checkpoint_files(const char *dir, char ***names, size_t *count)
{
	struct shard_list list;
	*names = NULL;
	*count = 0;
	if (shard_list_read(&list, dir))
		return -1;
	*names = mem_array(list.shard_count + 2, sizeof **names);
	(*names)[(*count)++] = mem_strdup(CHECKPOINT_CONFIG);
	if (list.indexed)
		(*names)[(*count)++] = mem_strdup(CHECKPOINT_INDEX);
	for (size_t i = 0; i < list.shard_count; i++)
		(*names)[(*count)++] = mem_strdup(list.shards[i]);
	shard_list_free(&list);
	return 0;
}
