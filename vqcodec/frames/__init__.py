"""Classical frame VQ of sounds: short frames, each a gain and a shape, at a fixed rate."""
