/* Which files of a checkpoint folder hold the tensors: model.safetensors, or what model.safetensors.index.json lists.
 * With both, the index wins. Only config.json's existence and the index are looked at here, no shard is opened. */
#ifndef QG_CHECKPOINT_SHARD_LIST_H
#define QG_CHECKPOINT_SHARD_LIST_H

#include <stddef.h>

enum { SHARDS_MAX = 1000 };

#define CHECKPOINT_CONFIG "config.json"
#define CHECKPOINT_INDEX "model.safetensors.index.json"
#define CHECKPOINT_SINGLE "model.safetensors"

struct shard_entry {
	char *name;     /* of a tensor, as stored */
	size_t shard;   /* index into shards */
};

struct shard_list {
	int indexed;                  /* there is an index; else entries is empty and shards is the one file */
	char **shards;                /* file names, sorted, each once */
	size_t shard_count;
	struct shard_entry *entries;  /* sorted by name; no name twice */
	size_t entry_count;
};

/* Every file name is a plain name and the file is there. On failure nothing is held. */
int shard_list_read(struct shard_list *list, const char *dir);
void shard_list_free(struct shard_list *list);

#endif
