#include "ops/ops.h"

#include <string.h>

#include "common/error.h"
#include "ops/cuda_device.h"

const struct ops *ops_open(const char *device)
{
	if (!strcmp(device, "cpu"))
		return ops_cpu();
	const int bf16 = !strcmp(device, "cuda-bf16");
	if (strcmp(device, "cuda") && !bf16)
		return fail_null("there is no device \"%s\": expected cpu, cuda or cuda-bf16", device);
	if (!cuda_device_find())
		return NULL;
#ifdef QG_CUDA
	return ops_cuda(bf16);
#else
	return NULL;
#endif
}
