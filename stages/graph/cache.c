#include "graph/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "graph/fault.h"

enum { RENEW_SECONDS = 3600, ENTRY_BYTES_MAX = 16 << 20, FAILURE_BYTES_MAX = 1 << 20 };

static char *entry_path(const char *root, const struct digest *action, const char *extension)
{
	return mem_printf("%s/ac/%.2s/%s.%s", root, action->hex, action->hex, extension);
}

char *cache_object_path(const char *root, const struct cache_result *result)
{
	return mem_printf("%s/cas/%.2s/%s.%s", root, result->content.hex, result->content.hex, result->kind);
}

char *cache_id(const char *root)
{
	char *path = path_join(root, "cas/id"), *id = NULL;
	if (file_read(path, 256, &id, NULL))
		id = NULL;
	free(path);
	return id;
}

/* Of two processes that make the id at once, one rename comes last and both read that. */
static int make_id(const char *root)
{
	unsigned char bytes[16];
	char *path = path_join(root, "cas/id");
	int bad = 0;
	if (!file_exists(path)) {
		if (getentropy(bytes, sizeof bytes))
			bad = fail("%s: no random numbers: %s", path, strerror(errno));
		struct digest id = hash_bytes(bytes, sizeof bytes);
		bad = bad || file_write(path, id.hex, DIGEST_HEX);
	}
	free(path);
	return bad;
}

int cache_prepare(const char *root)
{
	static const char *const folders[] = {"cas", "ac", "tmp"};
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		char *path = path_join(root, folders[i]);
		int bad = dir_make(path);
		free(path);
		if (bad)
			return fail_context("cache");
	}
	return make_id(root);
}

struct digest cache_seal(const struct cache_result *result, const char *of)
{
	char *text = mem_printf("%s %s %s %s %zu %s", result->action.hex, result->kind, result->content.hex,
		result->identity.hex, result->size, of);
	struct digest seal = hash_bytes(text, strlen(text));
	free(text);
	return seal;
}

int cache_register(const char *root, const char *build_dir)
{
	char *absolute = realpath(build_dir, NULL);
	if (!absolute)
		return fail("%s: %s", build_dir, strerror(errno));
	struct digest name = hash_bytes(absolute, strlen(absolute));
	char *path = mem_printf("%s/roots/%s", root, name.hex), *line = mem_printf("%s\n", absolute);
	int bad = dir_make_parents(path) || file_write_if_changed(path, line, strlen(line), NULL);
	free(line);
	free(path);
	free(absolute);
	return bad ? -1 : 0;
}

int cache_result_read(const cJSON *root, const char *path, struct cache_result *result)
{
	uint64_t size;
	const char *action = json_string(root, "action", path), *content = json_string(root, "content", path);
	const char *identity = json_string(root, "identity", path), *kind = json_string(root, "kind", path);
	if (!action || !content || !identity || !kind || json_u64(root, "size", path, &size))
		return -1;
	if (digest_parse(action, &result->action) || digest_parse(content, &result->content) ||
		digest_parse(identity, &result->identity) || strlen(kind) >= sizeof result->kind || strchr(kind, '/'))
		return fail("%s: action, content or identity is not 32 hex digits, or kind is none", path);
	snprintf(result->kind, sizeof result->kind, "%s", kind);
	result->size = (size_t)size;
	return 0;
}

int cache_object_check(const char *root, const struct cache_result *result)
{
	struct stat s;
	char *path = cache_object_path(root, result);
	int bad = 0;
	if (stat(path, &s))
		bad = fail("%s: %s", path, strerror(errno));
	else if (!S_ISREG(s.st_mode))
		bad = fail("%s: damaged: not a regular file", path);
	else if ((size_t)s.st_size != result->size)
		bad = fail("%s: damaged: %lld bytes, expected %zu", path, (long long)s.st_size, result->size);
	free(path);
	return bad;
}

/* gc goes by the time of the last hit. A cache that may only be read is none that gc deletes from. */
static void renew(const char *path)
{
	struct stat s;
	if (!stat(path, &s) && s.st_mtime < time(NULL) - RENEW_SECONDS)
		(void)utimensat(AT_FDCWD, path, NULL, 0);
}

