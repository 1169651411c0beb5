"""The photo codec: predictive patch VQ with a trained, universal codebook.

A picture becomes a luma plane and two colour differences (`planes`), cut into
independent tiles (`tiles`). Each plane is divided into blocks of 32 x 32 down
to 4 x 4 (`partition`), each block predicted from its decoded neighbours
(`predict`), and what the prediction misses is transformed (`transform`) and
vector quantized (`quantizer`). Everything that is left to say goes through a
binary range coder whose probabilities come from mixed contexts (`stream`,
`contexts`, `mixing`), and a filter takes back some of the loss (`restore`).
`train` makes the codebook from photographs; `codec` is the way in.

All that the decoder does is integer arithmetic, so the same bytes give the
same pixels everywhere.
"""
