"""The noise process as pure mathematics. docs/diffusion.md is its page.

schedules    levels along a time t in [0, 1]: log_snr(t) and its inverse
draws        the law by which training draws t
kinds        what a network sees of x_t, and what it says of x_0 and eps: eps, v, x_0, flow, edm
process      x_t = alpha x_0 + sigma eps: diffuse, convert between the kinds, posterior between two levels
losses       mean squared error and its weights over the levels
objectives/  all of these, one config section: the loss to train by and the denoiser to sample from
bound        the variational bound of a denoiser, term by term
grids        the levels that a sampler visits
guidance     denoisers made of denoisers
constraints  edits of the state between two steps
"""