int cache_find(const char *root, const struct digest *action, const char *ingredients, struct cache_result *result)
{
	int found = 0;
	char *path = entry_path(root, action, "json");
	cJSON *entry = file_exists(path) ? json_read(path, ENTRY_BYTES_MAX) : NULL;
	*result = (struct cache_result){.action = *action};
	if (entry && !cache_result_read(entry, path, result) && digest_equal(&result->action, action)) {
		const char *kept = json_string(entry, "ingredients", path), *seal = json_string(entry, "seal", path);
		int sealed = kept && seal && !strcmp(seal, cache_seal(result, kept).hex);
		if (sealed && strcmp(kept, ingredients))
			found = fail("%s: two actions share the key %s; please report this", path, action->hex);
		else
			found = sealed && !cache_object_check(root, result);
	}
	if (found > 0)
		renew(path);
	cJSON_Delete(entry);
	free(path);
	return found;
}

/* The objects being written, by several threads at once, for cache_interrupt(): a handler can do no more than unlink
 * names it finds ready. */
static struct writing {
	atomic_flag taken;
	char path[4096];
} writing[POOL_THREADS_MAX];

void cache_interrupt(void)
{
	for (size_t i = 0; i < sizeof writing / sizeof *writing; i++)
		if (writing[i].path[0])
			unlink(writing[i].path);
}

static struct writing *writing_begin(const char *root, const struct cache_result *result)
{
	for (size_t i = 0; i < sizeof writing / sizeof *writing; i++) {
		struct writing *w = &writing[i];
		if (atomic_flag_test_and_set(&w->taken))
			continue;
		char *path = mem_printf("%s/tmp/%s", root, result->action.hex), *aside = aside_name(path);
		int length = snprintf(w->path, sizeof w->path, "%s", aside);
		free(path);
		free(aside);
		if (length < (int)sizeof w->path)
			return w;
		w->path[0] = '\0';
		atomic_flag_clear(&w->taken);
		return fail_null("%s: path is too long", root);
	}
	return fail_null("%s: more than %d objects are being written at once", root, POOL_THREADS_MAX);
}

static void writing_end(struct writing *w)
{
	w->path[0] = '\0';
	atomic_flag_clear(&w->taken);
}

static int put_object(const char *root, const struct object_writer *w, struct cache_result *result)
{
	struct writing *aside = writing_begin(root, result);
	if (!aside)
		return -1;
	snprintf(result->kind, sizeof result->kind, "%s", w->kind);
	int bad = object_write(w, aside->path, &result->content, &result->identity, &result->size);
	if (!bad) {
		char *path = cache_object_path(root, result);
		fault_point("before-cas");
		bad = dir_make_parents(path);
		if (!bad && rename(aside->path, path))
			bad = fail("%s: cannot rename %s: %s", path, aside->path, strerror(errno));
		free(path);
	}
	if (bad)
		unlink(aside->path);
	writing_end(aside);
	return bad;
}

static int put_entry(const char *root, const char *ingredients, const cJSON *provenance,
	const struct cache_result *result)
{
	struct strbuf text;
	cJSON *entry = cJSON_CreateObject();
	cJSON_AddStringToObject(entry, "format", "quantgrid-action/1");
	cJSON_AddStringToObject(entry, "action", result->action.hex);
	cJSON_AddStringToObject(entry, "kind", result->kind);
	cJSON_AddStringToObject(entry, "content", result->content.hex);
	cJSON_AddStringToObject(entry, "identity", result->identity.hex);
	cJSON_AddNumberToObject(entry, "size", (double)result->size);
	cJSON_AddStringToObject(entry, "ingredients", ingredients);
	cJSON_AddStringToObject(entry, "seal", cache_seal(result, ingredients).hex);
	if (provenance)
		cJSON_AddItemReferenceToObject(entry, "provenance", (cJSON *)(uintptr_t)provenance);
	strbuf_init(&text);
	json_pretty(&text, entry);
	strbuf_addc(&text, '\n');
	char *path = entry_path(root, &result->action, "json");
	int bad = dir_make_parents(path) || file_write_durable(path, text.s, text.length);
	free(path);
	strbuf_release(&text);
	cJSON_Delete(entry);
	return bad ? -1 : 0;
}

int cache_store(const char *root, const struct digest *action, const char *ingredients, const struct object_writer *w,
	const cJSON *provenance, struct cache_result *result)
{
	*result = (struct cache_result){.action = *action};
	if (put_object(root, w, result))
		return -1;
	fault_point("after-cas");
	if (put_entry(root, ingredients, provenance, result))
		return -1;
	fault_point("after-ac");
	cache_failure_forget(root, action);
	return 0;
}

