#include "ops/ahead_cuda.cuh"

/* Room for the linears of a layer, and some. A name that finds no place is loaded when its time comes. */
enum { PLACES = 8, PINNED_MAX = 64 };

static struct place {
	const void *host;       /* NULL: free */
	size_t bytes;
	void *memory;
	size_t room;
	cudaEvent_t copied, used;
	int known;              /* the events are there */
} places[PLACES];

static struct range {
	const char *begin;
	size_t bytes;
} pinned[PINNED_MAX];
static size_t pinned_count;
static cudaStream_t copies;

void cuda_pin(const void *host, size_t bytes)
{
	if (!bytes || pinned_count == PINNED_MAX)
		return;
	if (cudaHostRegister((void *)host, bytes, cudaHostRegisterReadOnly) == cudaSuccess)
		pinned[pinned_count++] = (struct range){(const char *)host, bytes};
	else
		cudaGetLastError(); /* no failure: these pages are copied as any others are */
}

static size_t pinned_find(const void *host, size_t bytes)
{
	const char *at = (const char *)host;
	size_t i = 0;
	while (i < pinned_count && (at < pinned[i].begin || at + bytes > pinned[i].begin + pinned[i].bytes))
		i++;
	return i;
}

void cuda_unpin(const void *host)
{
	const size_t i = pinned_find(host, 1);
	if (i == pinned_count)
		return;
	CUDA_TRY(cudaStreamSynchronize(cuda_stream()));
	if (copies)
		CUDA_TRY(cudaStreamSynchronize(copies));
	for (struct place *p = places; p < places + PLACES; p++)
		if (p->host && pinned_find(p->host, 1) == i)
			p->host = NULL;
	CUDA_TRY(cudaHostUnregister((void *)host));
	pinned[i] = pinned[--pinned_count];
}

static struct place *place_of(const void *host)
{
	for (struct place *p = places; p < places + PLACES; p++)
		if (p->host == host)
			return p;
	return NULL;
}

/* A free place: the smallest that is large enough, else the largest. */
static struct place *place_for(size_t bytes)
{
	struct place *best = NULL;
	for (struct place *p = places; p < places + PLACES; p++) {
		if (p->host)
			continue;
		const int fits = p->room >= bytes, best_fits = best && best->room >= bytes;
		if (!best || (fits && (!best_fits || p->room < best->room)) || (!fits && !best_fits && p->room > best->room))
			best = p;
	}
	return best;
}

static void place_prepare(struct place *p, size_t bytes)
{
	if (!copies)
		CUDA_TRY(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking));
	if (!p->known) {
		CUDA_TRY(cudaEventCreateWithFlags(&p->copied, cudaEventDisableTiming));
		CUDA_TRY(cudaEventCreateWithFlags(&p->used, cudaEventDisableTiming));
		p->known = 1;
	}
	p->memory = cuda_resize(p->memory, &p->room, bytes);
}

void cuda_weight_ahead(const void *host, size_t bytes)
{
	struct place *p = place_for(bytes);
	if (!p || !bytes || place_of(host) || pinned_find(host, bytes) == pinned_count)
		return;
	place_prepare(p, bytes);
	p->host = host;
	p->bytes = bytes;
	/* An event that was never recorded holds nobody up. */
	CUDA_TRY(cudaStreamWaitEvent(copies, p->used, 0));
	CUDA_TRY(cudaMemcpyAsync(p->memory, host, bytes, cudaMemcpyHostToDevice, copies));
	CUDA_TRY(cudaEventRecord(p->copied, copies));
}

const void *cuda_ahead_take(const void *host, size_t bytes)
{
	struct place *p = place_of(host);
	if (!p || p->bytes != bytes)
		return NULL;
	CUDA_TRY(cudaStreamWaitEvent(cuda_stream(), p->copied, 0));
	return p->memory;
}

void cuda_ahead_done(const void *host)
{
	struct place *p = place_of(host);
	CUDA_TRY(cudaEventRecord(p->used, cuda_stream()));
	p->host = NULL;
}
