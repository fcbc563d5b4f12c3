#include "model/lm_folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/lm_layout.h"
#include "checkpoint/plain_config.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_list.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "graph/stage.h"
#include "model/lm_weights.h"

/* Sorted. A tokenizer.json of 150,000 words takes 11 MB. */
static const char *const companion_names[] = {
	"added_tokens.json", "chat_template.jinja", "generation_config.json", "merges.txt", "special_tokens_map.json",
	"tokenizer.json", "tokenizer_config.json", "vocab.json",
};

enum { COMPANIONS = sizeof companion_names / sizeof *companion_names, COMPANION_BYTES_MAX = 256 << 20 };

/* The weights being written, for lm_folder_interrupt(): a handler can do no more than unlink a name it finds ready. */
static char being_written[PATH_MAX];

/* A small file of the folder. */
struct small_file {
	const char *name;
	char *text;
	size_t length;
};

struct folder {
	const struct lm *lm;
	struct lm_weights weights;
	char **names;                         /* [lm->tensor_count] of the tensors, as written */
	struct safetensors_source *tensors;   /* [lm->tensor_count] */
	struct small_file small[COMPANIONS + 1];
	size_t small_count;
};

void lm_folder_interrupt(void)
{
	if (being_written[0])
		unlink(being_written);
}

/* ------------------------------------------------------------------------------------------------------------------
 * What belongs into the folder */

/* "model.language_model.X" -> "model.X"; lm_head.weight is called the same in both. */
static char *plain_name(const char *canonical)
{
	size_t prefix = strlen(LM_PREFIX);
	return strncmp(canonical, LM_PREFIX, prefix) ? mem_strdup(canonical) : mem_printf("model.%s", canonical + prefix);
}

/* The type all tensors have; of a mixture the one that holds them all. */
static enum dtype common_dtype(const struct lm *lm)
{
	for (size_t i = 1; i < lm->tensor_count; i++)
		if (lm->tensors[i].dtype != lm->tensors[0].dtype)
			return DTYPE_F32;
	return lm->tensors[0].dtype;
}

static void list_tensors(struct folder *f)
{
	f->names = mem_zeroed(f->lm->tensor_count, sizeof *f->names);
	f->tensors = mem_zeroed(f->lm->tensor_count, sizeof *f->tensors);
	for (size_t i = 0; i < f->lm->tensor_count; i++) {
		const struct lm_tensor *t = &f->lm->tensors[i];
		f->names[i] = plain_name(t->name);
		f->tensors[i] = (struct safetensors_source){.name = f->names[i], .dtype = t->dtype, .rank = t->rank,
			.shape = {t->shape[0], t->shape[1]}, .bytes = lm_weights_bytes(&f->weights, i), .length = t->bytes};
	}
}

static int make_config(struct folder *f, const char *checkpoint)
{
	struct small_file *to = &f->small[f->small_count++];
	char *source = path_join(checkpoint, CHECKPOINT_CONFIG);
	to->name = CHECKPOINT_CONFIG;
	to->text = plain_config_text(&f->lm->config, common_dtype(f->lm), source);
	to->length = to->text ? strlen(to->text) : 0;
	free(source);
	return to->text ? 0 : -1;
}

static int read_companion(struct folder *f, const struct lm_companion *from)
{
	struct small_file *to = &f->small[f->small_count];
	to->name = from->name;
	if (file_read(from->path, COMPANION_BYTES_MAX, &to->text, &to->length))
		return -1;
	f->small_count++;
	struct digest now = hash_bytes(to->text, to->length);
	return digest_equal(&now, &from->digest) ? 0
		: fail("%s: changed since the graph was made; run ninja again", from->path);
}

static void folder_close(struct folder *f)
{
	for (size_t i = 0; f->names && i < f->lm->tensor_count; i++)
		free(f->names[i]);
	free(f->names);
	free(f->tensors);
	for (size_t i = 0; i < f->small_count; i++)
		free(f->small[i].text);
	if (f->weights.lm)
		lm_weights_close(&f->weights);
}

