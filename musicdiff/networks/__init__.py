"""Networks: flax modules from tensors to a tensor; they know neither schedules nor configurations."""
