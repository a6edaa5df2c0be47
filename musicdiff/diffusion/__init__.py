"""The noise process as pure mathematics. docs/diffusion.md is its page.

schedules    levels along a time t in [0, 1]: log_snr(t) and its inverse
process      x_t = alpha x_0 + sigma eps: diffuse, convert between eps, v and x_0, posterior between two levels
losses       mean squared error and its weights over the levels
objective    schedule + prediction + weight, one config section: the loss to train by and the denoiser to sample from
grids        the levels that a sampler visits
guidance     denoisers made of denoisers
constraints  edits of the state between two steps
"""