static int folder_open(struct folder *f, const struct lm *lm, const char *checkpoint,
	const struct lm_companion *companions, size_t count)
{
	*f = (struct folder){.lm = lm};
	if (count > COMPANIONS)
		return fail("%zu files to copy, at most %d are known", count, COMPANIONS);
	if (make_config(f, checkpoint))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (read_companion(f, &companions[i]))
			return -1;
	if (lm_weights_open(&f->weights, lm, checkpoint))
		return -1;
	list_tensors(f);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * What is there */

/* Whether a file of that name can be ours: one of the folder's, or what a crash left of it (common/aside.h). */
static int is_ours(const char *name)
{
	const char *known[COMPANIONS + 2] = {CHECKPOINT_CONFIG, CHECKPOINT_SINGLE};
	memcpy(known + 2, companion_names, sizeof companion_names);
	for (size_t i = 0; i < COMPANIONS + 2; i++) {
		size_t length = strlen(known[i]), all = strlen(name);
		if (!strncmp(name, known[i], length) &&
			(!name[length] || (name[length] == '.' && all > 4 && !strcmp(name + all - 4, ".tmp"))))
			return 1;
	}
	return 0;
}

/* A folder with other things in it is not one that we wrote: nothing there is touched. */
static int check_content(const char *dir)
{
	char **names;
	size_t count;
	int bad = 0;
	if (!file_exists(dir))
		return 0;
	if (!dir_exists(dir))
		return fail("%s: exists and is not a folder", dir);
	if (dir_list(dir, &names, &count))
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!bad && !is_ours(names[i]))
			bad = fail("%s: holds \"%.160s\", which is no part of a language model's folder, and would be replaced as a "
				"whole; choose another folder (output_layout.language_model_dir) or move the file away", dir, names[i]);
		free(names[i]);
	}
	free(names);
	return bad;
}

