"""Classical vector quantization of images: blocks, a codebook, an index for each block."""