static int open_locks(const char *root, int read_only_will_do)
{
	char *path = path_join(root, "locks");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	const int why = errno;
	if (fd < 0 && read_only_will_do && (why == EROFS || why == EACCES || why == EPERM))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: cannot create: %s", path, strerror(why));
	free(path);
	return fd;
}

int cache_locks_open(const char *root)
{
	return open_locks(root, 0);
}

void cache_locks_close(int locks)
{
	if (locks >= 0)
		close(locks);
}

enum { LOCK_DIGITS = 15 };

/* Behind the bytes of all actions. */
static const off_t turn_byte = (off_t)1 << 4 * LOCK_DIGITS, use_byte = ((off_t)1 << 4 * LOCK_DIGITS) + 1;

static int lock_with(int command, int locks, off_t byte, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	int bad;
	do
		bad = fcntl(locks, command, &lock);
	while (bad && errno == EINTR);
	return bad;
}

static int set_lock(int locks, off_t byte, short type)
{
	return lock_with(F_OFD_SETLKW, locks, byte, type);
}

/* To read results takes no right to write. */
int cache_use(const char *root)
{
	int locks = open_locks(root, 1);
	if (locks >= 0 && set_lock(locks, use_byte, F_RDLCK)) {
		fail("%s/locks: cannot lock: %s", root, strerror(errno));
		cache_locks_close(locks);
		locks = -1;
	}
	return locks;
}

int cache_own(const char *root)
{
	int locks = cache_locks_open(root);
	if (locks >= 0 && lock_with(F_OFD_SETLK, locks, use_byte, F_WRLCK)) {
		const int in_use = errno == EAGAIN || errno == EACCES;
		if (in_use)
			fail("%s is in use: a stage runs, or another gc or fsck. Try again when it is done", root);
		else
			fail("%s/locks: cannot lock: %s", root, strerror(errno));
		cache_locks_close(locks);
		locks = in_use ? CACHE_IN_USE : -1;
	}
	return locks;
}

/* The byte of an action: the first digits of its key, so that offsets are in the order of the keys. Two actions on one
 * byte would only wait for one another. */
static off_t lock_byte(const struct digest *action)
{
	char first[LOCK_DIGITS + 1];
	memcpy(first, action->hex, LOCK_DIGITS);
	first[LOCK_DIGITS] = '\0';
	return (off_t)strtoull(first, NULL, 16);
}

int cache_lock(int locks, const struct digest *action)
{
	if (!set_lock(locks, lock_byte(action), F_WRLCK))
		return 0;
	return fail("cannot lock the action %s: %s", action->hex, strerror(errno));
}

void cache_unlock(int locks, const struct digest *action)
{
	(void)set_lock(locks, lock_byte(action), F_UNLCK);
}

int cache_lock_turn(int locks)
{
	return set_lock(locks, turn_byte, F_WRLCK) ? fail("cannot wait for a turn to compute: %s", strerror(errno)) : 0;
}

int cache_failure_note(const char *root, const struct digest *action, const struct digest *run, const char *text)
{
	char *path = entry_path(root, action, "fail"), *whole = mem_printf("%s\n%s", run->hex, text);
	int bad = dir_make_parents(path) || file_write(path, whole, strlen(whole));
	free(whole);
	free(path);
	return bad ? -1 : 0;
}

int cache_failure_find(const char *root, const struct digest *action, struct digest *run, char **text)
{
	struct digest made_by;
	char *path = entry_path(root, action, "fail"), *whole = NULL;
	int found = file_exists(path) && !file_read(path, FAILURE_BYTES_MAX, &whole, NULL) && strlen(whole) > DIGEST_HEX &&
		whole[DIGEST_HEX] == '\n';
	if (found) {
		whole[DIGEST_HEX] = '\0';
		found = !digest_parse(whole, run ? run : &made_by);
	}
	if (found)
		*text = mem_strdup(whole + DIGEST_HEX + 1);
	free(whole);
	free(path);
	return found;
}

void cache_failure_forget(const char *root, const struct digest *action)
{
	char *path = entry_path(root, action, "fail");
	unlink(path);
	free(path);
}
