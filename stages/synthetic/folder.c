#include "synthetic/folder.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_list.h"
#include "common/aside.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "synthetic/tensor_list.h"
#include "synthetic/weights.h"
#include "tokenizer/tokenizer.h"

#define MARK "make-checkpoint.json"
#define GENERATION "generation_config.json"
#define PART ".part"

static const char *const tokenizer_names[] = {"tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"};

enum { TOKENIZER_NAMES = sizeof tokenizer_names / sizeof *tokenizer_names, SMALL_MAX = TOKENIZER_NAMES + 4 };
enum { SMALL_BYTES_MAX = 256 << 20 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weights are written as they stand in memory");

struct small_file {
	const char *name;
	char *text;
	size_t length;
};

struct shard {
	char *name;
	size_t first, count;   /* tensors */
};

struct plan {
	const struct folder_spec *spec;
	struct tensor_list list;
	struct safetensors_source *sources;   /* [list.count], without bytes */
	struct shard *shards;
	size_t shard_count, shard_capacity;
	struct small_file small[SMALL_MAX];   /* the mark first, config.json last */
	size_t small_count;
	uint64_t weight_bytes, small_bytes;   /* of files */
};

/* ------------------------------------------------------------------------------------------------------------------
 * What was written so far, for folder_interrupt(): a path is complete before it is counted, and none is freed while a
 * signal may come. */

enum { WRITTEN_MAX = 2 * (SHARDS_MAX + SMALL_MAX) };

static char *volatile written[WRITTEN_MAX];
static volatile sig_atomic_t written_count;
static char made_folder[PATH_MAX];

static void note_written(char *path)
{
	written[written_count] = path;
	written_count++;
}

/* The mark is the first, and goes last: what is left when this is stopped, too, is still known as ours. */
void folder_interrupt(void)
{
	for (int i = written_count; i > 0; i--)
		unlink(written[i - 1]);
	if (made_folder[0])
		rmdir(made_folder);
}

static void forget_written(void)
{
	int count = written_count;
	written_count = 0;
	made_folder[0] = '\0';
	for (int i = 0; i < count; i++)
		free(written[i]);
}

/* ------------------------------------------------------------------------------------------------------------------
 * What is to be written */

static void list_sources(struct plan *p)
{
	p->sources = mem_zeroed(p->list.count, sizeof *p->sources);
	for (size_t i = 0; i < p->list.count; i++) {
		const struct tensor_entry *t = &p->list.entries[i];
		p->sources[i] = (struct safetensors_source){.name = t->name, .dtype = DTYPE_BF16, .rank = t->rank,
			.length = sizeof(uint16_t) * tensor_elements(t)};
		for (unsigned d = 0; d < t->rank; d++)
			p->sources[i].shape[d] = t->shape[d];
	}
}

static int cut_shards(struct plan *p)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < p->list.count; i++) {
		if (!i || bytes + p->sources[i].length > p->spec->shard_bytes) {
			MEM_GROW(p->shards, p->shard_count, p->shard_capacity);
			p->shards[p->shard_count++] = (struct shard){.first = i};
			bytes = 0;
		}
		p->shards[p->shard_count - 1].count++;
		bytes += p->sources[i].length;
	}
	if (p->shard_count > SHARDS_MAX)
		return fail("%zu shards of %llu bytes, at most %d are allowed: choose larger ones", p->shard_count,
			(unsigned long long)p->spec->shard_bytes, SHARDS_MAX);
	for (size_t i = 0; i < p->shard_count; i++) {
		struct shard *s = &p->shards[i];
		s->name = p->shard_count == 1 ? mem_strdup(CHECKPOINT_SINGLE)
			: mem_printf("model-%05zu-of-%05zu.safetensors", i + 1, p->shard_count);
		p->weight_bytes += safetensors_file_bytes(p->sources + s->first, s->count);
	}
	return 0;
}

/* Takes text. */
static void add_small(struct plan *p, const char *name, char *text, size_t length)
{
	p->small[p->small_count++] = (struct small_file){name, text, length};
	p->small_bytes += length;
}

/* The seed as text: a number in JSON is a double. */
static char *mark_text(const struct folder_spec *spec)
{
	char seed[24];
	cJSON *mark = cJSON_CreateObject();
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)spec->seed);
	cJSON_AddStringToObject(mark, "written_by", "make-checkpoint");
	cJSON_AddStringToObject(mark, "like", spec->shape->name);
	cJSON_AddStringToObject(mark, "seed", seed);
	cJSON_AddNumberToObject(mark, "layers", (double)spec->layers);
	return json_pretty_text(mark);
}

static char *index_text(const struct plan *p)
{
	uint64_t total = 0;
	cJSON *index = cJSON_CreateObject(), *metadata = cJSON_AddObjectToObject(index, "metadata");
	cJSON *map = cJSON_AddObjectToObject(index, "weight_map");
	for (size_t i = 0; i < p->shard_count; i++)
		for (size_t j = 0; j < p->shards[i].count; j++) {
			const struct safetensors_source *t = &p->sources[p->shards[i].first + j];
			cJSON_AddStringToObject(map, t->name, p->shards[i].name);
			total += t->length;
		}
	cJSON_AddNumberToObject(metadata, "total_size", (double)total);
	return json_pretty_text(index);
}

