"""vqcodec inside other libraries; import the module of the one you use."""
