#include "ops/ops.h"

#include <string.h>

#include "common/error.h"
#include "ops/cuda_device.h"

const struct ops *ops_open(const char *device)
{
	if (!strcmp(device, "cpu"))
		return ops_cpu();
	if (strcmp(device, "cuda"))
		return fail_null("there is no device \"%s\": expected cpu or cuda", device);
	if (!cuda_device_find())
		return NULL;
#ifdef QG_CUDA
	return ops_cuda();
#else
	return NULL;
#endif
}