static int add_tokenizer(struct plan *p)
{
	const struct folder_spec *spec = p->spec;
	struct tokenizer *t = tokenizer_open(spec->tokenizer);
	if (!t)
		return fail_context("the tokenizer to copy");
	size_t ids = tokenizer_id_limit(t), rows = spec->shape->lm.vocab_size;
	tokenizer_close(t);
	if (ids > rows)
		return fail("%s: a tokenizer with ids up to %zu, but %s has %zu words only", spec->tokenizer, ids - 1,
			spec->shape->name, rows);
	for (size_t i = 0; i < TOKENIZER_NAMES; i++) {
		char *path = path_join(spec->tokenizer, tokenizer_names[i]), *text = NULL;
		size_t length;
		int bad = file_exists(path) && file_read(path, SMALL_BYTES_MAX, &text, &length);
		free(path);
		if (bad)
			return -1;
		if (text)
			add_small(p, tokenizer_names[i], text, length);
	}
	return 0;
}

static void add_text(struct plan *p, const char *name, char *text)
{
	add_small(p, name, text, strlen(text));
}

static int plan_make(struct plan *p, const struct folder_spec *spec)
{
	*p = (struct plan){.spec = spec};
	tensor_list_make(&p->list, spec->shape, spec->layers);
	list_sources(p);
	add_text(p, MARK, mark_text(spec));
	if (cut_shards(p))
		return -1;
	if (p->shard_count > 1)
		add_text(p, CHECKPOINT_INDEX, index_text(p));
	add_text(p, GENERATION, model_shape_generation(spec->shape));
	if (add_tokenizer(p))
		return -1;
	add_text(p, CHECKPOINT_CONFIG, model_shape_config(spec->shape, spec->layers));
	return 0;
}

static void plan_free(struct plan *p)
{
	tensor_list_free(&p->list);
	free(p->sources);
	for (size_t i = 0; i < p->shard_count; i++)
		free(p->shards[i].name);
	free(p->shards);
	for (size_t i = 0; i < p->small_count; i++)
		free(p->small[i].text);
}

/* ------------------------------------------------------------------------------------------------------------------
 * What is there */

static int ends_with(const char *text, size_t length, const char *end)
{
	size_t n = strlen(end);
	return length >= n && !strncmp(text + length - n, end, n);
}

/* The length of a name without what is added to it while the file is written. */
static size_t final_length(const char *name)
{
	size_t length = strlen(name);
	if (ends_with(name, length, PART))
		return length - strlen(PART);
	size_t base = aside_base(name);
	return base ? base : length;
}

static int is_shard(const char *name, size_t length)
{
	static const char pattern[] = "model-00000-of-00000.safetensors";
	if (length != sizeof pattern - 1)
		return length == strlen(CHECKPOINT_SINGLE) && !strncmp(name, CHECKPOINT_SINGLE, length);
	for (size_t i = 0; i < length; i++)
		if (pattern[i] == '0' ? name[i] < '0' || name[i] > '9' : name[i] != pattern[i])
			return 0;
	return 1;
}

static int is_ours(const char *name)
{
	static const char *const known[] = {MARK, CHECKPOINT_INDEX, GENERATION, CHECKPOINT_CONFIG};
	size_t length = final_length(name);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (length == strlen(known[i]) && !strncmp(name, known[i], length))
			return 1;
	for (size_t i = 0; i < TOKENIZER_NAMES; i++)
		if (length == strlen(tokenizer_names[i]) && !strncmp(name, tokenizer_names[i], length))
			return 1;
	return is_shard(name, length);
}

/* A folder of ours, or an empty one; freed bytes are those that emptying it gives back. */
static int check_content(const char *dir, uint64_t *freed)
{
	char **names, *mark = path_join(dir, MARK);
	size_t count;
	int marked = file_exists(mark), bad = 0;
	free(mark);
	*freed = 0;
	if (dir_list(dir, &names, &count))
		return -1;
	for (size_t i = 0; i < count; i++) {
		char *path = path_join(dir, names[i]);
		struct stat s;
		if (!bad && (!marked || !is_ours(names[i])))
			bad = fail("%s: %s: holds \"%.160s\"; nothing there is touched: choose another folder", dir, marked
				? "not only what make-checkpoint writes" : "not written by make-checkpoint", names[i]);
		if (!lstat(path, &s))
			*freed += 512 * (uint64_t)s.st_blocks;
		free(path);
		free(names[i]);
	}
	free(names);
	return bad;
}

/* The nearest folder above that exists; the caller frees. */
static char *existing_parent(const char *dir)
{
	char *path = mem_strdup(dir);
	while (!file_exists(path)) {
		char *slash = strrchr(path, '/');
		if (!slash || slash == path) {
			strcpy(path, slash ? "/" : ".");
			break;
		}
		*slash = '\0';
	}
	return path;
}

