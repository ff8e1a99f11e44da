"""Speed and memory of the kernels beside the direct formulations that they replace."""
