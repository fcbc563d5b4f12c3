/* The language model of a checkpoint as a folder of its own, which other tools load as a plain Qwen3 model.
 *
 *     config.json         flat, model_type qwen3 (checkpoint/plain_config.h)
 *     model.safetensors   the tensors under the names of that family: "model.language_model." became "model.";
 *                         lm_head.weight when untied. Same bytes, same types
 *     companions          the tokenizer's files and generation_config.json, copied, those that the checkpoint has
 *
 * The folder is written aside (DIR.part) and renamed when it is whole, so that what has the name is never a part; what
 * was there is renamed away before and removed after (DIR.old). A crash can leave either: the next run removes it.
 */
#ifndef QG_MODEL_LM_FOLDER_H
#define QG_MODEL_LM_FOLDER_H

#include <stddef.h>

#include "common/hash.h"
#include "formats/lm.h"

struct lm_companion {
	const char *name;        /* one of lm_folder_companions() */
	const char *path;
	struct digest digest;    /* of the content that is to be copied */
};

/* The names of the files beside the weights that other tools want, those that are in the checkpoint folder; sorted. The
 * caller frees each and the array. */
int lm_folder_companions(const char *checkpoint, char ***names, size_t *count);

/* Whether dir may be written: it is not the checkpoint's folder, and if it exists it holds no file but those that would
 * be replaced. -1 after fail(). */
int lm_folder_check(const char *dir, const char *checkpoint);

/* Makes dir and its parents. Every tensor in the checkpoint folder and every companion is held against its digest. A
 * folder that is already what it should be is left alone; *changed tells. On failure dir is what it was. */
int lm_folder_write(const char *dir, const struct lm *lm, const char *checkpoint, const struct lm_companion *companions,
	size_t count, int *changed);

/* Removes the weights being written, if any: for signal handlers. */
void lm_folder_interrupt(void);

#endif