static int check_room(const char *dir, const struct plan *p, uint64_t freed)
{
	enum { BLOCK = 4096 };
	struct statvfs s;
	char *parent = existing_parent(dir);
	uint64_t need = p->weight_bytes + p->small_bytes + BLOCK * (uint64_t)(p->shard_count + p->small_count);
	int bad = statvfs(parent, &s) ? fail("%s: cannot ask for the free space: %s", parent, strerror(errno)) : 0;
	free(parent);
	if (bad)
		return -1;
	uint64_t room = (uint64_t)s.f_bavail * s.f_frsize + freed;
	return need <= room ? 0 : fail("%s: %.3f GB are needed, %.3f GB are free there", dir, 1e-9 * (double)need,
		1e-9 * (double)room);
}

/* ------------------------------------------------------------------------------------------------------------------
 * Writing */

/* config.json goes first and the mark last, so that a half-emptied folder is no checkpoint, and ours. */
static int empty_folder(const char *dir)
{
	char **names;
	size_t count;
	char *config = path_join(dir, CHECKPOINT_CONFIG), *mark = path_join(dir, MARK);
	unlink(config);
	int bad = dir_list(dir, &names, &count);
	for (size_t i = 0; i < count; i++) {
		char *path = path_join(dir, names[i]);
		if (!bad && strcmp(names[i], MARK) && unlink(path) && errno != ENOENT)
			bad = fail("%s: cannot remove: %s", path, strerror(errno));
		free(path);
		free(names[i]);
	}
	free(names);
	if (!bad && unlink(mark) && errno != ENOENT)
		bad = fail("%s: cannot remove: %s", mark, strerror(errno));
	free(config);
	free(mark);
	return bad;
}

static int write_small(const char *dir, const struct small_file *file)
{
	char *path = path_join(dir, file->name);
	/* What file_write_durable() calls the file before it is whole. */
	note_written(path);
	note_written(aside_name(path));
	return file_write_durable(path, file->text, file->length);
}

struct making {
	const struct folder_spec *spec;
	const struct tensor_entry *tensors;
};

static int make_weights(void *context, size_t index, uint64_t at, void *to, size_t length)
{
	const struct making *m = context;
	weights_fill(m->spec->shape, m->spec->seed, &m->tensors[index], (size_t)at / sizeof(uint16_t),
		length / sizeof(uint16_t), to);
	return 0;
}

static int write_shard(const char *dir, const struct plan *p, const struct shard *s)
{
	char *path = path_join(dir, s->name), *part = mem_printf("%s" PART, path);
	struct making making = {p->spec, p->list.entries + s->first};
	note_written(path);
	note_written(part);
	if (safetensors_write_made(part, p->sources + s->first, s->count, make_weights, &making))
		return -1;
	return rename(part, path) ? fail("%s: cannot rename to %s: %s", part, path, strerror(errno)) : 0;
}

static int write_files(const char *dir, const struct plan *p)
{
	int bad = write_small(dir, &p->small[0]);
	for (size_t i = 0; i < p->shard_count && !bad; i++)
		bad = write_shard(dir, p, &p->shards[i]);
	for (size_t i = 1; i < p->small_count && !bad; i++)
		bad = write_small(dir, &p->small[i]);
	return bad;
}

/* Two processes that write one folder would tread on each other's files. */
static int lock_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail("%s: cannot open the folder: %s", dir, strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return fail("%s: cannot lock the folder: %s", dir, errno == EWOULDBLOCK ? "another make-checkpoint is writing it"
		: strerror(errno));
}

/* The folder is there and locked. Whoever had the lock before may have filled it. */
static int fill_folder(const char *dir, const struct plan *p)
{
	uint64_t freed;
	if (check_content(dir, &freed) || empty_folder(dir))
		return -1;
	int bad = write_files(dir, p);
	if (bad)
		folder_interrupt();
	return bad;
}

static int check_folder(const char *dir, const struct plan *p)
{
	uint64_t freed = 0;
	if (file_exists(dir) && !dir_exists(dir))
		return fail("%s: exists and is not a folder", dir);
	if (file_exists(dir) && check_content(dir, &freed))
		return -1;
	return check_room(dir, p, freed);
}

static int make_folder(const char *dir)
{
	int is_new = !file_exists(dir);
	if (dir_make(dir))
		return -1;
	if (is_new && snprintf(made_folder, sizeof made_folder, "%s", dir) >= (int)sizeof made_folder)
		made_folder[0] = '\0';
	return 0;
}

int folder_write(const char *dir, const struct folder_spec *spec, struct folder_made *made)
{
	struct plan p;
	int lock = -1, bad = plan_make(&p, spec) || check_folder(dir, &p) || make_folder(dir) ||
		(lock = lock_folder(dir)) < 0 || fill_folder(dir, &p);
	*made = (struct folder_made){p.list.count, p.shard_count, p.weight_bytes};
	forget_written();
	if (lock >= 0)
		close(lock);
	plan_free(&p);
	return bad ? -1 : 0;
}
