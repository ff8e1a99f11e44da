"""Time and memory of the kernels, compared with the direct formulations that they replace."""