int lm_folder_check(const char *dir, const char *checkpoint)
{
	struct stat a, b;
	if (!stat(dir, &a) && !stat(checkpoint, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return fail("%s: the language model would be written over the checkpoint it is made from; choose another folder "
			"(output_layout.language_model_dir)", dir);
	return check_content(dir);
}

static int has_small(const char *dir, const struct small_file *file)
{
	char *path = path_join(dir, file->name), *text = NULL;
	size_t length = 0;
	int same = file_exists(path) && !file_read(path, COMPANION_BYTES_MAX, &text, &length) && length == file->length &&
		!memcmp(text, file->text, length);
	free(text);
	free(path);
	return same;
}

/* Whether dir holds exactly this. */
static int is_current(const char *dir, const struct folder *f)
{
	char **names, *weights = path_join(dir, CHECKPOINT_SINGLE);
	size_t count;
	int same = dir_exists(dir) && !dir_list(dir, &names, &count);
	if (same) {
		same = count == f->small_count + 1;
		for (size_t i = 0; i < count; i++)
			free(names[i]);
		free(names);
	}
	for (size_t i = 0; i < f->small_count && same; i++)
		same = has_small(dir, &f->small[i]);
	same = same && safetensors_is(weights, f->tensors, f->lm->tensor_count);
	free(weights);
	return same;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Writing */

/* Removes a folder of ours; an absent one is fine. */
static int remove_folder(const char *dir)
{
	char **names;
	size_t count;
	int bad = 0;
	if (!file_exists(dir))
		return 0;
	if (check_content(dir) || dir_list(dir, &names, &count))
		return -1;
	for (size_t i = 0; i < count; i++) {
		char *path = path_join(dir, names[i]);
		if (!bad && unlink(path))
			bad = fail("%s: cannot remove: %s", path, strerror(errno));
		free(path);
		free(names[i]);
	}
	free(names);
	if (!bad && rmdir(dir))
		bad = fail("%s: cannot remove: %s", dir, strerror(errno));
	return bad;
}

static int write_weights(const char *dir, const struct folder *f)
{
	char *path = path_join(dir, CHECKPOINT_SINGLE);
	if (snprintf(being_written, sizeof being_written, "%s", path) >= (int)sizeof being_written)
		being_written[0] = '\0';
	int bad = safetensors_write(path, f->tensors, f->lm->tensor_count);
	being_written[0] = '\0';
	free(path);
	return bad;
}

static int write_files(const char *dir, const struct folder *f)
{
	int bad = dir_make(dir);
	for (size_t i = 0; i < f->small_count && !bad; i++) {
		char *path = path_join(dir, f->small[i].name);
		bad = file_write_durable(path, f->small[i].text, f->small[i].length);
		free(path);
	}
	return bad || write_weights(dir, f) ? -1 : 0;
}

/* aside takes the name dir; a folder of that name makes way and is removed afterwards. */
static int take_name(const char *aside, const char *dir, const char *old)
{
	int replaces = file_exists(dir);
	if (replaces && rename(dir, old))
		return fail("%s: cannot rename to %s: %s", dir, old, strerror(errno));
	if (rename(aside, dir)) {
		fail("%s: cannot rename to %s: %s", aside, dir, strerror(errno));
		if (replaces && rename(old, dir))
			fail_context("%s is now called %s", dir, old);
		return -1;
	}
	return replaces ? remove_folder(old) : 0;
}

/* The message of a failed write is the one to report, whatever clearing up says. */
static void drop(const char *aside)
{
	char *message = mem_strdup(error_text());
	if (remove_folder(aside))
		warn("%s", error_text());
	fail("%s", message);
	free(message);
}

static int replace(const char *dir, const struct folder *f)
{
	char *aside = mem_printf("%s.part", dir), *old = mem_printf("%s.old", dir);
	/* Ninja makes the folders of outputs before it starts anyone: an empty one would look like a model to come. */
	rmdir(dir);
	int bad = remove_folder(aside) || remove_folder(old);
	if (!bad && (write_files(aside, f) || take_name(aside, dir, old))) {
		drop(aside);
		bad = -1;
	}
	free(aside);
	free(old);
	return bad;
}

/* Behind a link the folder is replaced, not the link. Without '/' at the end, since other names are made from it. */
static char *real_name(const char *dir)
{
	if (file_exists(dir)) {
		char *real = realpath(dir, NULL);
		return real ? real : fail_null("%s: cannot resolve: %s", dir, strerror(errno));
	}
	size_t length = strlen(dir);
	while (length > 1 && dir[length - 1] == '/')
		length--;
	return mem_strndup(dir, length);
}

int lm_folder_write(const char *dir, const struct lm *lm, const char *checkpoint, const struct lm_companion *companions,
	size_t count, int *changed)
{
	struct folder f;
	*changed = 0;
	if (lm_folder_check(dir, checkpoint))
		return -1;
	char *real = real_name(dir);
	if (!real)
		return -1;
	stage_phase("hash weights");
	int bad = folder_open(&f, lm, checkpoint, companions, count);
	stage_phase("compare");
	if (!bad && !is_current(real, &f)) {
		stage_phase("write");
		bad = replace(real, &f);
		*changed = !bad;
	}
	folder_close(&f);
	free(real);
	return bad ? -1 : 0;
}

int lm_folder_companions(const char *checkpoint, char ***names, size_t *count)
{
	*names = mem_array(COMPANIONS, sizeof **names);
	*count = 0;
	for (size_t i = 0; i < COMPANIONS; i++) {
		char *path = path_join(checkpoint, companion_names[i]);
		if (file_exists(path))
			(*names)[(*count)++] = mem_strdup(companion_names[i]);
		free(path);
	}
	return 0;
}
