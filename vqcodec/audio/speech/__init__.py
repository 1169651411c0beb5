"""Speech at low rates: code-excited linear prediction with trained codebooks.

`codec` holds the Encoder and the Decoder, `train` makes their codebook; the
stages in between are one file each, from `lpc` to `synthesis`.
"""
